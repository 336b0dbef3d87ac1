"""Augmented views of a training set, each drawn by address: view ``v`` is the same whenever it is made."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from evo_mtl.seeding import AddressPart, generator
from evo_mtl.streams.rand_augment import NUM_DRAWS, rand_augmented

# weights of red, green and blue in grey (ITU-R BT.601), as PIL and torchvision have them
GREY = np.array([0.299, 0.587, 0.114])


def view(
    images: np.ndarray,
    *,
    seed: int,
    address: tuple[AddressPart, ...],
    index: int,
    crop_area_min: float = 1.0,
    crop_aspect_min: float = 1.0,
    flip: bool = False,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    rand_augment: float = 0.0,
) -> np.ndarray:
    """One view of every image.

    Args:
        images: ``(N, S, S, 3)`` uint8; left unchanged.
        seed: The run's seed.
        address: What the views belong to, e.g. ``("task", "mnist")``.
        index: Number of the view; 0 is the images as they are.
        crop_area_min: A crop's share of the area is drawn from [this, 1].
        crop_aspect_min: Its width over height from [this, 1/this], evenly in the logarithm.
        flip: Mirror left and right, half of the time.
        brightness: Factor from [1 - b, 1 + b]; ``contrast`` and ``saturation`` likewise.
        contrast: Distance from the image's mean grey.
        saturation: Distance of each pixel from its own grey.
        hue: Turn of the colour circle, from [-hue, hue] (0.5 is half a turn).
        rand_augment: Strength of two operations drawn at the end, in [0, 1]; 0 for none.

    Returns:
        ``(N, S, S, 3)`` uint8. Image ``i`` depends on (seed, address, index, i) and itself only.

    References:
        Szegedy 2015 (random resized crops), Howard 2013 (colour), Cubuk 2020 (RandAugment).
    """
    if index == 0:
        return images.copy()
    out = np.empty_like(images)
    size = images.shape[1]
    strengths = (brightness, contrast, saturation, hue)
    for i, image in enumerate(images):
        rng = generator(seed, *address, "view", index, i)
        draws = rng.random(9)  # always all of them, so that one setting does not shift another's draw
        new = _cropped(image, size, draws[:4], crop_area_min, crop_aspect_min)
        if flip and draws[4] < 0.5:
            new = new[:, ::-1]
        new = _coloured(new, draws[5:], strengths) if any(strengths) else new
        out[i] = rand_augmented(new, rand_augment, rng.random(NUM_DRAWS)) if rand_augment else new
    return out


def _cropped(
    image: np.ndarray, size: int, draws: np.ndarray, area_min: float, aspect_min: float
) -> np.ndarray:
    """Random-resized crop; a box that is longer than the image is cut to its side."""
    if area_min >= 1.0 and aspect_min >= 1.0:
        return image
    area = area_min + (1.0 - area_min) * draws[0]
    aspect = math.exp((2.0 * draws[1] - 1.0) * -math.log(aspect_min))
    width = min(size * math.sqrt(area * aspect), size)
    height = min(size * math.sqrt(area / aspect), size)
    left, top = (size - width) * draws[2], (size - height) * draws[3]
    box = (left, top, min(left + width, size), min(top + height, size))
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=box))


def _coloured(
    image: np.ndarray, draws: np.ndarray, strengths: tuple[float, float, float, float]
) -> np.ndarray:
    """Brightness, contrast, saturation and hue as one affine map of the colours."""
    bright, contrast, saturation = (
        1.0 + s * (2.0 * d - 1.0) for s, d in zip(strengths[:3], draws[:3], strict=True)
    )
    turn = 2.0 * math.pi * strengths[3] * (2.0 * draws[3] - 1.0)
    grey = np.tile(GREY, (3, 1))
    matrix = _hue_turn(turn) @ (saturation * np.eye(3) + (1.0 - saturation) * grey)
    matrix = matrix * (contrast * bright)
    flat = image.reshape(-1, 3).astype(np.float32)
    mean_grey = float(flat.mean(axis=0) @ GREY) * bright
    new = flat @ matrix.T.astype(np.float32) + np.float32((1.0 - contrast) * mean_grey + 0.5)
    return np.clip(new, 0, 255).astype(np.uint8).reshape(image.shape)


def _hue_turn(turn: float) -> np.ndarray:
    """Turns colours about the grey axis (Rodrigues 1840)."""
    cos, sin = math.cos(turn), math.sin(turn)
    axis = np.full((3, 3), 1.0 / 3.0)
    cross = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
    return cos * np.eye(3) + sin * cross + (1.0 - cos) * axis
