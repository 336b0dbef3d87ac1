"""The decay-by-use walk and its fallbacks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from evo_mtl.evolution.parents import decay_walk, tournament, walk_or_any


def name(one: str) -> str:
    return one


def test_one_without_children_is_always_taken_when_reached(rng: np.random.Generator) -> None:
    for _ in range(200):
        assert decay_walk(["a", "b"], name, Counter({"b": 3}), rng) == "a"


@pytest.mark.parametrize("k", [1, 2, 3])
def test_one_with_k_children_is_taken_with_probability_two_to_the_minus_k(
    k: int, rng: np.random.Generator
) -> None:
    tries, expected = 4000, 4000 * 0.5**k
    taken = sum(decay_walk(["a"], name, Counter(a=k), rng) == "a" for _ in range(tries))
    chi_square = (taken - expected) ** 2 * (1 / expected + 1 / (tries - expected))
    assert chi_square < 10.83  # one degree of freedom, p = 0.001


def test_the_walk_ends_empty_handed_as_often_as_the_product_says(rng: np.random.Generator) -> None:
    tries, share = 4000, 0.5 * 0.75
    none = sum(decay_walk(["a", "b"], name, Counter(a=1, b=2), rng) is None for _ in range(tries))
    chi_square = (none - tries * share) ** 2 / (tries * share * (1 - share))
    assert chi_square < 10.83


def test_where_no_member_is_taken_those_offered_are_walked_in_their_order(rng: np.random.Generator) -> None:
    worn = Counter(a=60, y=60)
    for _ in range(200):
        assert walk_or_any(["a"], ["y", "z", "x"], ["x", "y", "z"], name, worn, rng) == "z"


@pytest.mark.parametrize("offered", [(), ("x",)])
def test_where_no_walk_takes_any_one_of_members_and_founders_is_drawn_evenly(
    offered: tuple[str, ...], rng: np.random.Generator
) -> None:
    worn = Counter(a=60, b=60, x=60)
    taken = Counter(walk_or_any(["a", "b"], offered, ["x"], name, worn, rng) for _ in range(3000))
    assert set(taken) == {"a", "b", "x"}
    assert sum((count - 1000) ** 2 / 1000 for count in taken.values()) < 13.82  # two degrees, p = 0.001


def test_choosing_among_nobody_is_an_error(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="nobody"):
        walk_or_any([], [], [], name, Counter(), rng)


def test_a_tournament_is_won_by_the_best_of_those_drawn_each_as_often_as_the_draws_say(
    rng: np.random.Generator,
) -> None:
    """With replacement the best of three is drawn by two draws with probability 5/9, the worst alone with 1/9."""
    won = Counter(tournament([1, 2, 3], 2, float, rng) for _ in range(4500))
    expected = {1: 500, 2: 1500, 3: 2500}
    assert sum((won[one] - count) ** 2 / count for one, count in expected.items()) < 13.82
