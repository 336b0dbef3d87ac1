"""``fonts:letters``: A to Z drawn in the fonts that ship inside matplotlib, slightly distorted.

Each family of fonts is either in training or in test, so test letters have unseen shapes.
"""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evo_mtl.errors import DataError
from evo_mtl.seeding import generator, words
from evo_mtl.streams.raw import ArrayItems, RawSplit, RawTask, Request, Source

LETTERS = string.ascii_uppercase
SIZE = 48
CANVAS = 96
DRAWINGS = 12
TEST_SHARE = 0.2
# letters of formulas and symbols, at the code points of Latin letters
SYMBOLS = ("cmex", "cmmi", "cmsy", "STIXNonUni", "STIXSiz", "LastResort")
ROMAN = {"cmr10": "Computer Modern", "cmb10": "Computer Modern", "cmti10": "Computer Modern"}


def load(argument: str, request: Request) -> RawTask:
    """Twelve drawings of each letter in each font, ``(48, 48)`` grey, dark on light or light on dark."""
    fonts = latin_fonts(_font_folder())
    test = families_for_test(fonts, request.seed)
    splits = []
    for wanted in (False, True):
        images, labels = [], []
        for path in [path for path, family in fonts.items() if (family in test) is wanted]:
            images.append(_drawings(path, request.seed))
            labels.append(np.repeat(np.arange(len(LETTERS)), DRAWINGS))
        items = ArrayItems(np.concatenate(images), f"fonts:{argument}")
        splits.append(RawSplit(items, np.concatenate(labels).astype(np.int64)))
    return RawTask(tuple(LETTERS), splits[0], splits[1], place=f"fonts:{argument}")


def _font_folder() -> Path:
    import matplotlib  # heavy, and only this source needs it

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def latin_fonts(folder: Path) -> dict[Path, str]:
    """The fonts that have all 26 letters, each with its family, in the order of their file names."""
    fonts = {}
    for path in sorted(folder.glob("*.ttf")):
        if path.name.startswith(SYMBOLS):
            continue
        font = ImageFont.truetype(str(path), 32)
        shapes = {bytes(font.getmask(letter)) for letter in LETTERS}
        if len(shapes) == len(LETTERS) and all(any(shape) for shape in shapes):
            family = str(font.getname()[0])
            fonts[path] = ROMAN.get(family, family)
    if len(set(fonts.values())) < 3:
        raise DataError("expected the fonts of matplotlib, of three families at least", folder)
    return fonts


def families_for_test(fonts: dict[Path, str], seed: int) -> set[str]:
    """The families kept for test: by seeded rank, until they hold a fifth of the fonts."""
    families = sorted(set(fonts.values()), key=lambda family: words(seed, "fonts", "test", family))
    chosen: set[str] = set()
    for family in families[:-1]:
        if sum(of in chosen for of in fonts.values()) >= TEST_SHARE * len(fonts):
            break
        chosen.add(family)
    return chosen


def _drawings(path: Path, seed: int) -> np.ndarray:
    """All drawings in one font, ``(26 * DRAWINGS, SIZE, SIZE)`` uint8, letter after letter."""
    font = ImageFont.truetype(str(path), 64)
    out = np.empty((len(LETTERS) * DRAWINGS, SIZE, SIZE), dtype=np.uint8)
    for number, letter in enumerate(LETTERS):
        canvas = Image.new("L", (CANVAS, CANVAS), 0)
        left, top, right, bottom = font.getbbox(letter)
        corner = ((CANVAS - left - right) / 2, (CANVAS - top - bottom) / 2)
        ImageDraw.Draw(canvas).text(corner, letter, font=font, fill=255)
        rng = generator(seed, "fonts", path.name, letter)
        for drawing in range(DRAWINGS):
            out[number * DRAWINGS + drawing] = _distorted(canvas, rng)
    return out


def _distorted(canvas: Image.Image, rng: np.random.Generator) -> np.ndarray:
    turn, shear = rng.uniform(-0.2, 0.2, 2)
    scale = CANVAS / SIZE * rng.uniform(0.8, 1.2)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[1.0, shear], [0.0, 1.0]])
    centre = np.array([CANVAS, CANVAS]) / 2 - matrix @ (np.array([SIZE, SIZE]) / 2 + rng.uniform(-4, 4, 2))
    data = (*matrix[0], centre[0], *matrix[1], centre[1])
    ink = np.asarray(canvas.transform((SIZE, SIZE), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))
    dark, light = rng.uniform(0, 80), rng.uniform(175, 255)
    paper, pen = (dark, light) if rng.random() < 0.5 else (light, dark)
    noise = rng.normal(0, rng.uniform(2, 10), ink.shape)
    return np.clip(paper + (pen - paper) * (ink / 255.0) + noise, 0, 255).astype(np.uint8)


SOURCE = Source(load, "A to Z in the fonts of matplotlib, test fonts unseen", "NAME", names=("letters",))
