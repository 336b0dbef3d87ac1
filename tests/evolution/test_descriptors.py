"""Task descriptors: what is in one, and how far two are apart."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from evo_mtl.evolution.descriptors import (
    LEAST_IMAGES,
    NUM_CHANNELS,
    NUM_DEPTHS,
    descriptor,
    distances,
)


def pooled(
    seed: int, count: int = 60, widths: tuple[int, ...] = (16, 40), shift: float = 0.0
) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(shift, 1.0 + np.arange(width) / width, (count, width)) for width in widths]


def described(*args: int, **changes: float) -> str:
    found = descriptor(pooled(*args, **changes))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_descriptor_holds_means_and_deviations_of_channels_spread_over_the_last_depths() -> None:
    x = pooled(0, widths=(9, 8, 48, 30, 24))
    text = descriptor(x)
    assert text is not None
    numbers = np.frombuffer(base64.b64decode(text), "<f2").reshape(2, -1)
    read = [x[1], x[2][:, ::2], x[3][:, np.arange(24) * 30 // 24], x[4]]
    expected = np.concatenate(read, axis=1)
    assert len(read) == NUM_DEPTHS
    assert np.array_equal(numbers[0], expected.mean(0).astype(np.float16))
    assert np.array_equal(numbers[1], expected.std(0).astype(np.float16))


def test_a_descriptor_is_short_however_wide_the_trunk_is() -> None:
    text = descriptor(pooled(0, widths=(24, 40, 80, 112, 192, 320, 1280)))
    assert text is not None
    assert len(text) == 2 * 2 * NUM_DEPTHS * NUM_CHANNELS * 4 / 3
    assert text.isascii()


def test_few_images_are_not_described() -> None:
    assert descriptor(pooled(0, LEAST_IMAGES - 1)) is None
    assert descriptor(pooled(0, LEAST_IMAGES)) is not None


def test_numbers_that_half_precision_cannot_hold_still_give_a_distance() -> None:
    x = pooled(0)
    x[0][:, 0], x[0][0, 1], x[1][0, 2] = 1e30, np.nan, np.inf
    wild = descriptor(x)
    assert wild is not None
    assert np.isfinite(distances(wild, [wild, described(1)])).all()


def test_the_distance_is_symmetric_within_0_and_1_and_0_from_itself() -> None:
    texts = [described(0), described(1), described(2, shift=5.0)]
    table = np.stack([distances(one, texts) for one in texts])
    assert np.array_equal(table, table.T)
    assert np.array_equal(np.diag(table), np.zeros(3))
    assert ((table >= 0) & (table <= 1)).all()
    assert table[0, 1] < table[0, 2]


def test_the_distance_is_that_of_normal_distributions_against_their_spread() -> None:
    one, other = described(0), described(1, shift=0.5)
    (m, s), (n, t) = (
        np.frombuffer(base64.b64decode(x), "<f2").astype(float).reshape(2, -1) for x in (one, other)
    )
    terms = [
        ((a - b) ** 2 + (c - d) ** 2) / ((a - b) ** 2 + (c - d) ** 2 + c**2 + d**2)
        for a, b, c, d in zip(m, n, s, t, strict=True)
    ]
    assert distances(one, [other])[0] == pytest.approx(np.mean(terms), rel=1e-5)


def test_what_cannot_be_compared_is_infinitely_far() -> None:
    one, other = described(0), described(0, 60, (8,))  # type: ignore[arg-type]
    assert distances(one, [None, other, one]).tolist() == [np.inf, np.inf, 0.0]
    assert distances(None, [one, None]).tolist() == [np.inf, np.inf]
    assert distances(one, []).tolist() == []
