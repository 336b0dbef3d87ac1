"""Looks held against training, from the journal alone."""

from __future__ import annotations

from dataclasses import replace

from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.looks import Look
from evo_mtl.evolution.outcome import OK
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import SeedCandidate
from evo_mtl.run.events import Found, Generation, Looked
from evo_mtl.telling.hindsight import hindsight
from evo_mtl.testing.genomes import a_space, a_world, played, told, trunk_facts
from evo_mtl.testing.records import arrived, found

TASK = arrived("here")


def evaluations() -> list[Evaluation]:
    """Three candidates that read stages 1, 3 and 7; the deeper the better."""
    world = a_world(a_space())
    seed = SeedCandidate(name="a", taps="last")
    made = []
    for place, depth in enumerate((2, 4, 8)):
        genome = seed_genome(seed.model_copy(update={"depth": depth}), world.space, trunk_facts())
        one = told(world, replace(played(world, "mu2net", 1)[1][0].candidate, child=place, genome=genome))
        made.append(replace(one, status=OK, quality=0.5 + place / 10, score=0.5))
    return made


def looks(*alone: float) -> Looked:
    return Looked("here", 1, (Look(None, 48, (1, 3, 7), alone, 0.0, 10, 20, 1.0),), None)


def route() -> Found:
    return found("here")


def generation() -> Generation:
    return Generation("here", 1, 0, tuple(evaluations()))


def test_looks_that_rank_as_training_did_agree_wholly_and_reversed_ones_not_at_all() -> None:
    right = hindsight([TASK, looks(0.1, 0.2, 0.3), generation(), route()], "here")
    wrong = hindsight([TASK, looks(0.3, 0.2, 0.1), generation(), route()], "here")
    assert right is not None
    assert wrong is not None
    assert (right["compared"], right["rank_correlation"]) == (3, 1.0)
    assert (wrong["compared"], wrong["rank_correlation"]) == (3, -1.0)


def test_a_task_that_was_not_looked_at_has_no_hindsight() -> None:
    assert hindsight([TASK, generation(), route()], "here") is None


def test_a_search_that_goes_on_now_is_no_hindsight_yet() -> None:
    first = [TASK, looks(0.1, 0.2, 0.3), generation(), route()]
    again = [TASK, looks(0.3, 0.2, 0.1), generation()]
    now, later = hindsight([*first, *again], "here"), hindsight([*first, *again, route()], "here")
    assert now is not None
    assert later is not None
    assert (now["rank_correlation"], later["rank_correlation"]) == (1.0, -1.0)
