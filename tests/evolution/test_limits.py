"""Hard limits: what exceeds one is never tried."""

from __future__ import annotations

from typing import Any

import pytest

from evo_mtl.errors import ConfigError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.turn import Turn, seed_candidates
from evo_mtl.testing.genomes import a_space, a_world, played

BUDGET = {"generations": 12, "children": 4}


def figures(limit: str, **changes: Any) -> dict[str, list[float]]:
    """That figure of every candidate each algorithm proposes."""
    world = a_world(a_space(budget=BUDGET, **changes))
    name = {"multiply_adds": "inference"}.get(limit, limit)
    return {
        algorithm: [getattr(one.cost, name) for one in played(world, algorithm)[1]]
        for algorithm in algorithms
    }


@pytest.mark.parametrize(
    ("limit", "most"), [("active_parameters", 200), ("added_parameters", 30), ("multiply_adds", 5)]
)
def test_no_candidate_exceeds_a_limit_and_no_child_is_lost_to_it(limit: str, most: int) -> None:
    seeds = [{"name": "depth_ridge", "depth": 5, "taps": "groups", "head": "ridge"}]
    free = figures(limit, seeds=seeds)
    for algorithm, found in figures(limit, seeds=seeds, limits={limit: most}).items():
        assert max(free[algorithm]) > most
        assert max(found) <= most
        assert len(found) == len(free[algorithm])


def test_a_seed_candidate_that_exceeds_a_limit_is_left_out_and_the_others_keep_their_place() -> None:
    world = a_world(a_space(limits={"multiply_adds": 6}))
    assert [str(one.origin) for one in seed_candidates(world)] == ["depth_ridge", "tune"]
    asked = Turn(world, algorithms.get("mu2net")).ask()
    assert [(one.child, str(one.origin)) for one in asked] == [(1, "tune")]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"active_parameters": 200}, ("limits.active_parameters", "200", "'tune'", "215")),
        ({"multiply_adds": 5.5}, ("limits.multiply_adds", "5.5", "'tune'", "6")),
        ({"added_parameters": 4}, ("limits.added_parameters", "4", "'depth_ridge'", "5")),
    ],
)
def test_where_no_seed_candidate_keeps_the_limits_the_limit_and_the_nearest_are_named(
    limits: dict[str, float], told: tuple[str, ...]
) -> None:
    turn = Turn(a_world(a_space(limits=limits)), algorithms.get("mu2net"))
    with pytest.raises(ConfigError) as caught:
        turn.ask()
    assert all(part in str(caught.value) for part in told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("active_parameters", 0), ("added_parameters", 0), ("multiply_adds", 0.0)],
)
def test_a_limit_that_nothing_could_keep_or_exceed_is_refused_by_its_key(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=key):
        a_space(limits={key: value})


def test_limits_that_nothing_exceeds_change_no_proposal() -> None:
    generous = {"active_parameters": 10**9, "added_parameters": 10**9, "multiply_adds": 1e12}
    for algorithm in algorithms:
        free, held = (
            played(a_world(a_space(budget=BUDGET, **more)), algorithm)[1]
            for more in ({}, {"limits": generous})
        )
        assert [one.candidate for one in free] == [one.candidate for one in held]
