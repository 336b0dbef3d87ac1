"""Several objectives: fronts and crowding, held against their definitions; and what must never get in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.outcome import OK, Status, failed
from evo_mtl.evolution.pareto import front, ranked
from evo_mtl.testing.genomes import a_space, a_world, played

WORLD = a_world(a_space())
ONE = next(one for one in played(WORLD, "random")[1] if one.ok)


def evaluation(child: int, quality: float, added: int, work: float, status: Status = OK) -> Evaluation:
    return replace(
        ONE,
        candidate=replace(ONE.candidate, child=child),
        status=status,
        quality=quality,
        score=quality,
        cost=replace(ONE.cost, added_parameters=added, inference=work),
    )


def drawn(rng: np.random.Generator, number: int = 40) -> list[Evaluation]:
    """Few different values, so that there are ties in each objective."""
    return [
        evaluation(i, float(rng.integers(8) / 8), int(rng.integers(5)), float(rng.integers(5)))
        for i in range(number)
    ]


def dominates(a: Evaluation, b: Evaluation) -> bool:
    one, other = ((x.quality, -x.cost.added_parameters, -x.cost.inference) for x in (a, b))
    return one != other and all(x >= y for x, y in zip(one, other))


def same(a: Evaluation, b: Evaluation) -> bool:
    return not dominates(a, b) and not dominates(b, a) and a.quality == b.quality and a.cost == b.cost


def test_the_front_is_what_nothing_dominates_and_of_equals_the_oldest(rng: np.random.Generator) -> None:
    for _ in range(20):
        everything = drawn(rng)
        expected = [
            one
            for i, one in enumerate(everything)
            if not any(dominates(other, one) for other in everything)
            and not any(same(other, one) for other in everything[:i])
        ]
        found = front(everything)
        assert {one.candidate.id for one in found} == {one.candidate.id for one in expected}
        assert [one.quality for one in found] == sorted((one.quality for one in found), reverse=True)


def test_each_rank_is_the_front_of_what_the_ranks_before_it_leave(rng: np.random.Generator) -> None:
    everything = drawn(rng)
    left = [one.evaluation for one in ranked(everything)]
    by_rank: dict[int, set[str]] = {}
    for one in ranked(everything):
        by_rank.setdefault(one.rank, set()).add(one.evaluation.candidate.id)
    assert len(by_rank) > 2
    for rank in sorted(by_rank):
        level = front(left)
        assert {one.candidate.id for one in level} == by_rank[rank]
        left = [one for one in left if one not in level]
    assert left == []


def test_the_ends_of_a_front_are_least_crowded_and_the_rest_by_the_sides_of_its_box() -> None:
    """By hand, Deb 2002: the sum over objectives of the neighbours' distance by the objective's range."""
    points = [evaluation(0, 0.0, 0, 1.0), evaluation(1, 0.2, 10, 1.0), evaluation(2, 0.6, 20, 1.0)]
    points.append(evaluation(3, 1.0, 100, 1.0))
    found = {one.evaluation.candidate.child: one for one in ranked(points)}
    assert {one.rank for one in found.values()} == {0}
    assert found[0].crowding == found[3].crowding == math.inf
    assert found[1].crowding == pytest.approx((0.6 / 1.0 + 20 / 100) / 3)
    assert found[2].crowding == pytest.approx((0.8 / 1.0 + 90 / 100) / 3)
    assert [one.evaluation.candidate.child for one in ranked(points)] == [0, 3, 2, 1]


@pytest.mark.parametrize(
    "bad",
    [
        evaluation(9, math.nan, 0, 0.0),
        evaluation(9, math.inf, 0, 0.0),
        evaluation(9, 1.0, 0, math.nan),
        evaluation(9, 1.0, 0, -math.inf),
        evaluation(9, 1.0, 0, 0.0, status=failed("it did")),
    ],
)
def test_what_failed_or_is_not_finite_is_in_no_front_and_changes_no_other(bad: Evaluation) -> None:
    good = [evaluation(0, 0.5, 3, 2.0), evaluation(1, 0.4, 1, 2.0), evaluation(2, 0.3, 3, 3.0)]
    assert front([bad, *good]) == front(good)
    assert ranked([bad, *good]) == ranked(good)
    assert front([bad]) == ranked([bad]) == ()


def test_sorting_draws_from_no_generator(rng: np.random.Generator) -> None:
    import random

    everything = drawn(rng)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    front(everything)
    ranked(everything)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_parents_of_nsga2_are_the_best_that_survive_by_front_and_crowding() -> None:
    space = a_space(parents={"alive": 4}, budget={"generations": 12, "children": 4})
    everything = played(a_world(space), "nsga2")[1]
    for number in range(1, 13):
        before = [one for one in everything if one.candidate.generation < number]
        survivors = {one.evaluation.candidate.id for one in ranked(before)[:4]}
        found = {one.candidate.parent for one in everything if one.candidate.generation == number}
        assert found <= survivors


@pytest.mark.parametrize("algorithm", list(algorithms))
def test_the_best_of_a_task_is_by_score_under_every_algorithm(algorithm: str) -> None:
    world = a_world(a_space(budget={"generations": 10, "children": 4}))
    turn, everything = played(world, algorithm)
    assert turn.population.best is not None
    assert turn.population.best.score == max(one.score for one in everything if one.ok)
