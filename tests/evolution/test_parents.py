"""The decay-by-use walk and its fallbacks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from evo_mtl.evolution.parents import choose_parent, decay_walk


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


def test_founders_are_walked_in_shuffled_order_where_no_member_is_taken(rng: np.random.Generator) -> None:
    worn = Counter(a=60)
    taken = Counter(choose_parent(["a"], ["x", "y", "z"], name, worn, rng) for _ in range(3000))
    assert set(taken) == {"x", "y", "z"}
    chi_square = sum((count - 1000) ** 2 / 1000 for count in taken.values())
    assert chi_square < 13.82  # two degrees of freedom, p = 0.001


def test_where_both_walks_take_none_one_of_all_is_drawn_evenly(rng: np.random.Generator) -> None:
    worn = Counter(a=60, b=60, x=60)
    taken = Counter(choose_parent(["a", "b"], ["x"], name, worn, rng) for _ in range(3000))
    assert set(taken) == {"a", "b", "x"}
    assert sum((count - 1000) ** 2 / 1000 for count in taken.values()) < 13.82


def test_choosing_among_nobody_is_an_error(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="nobody"):
        choose_parent([], [], name, Counter(), rng)
