"""Tiny image folders and zips for tests of streams."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def png(seed: int, size: int = 6) -> bytes:
    """A PNG of seeded noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def files(counts: dict[str, int], start: int = 0) -> dict[str, bytes]:
    """``{"train/a": 3}`` as three different PNGs under that folder."""
    out = {}
    for folder, count in counts.items():
        for i in range(count):
            out[f"{folder}/{i}.png"] = png(start + len(out))
    return out


def write(root: Path, contents: dict[str, bytes]) -> Path:
    """Writes files below ``root``."""
    for name, raw in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return root


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    """Writes files into a zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in contents.items():
            archive.writestr(name, raw)
    return path
