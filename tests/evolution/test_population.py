"""Admission, order, score, and records as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from evo_mtl.evolution.candidate import CHILD, Candidate, Cost, Evaluation, OfTask, OfTurn, ParentName
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import OK, Notes, Status, failed
from evo_mtl.evolution.population import Population, settled
from evo_mtl.genome.sections import Objective
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import a_space, a_world, played, told

WORLD = a_world(a_space())
COST = Cost(10, 20.0, 100, 30, 50.0, 7.0)


def evaluation(child: int, score: float, parent: ParentName | None = None, status: Status = OK) -> Evaluation:
    genome = played(WORLD, "mu2net", 1)[1][0].candidate.genome
    candidate = Candidate("here", 1, child, parent, CHILD, genome)
    return Evaluation(candidate, status, max(score, 0.0), score, (), {}, COST, False, Notes())


def population(*evaluations: Evaluation) -> Population:
    found = Population()
    for one in evaluations:
        found = found.tell([found.admit(one)])
    return found


@pytest.mark.parametrize(("score", "admitted"), [(0.4, False), (0.5, True), (0.6, True)])
def test_a_child_is_admitted_only_if_its_score_is_at_least_its_parents(score: float, admitted: bool) -> None:
    found = population(evaluation(0, 0.5), evaluation(1, score, parent=OfTurn(1, 0)))
    assert [one.admitted for one in found.evaluations] == [True, admitted]


def test_a_child_of_another_tasks_route_or_of_nobody_is_admitted_whatever_its_score() -> None:
    found = population(
        evaluation(0, 0.5), evaluation(1, 0.1, parent=OfTask("other")), evaluation(2, 0.2, parent=None)
    )
    assert all(one.admitted for one in found.evaluations)


@pytest.mark.parametrize("score", [math.nan, -math.inf, math.inf])
def test_a_score_that_is_not_finite_is_never_admitted(score: float) -> None:
    assert population(evaluation(0, score)).members == ()


def test_a_failed_candidate_is_never_admitted_whatever_its_score() -> None:
    assert population(evaluation(0, 0.9, status=failed("it did"))).best is None


def test_members_are_sorted_by_score_and_of_equal_scores_the_newest_is_first() -> None:
    found = population(*(evaluation(i, score) for i, score in enumerate([0.3, 0.5, 0.4, 0.5])))
    assert [one.candidate.child for one in found.members] == [3, 1, 2, 0]
    assert found.best == found.members[0]


def test_in_a_whole_search_no_child_below_its_parent_and_no_failure_is_a_member() -> None:
    world = a_world(a_space(budget={"generations": 12, "children": 4}))
    turn, everything = played(world, "mu2net")
    by_id = {one.candidate.id: one for one in everything}
    assert any(not one.ok for one in everything)
    assert any(one.ok and not one.admitted for one in everything)
    assert all(member.ok for member in turn.population.members)
    parents = [(one, by_id[one.candidate.parent]) for one in everything if one.candidate.parent in by_id]
    assert {one.admitted for one, _ in parents} == {True, False}
    for one, parent in parents:
        assert one.admitted == (one.ok and one.score >= parent.score)


@pytest.mark.parametrize(
    ("margin", "near"), [(None, [0.9, 0.85, 0.5]), (0.0, [0.9]), (0.06, [0.9, 0.85]), (1.0, [0.9, 0.85, 0.5])]
)
def test_members_near_the_best_are_within_the_margin(margin: float | None, near: list[float]) -> None:
    found = population(evaluation(0, 0.5), evaluation(1, 0.9), evaluation(2, 0.85))
    assert [one.score for one in found.near_best(margin)] == near
    assert Population().near_best(margin) == ()


def test_with_a_margin_nobody_far_below_the_best_is_a_parent() -> None:
    def gaps(margin: float | None) -> list[float]:
        space = a_space(parents={"margin": margin}, budget={"generations": 12, "children": 6})
        everything = played(a_world(space, seed=2), "mu2net_plus")[1]
        score = {one.candidate.id: one.score for one in everything}
        best = {g: max(s for id, s in score.items() if id.generation < g) for g in range(1, 13)}
        children = [one.candidate for one in everything if one.candidate.parent in score]
        return [1 - score[one.parent] / best[one.generation] for one in children]

    assert max(gaps(None)) > 0.05
    assert max(gaps(0.05)) <= 0.05


def test_children_are_counted_by_the_parents_id() -> None:
    found = population(evaluation(0, 0.5), evaluation(1, 0.1, OfTurn(1, 0)), evaluation(2, 0.1, OfTask("a")))
    assert found.num_children() == {OfTurn(1, 0): 1, OfTask("a"): 1}


def test_a_settled_member_names_the_components_that_its_training_wrote() -> None:
    one = replace(evaluation(0, 0.5), trained={"head": "a" * 64})
    assert settled(one).head.component == "a" * 64


def test_evaluations_come_back_from_json_equal_failed_ones_too() -> None:
    world = a_world(a_space(budget={"generations": 12, "children": 4}))
    _, everything = played(world, "mu2net")
    assert any(one.score == -math.inf for one in everything)
    for one in everything:
        assert restore(Evaluation, json.loads(json.dumps(plain(one), allow_nan=False))) == one


def test_the_score_is_quality_shrunk_by_size_and_by_work() -> None:
    objective = Objective(size_factor=0.9, compute_factor=0.8)
    assert fitness(0.7, COST, (200, 14.0), objective) == pytest.approx(0.7 * 0.9**0.25 * 0.8**0.5, rel=1e-12)
    assert fitness(0.7, COST, (200, 14.0), Objective()) == 0.7


@pytest.mark.parametrize("quality", [math.nan, math.inf, -math.inf])
def test_a_quality_that_is_not_finite_scores_below_everything(quality: float) -> None:
    assert fitness(quality, COST, (200, 14.0), Objective()) == -math.inf


def test_what_is_told_in_the_tiny_world_depends_on_the_candidate_alone() -> None:
    candidate = evaluation(0, 0.5).candidate
    assert told(WORLD, candidate) == told(WORLD, candidate)
