"""RandAugment: two operations drawn from fourteen, all at one strength."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

NUM_OPERATIONS = 2
NUM_DRAWS = 2 * NUM_OPERATIONS

Operation = Callable[[Image.Image, float, int], Image.Image]
"""From an image, a strength in [0, 1] and a sign, +1 or -1, to a new image of the same size."""


def rand_augmented(image: np.ndarray, strength: float, draws: np.ndarray) -> np.ndarray:
    """An image after two operations, each drawn evenly from fourteen, with its sign.

    What a shift uncovers has the image's mean colour.

    Args:
        image: ``(S, S, 3)`` uint8; left unchanged.
        strength: Share of an operation's range: 1 is torchvision's magnitude 30, 0.3 its default 9.
        draws: ``(NUM_DRAWS,)`` in [0, 1): an operation and a sign, twice.

    References:
        Cubuk 2020.
    """
    new = Image.fromarray(np.ascontiguousarray(image))
    for choice, sign in draws.reshape(NUM_OPERATIONS, 2):
        new = OPERATIONS[int(choice * len(OPERATIONS))](new, strength, 1 if sign < 0.5 else -1)
    return np.asarray(new)


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda image, strength, sign: kind(image).enhance(1.0 + 0.9 * strength * sign)


def _posterized(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(4 * strength))


def _solarized(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return ImageOps.solarize(image, round(256 * (1.0 - strength)))


def _rotated(image: Image.Image, strength: float, sign: int) -> Image.Image:
    fill = _mean_colour(image)
    return image.rotate(30.0 * strength * sign, Image.Resampling.BILINEAR, fillcolor=fill)


def _shifted(x_by_y: float = 0.0, y_by_x: float = 0.0, x: float = 0.0, y: float = 0.0) -> Operation:
    """Shears about the middle and shifts, given at full strength; shifts as shares of the side."""

    def shift(image: Image.Image, strength: float, sign: int) -> Image.Image:
        by, half = strength * sign, image.width / 2.0
        across = (1.0, x_by_y * by, (x * image.width - x_by_y * half) * by)
        down = (y_by_x * by, 1.0, (y * image.height - y_by_x * half) * by)
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            (*across, *down),
            Image.Resampling.BILINEAR,
            fillcolor=_mean_colour(image),
        )

    return shift


def _mean_colour(image: Image.Image) -> tuple[int, ...]:
    return tuple(round(float(mean)) for mean in np.asarray(image).mean(axis=(0, 1)))


OPERATIONS: tuple[Operation, ...] = (
    lambda image, strength, sign: image,
    lambda image, strength, sign: ImageOps.autocontrast(image),
    lambda image, strength, sign: ImageOps.equalize(image),
    _enhanced(ImageEnhance.Brightness),
    _enhanced(ImageEnhance.Color),
    _enhanced(ImageEnhance.Contrast),
    _enhanced(ImageEnhance.Sharpness),
    _posterized,
    _solarized,
    _rotated,
    _shifted(x_by_y=0.3),
    _shifted(y_by_x=0.3),
    _shifted(x=0.45),
    _shifted(y=0.45),
)
