"""Claims about augmented views."""

from __future__ import annotations

from typing import Any

import numpy as np

from evo_mtl.streams.views import view

ALL: dict[str, Any] = {
    "crop_area_min": 0.3, "crop_aspect_min": 0.75, "flip": True,
    "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1,
}  # fmt: skip


def images(count: int = 12, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def make(batch: np.ndarray, index: int, **settings: Any) -> np.ndarray:
    return view(batch, seed=0, address=("task", "a"), index=index, **settings)


def test_view_zero_is_the_images_and_later_views_differ_and_repeat() -> None:
    batch = images()
    kept = batch.copy()
    assert np.array_equal(make(batch, 0, **ALL), batch)
    first, again, second = make(batch, 1, **ALL), make(batch, 1, **ALL), make(batch, 2, **ALL)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, batch)
    assert first.dtype == np.uint8
    assert first.shape == batch.shape
    assert np.array_equal(batch, kept)


def test_an_image_depends_on_its_own_number_and_not_on_the_others() -> None:
    batch = images()
    assert np.array_equal(make(batch, 3, **ALL)[:5], make(batch[:5], 3, **ALL))


def test_without_settings_every_view_is_the_images() -> None:
    batch = images()
    assert np.array_equal(make(batch, 1), batch)


def test_flip_alone_mirrors_about_half_of_the_images() -> None:
    batch = images(200, 4)
    new = make(batch, 1, flip=True)
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(new, batch, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(new, batch, strict=True)]
    assert sum(mirrored) + sum(same) == 200
    assert 70 < sum(mirrored) < 130


def test_grey_images_stay_grey_under_saturation_and_hue() -> None:
    grey = np.repeat(images()[..., :1], 3, axis=3)
    new = make(grey, 1, saturation=0.9, hue=0.5).astype(int)
    assert np.abs(new - grey).max() <= 1


def test_brightness_scales_all_pixels_of_an_image_by_one_factor_in_range() -> None:
    flat = np.full((50, 4, 4, 3), 100, np.uint8)
    new = make(flat, 1, brightness=0.4)
    assert all(len(np.unique(image)) == 1 for image in new)
    assert new.min() >= 60
    assert new.max() <= 140
    assert len(np.unique(new)) > 20


def test_contrast_keeps_a_flat_grey_image() -> None:
    flat = np.full((20, 4, 4, 3), 100, np.uint8)
    assert np.abs(make(flat, 1, contrast=0.5).astype(int) - 100).max() <= 1
