"""Claims about RandAugment."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from evo_mtl.files import digest
from evo_mtl.streams.rand_augment import NUM_DRAWS, OPERATIONS, rand_augmented
from evo_mtl.streams.views import view

COUNT = len(OPERATIONS)


def image(size: int = 24) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(20, 236, (size // 4, size // 4, 3))
    return coarse.repeat(4, 0).repeat(4, 1).astype(np.uint8)


def views(strength: float, count: int = 40) -> np.ndarray:
    batch = np.stack([image()] * count)
    return view(batch, seed=0, address=("task", "a"), index=1, rand_augment=strength)


def once(place: int, strength: float, sign: float = 0.0) -> np.ndarray:
    """One operation; the other does nothing."""
    draws = np.array([(place + 0.5) / COUNT, sign, 0.0, 0.0])
    return rand_augmented(image(), strength, draws)


def test_strength_zero_leaves_views_as_they_were_and_any_other_changes_them() -> None:
    plain = np.stack([image()] * 40)
    assert np.array_equal(views(0.0), plain)
    changed = sum(not np.array_equal(a, b) for a, b in zip(views(0.3), plain, strict=True))
    assert changed >= 30


def test_views_are_drawn_by_address_and_keep_shape_and_type() -> None:
    first = views(0.5)
    assert np.array_equal(first, views(0.5))
    assert len({one.tobytes() for one in first}) > 20
    assert first.dtype == np.uint8
    assert first.shape == (40, 24, 24, 3)


def test_another_process_draws_the_same() -> None:
    code = (
        "from tests.streams.test_rand_augment import views; from evo_mtl.files import digest; "
        "print(digest(views(0.7).tobytes()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(views(0.7).tobytes())


def test_other_settings_draw_the_same_with_and_without_it() -> None:
    batch = np.stack([image()] * 40)
    flipped = view(batch, seed=0, address=("a",), index=1, flip=True)
    both = view(batch, seed=0, address=("a",), index=1, flip=True, rand_augment=1e-9)
    apart = np.abs(both.astype(int) - flipped).max(axis=(1, 2, 3))
    assert (apart <= 2).sum() >= 20  # all but those that have their contrast stretched, whatever the strength


@pytest.mark.parametrize("place", range(COUNT))
def test_every_operation_leaves_its_input_alone_and_the_strong_ones_change_it(place: int) -> None:
    kept = image()
    new = once(place, 1.0)
    assert np.array_equal(kept, image())
    assert new.shape == kept.shape
    assert new.dtype == np.uint8
    assert np.array_equal(new, kept) == (place == 0)


@pytest.mark.parametrize("place", [3, 4, 5, 6, 9, 10, 11, 12, 13])
def test_the_sign_turns_an_operation_round(place: int) -> None:
    assert not np.array_equal(once(place, 0.5, 0.0), once(place, 0.5, 0.9))


@pytest.mark.parametrize("place", [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
def test_a_vanishing_strength_changes_nothing_by_more_than_a_rounding(place: int) -> None:
    new = once(place, 1e-9).astype(int)
    assert np.abs(new - image()).max() <= 1


def test_a_shift_moves_pixels_by_its_share_of_the_side_and_fills_with_the_mean_colour() -> None:
    size = 40
    picture = image(size)
    draws = np.array([12.5 / COUNT, 0.0, 0.0, 0.0])
    new = rand_augmented(picture, 0.5, draws)  # 0.45 / 2 of 40 is 9 pixels
    assert np.array_equal(new[:, : size - 9], picture[:, 9:])
    mean = picture.mean(axis=(0, 1)).round().astype(np.uint8)
    assert (new[:, size - 9 :] == mean).all()


def test_a_shear_leaves_the_middle_row_where_it_is() -> None:
    picture = np.repeat(image(40)[:1], 40, axis=0)
    new = rand_augmented(picture, 1.0, np.array([10.5 / COUNT, 0.0, 0.0, 0.0])).astype(int)
    assert np.abs(new[20] - picture[20]).mean() < 12
    assert np.abs(new[0] - picture[0]).mean() > 20


def test_operations_are_drawn_evenly() -> None:
    rng = np.random.default_rng(0)
    drawn = np.concatenate([(rng.random(NUM_DRAWS)[::2] * COUNT).astype(int) for _ in range(3500)])
    counts = np.bincount(drawn, minlength=COUNT)
    assert len(counts) == COUNT
    assert ((counts - 500) ** 2 / 500).sum() < 34.5  # 0.1 % of a chi-square with 13 degrees of freedom
