"""Sums of examples in groups, and the comparison of means that is made with them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evo_mtl.training.group_sums import RIDGE, GroupSums


def equal(one: GroupSums, other: GroupSums) -> None:
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.totals, other.totals, atol=1e-9)
    np.testing.assert_allclose(one.scatter, other.scatter, atol=1e-9)


def test_sums_that_are_joined_are_the_sums_of_all_examples(rng: np.random.Generator) -> None:
    rows, groups = rng.normal(size=(60, 4)) + 5, rng.integers(0, 3, 60)
    groups[:30] %= 2  # the third group comes later
    first, second = GroupSums.of(rows[:30], groups[:30], 2), GroupSums.of(rows[30:], groups[30:], 3)
    whole = GroupSums.of(rows, groups, 3)
    equal(first.joined(second), whole)
    assert whole.freedom == 57
    equal(GroupSums.none(0, 4).joined(whole), whole)


def test_the_chance_is_that_of_hotellings_two_samples(rng: np.random.Generator) -> None:
    earlier, later = rng.normal(size=(40, 3)), rng.normal(size=(25, 3)) + (0.4, 0, 0.2)
    both = np.concatenate([earlier, later])
    found = GroupSums.of(both, np.zeros(65, np.int64), 1).chance(np.array([25]), later.sum(0)[None])
    pooled = (39 * np.cov(earlier.T) + 24 * np.cov(later.T)) / 63
    apart = later.mean(0) - earlier.mean(0)
    squared = 40 * 25 / 65 * apart @ np.linalg.solve(pooled, apart)
    assert found == pytest.approx(stats.f.sf(squared * 61 / (63 * 3), 3, 61), rel=100 * RIDGE)


def test_a_group_is_compared_with_itself_alone(rng: np.random.Generator) -> None:
    far = np.array([[0.0] * 3, [50.0] * 3])
    groups = np.repeat([0, 1], 40)
    rows = rng.normal(size=(80, 3)) + far[groups]
    whole = GroupSums.of(rows, groups, 2)
    later = groups == 1
    later[:60] = False  # only examples of the far group come later
    counts, totals = np.array([0, 20]), np.stack([np.zeros(3), rows[later].sum(0)])
    assert whole.chance(counts, totals) > 0.001
    as_one = GroupSums.of(rows, np.zeros(80, np.int64), 1)
    assert as_one.chance(np.array([20]), totals.sum(0)[None]) < 1e-6


def test_chances_are_spread_evenly_where_nothing_changes(rng: np.random.Generator) -> None:
    chances = []
    for _ in range(400):
        rows = rng.normal(size=(48, 8)) @ rng.normal(size=(8, 8))
        sums = GroupSums.of(rows, np.zeros(48, np.int64), 1)
        chances.append(sums.chance(np.array([16]), rows[32:].sum(0)[None]))
    assert stats.kstest(chances, "uniform").pvalue > 0.01


def test_what_cannot_be_compared_is_no_surprise(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(20, 30))
    one = GroupSums.of(rows, np.zeros(20, np.int64), 1)
    assert one.chance(np.array([10]), rows[10:].sum(0)[None]) == 1.0  # fewer examples than numbers
    assert one.chance(np.array([20]), one.totals) == 1.0  # nothing came earlier
    still = GroupSums.of(np.zeros((40, 3)), np.zeros(40, np.int64), 1)
    assert still.chance(np.array([10]), np.zeros((1, 3))) == 1.0
