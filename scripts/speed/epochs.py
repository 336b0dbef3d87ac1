"""Seconds of an epoch of one candidate, with kept activations and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from evo_mtl.errors import EvoMtlError
from evo_mtl.genome.genome import Genome
from evo_mtl.training.trial import Bench, Outcome, try_candidate
from speed.measure import Reading, Readings, alternate, timed
from speed.world import as_candidates


def trial(genome: Genome, bench: Bench, epochs: int, validations: int = 0) -> Outcome:
    """A candidate tried with so many epochs, a validation after each unless told otherwise.

    Raises:
        EvoMtlError: It failed.
    """
    (candidate,) = as_candidates(bench.images.task.name, [genome.with_values({"epochs": epochs})])
    outcome = try_candidate(candidate, replace(bench, validations=validations or epochs))
    if not outcome.status.ok:
        raise EvoMtlError(f"a candidate {outcome.status}")
    return outcome


def epochs(genome: Genome, ours: Bench, more: int, rounds: int) -> tuple[Readings, float]:
    """Readings of one epoch of each side, and how far apart their validation qualities ever are.

    A reading is a trial of several epochs less a trial of one, so what a trial does once is no part of it.

    Args:
        genome: The candidate's.
        ours: Where it is tried; the naive side is the same without keeping.
        more: Epochs of our longer trial, enough to be seen on the clock; the naive one has 2.
        rounds: Of both.
    """
    benches = {"naive": replace(ours, keeping=False), "ours": ours}
    longer = {"naive": 2, "ours": more}
    for bench in benches.values():
        trial(genome, bench, 1)  # our first pass of the trunk, and everybody's memory
    actions: dict[str, Callable[[], Outcome]] = {
        f"{side} {number}": partial(trial, genome, bench, number)
        for side, bench in benches.items()
        for number in (1, longer[side])
    }
    readings = alternate({name: partial(timed, action) for name, action in actions.items()}, rounds)
    found = {
        side: [
            Reading((b.wall - a.wall) / (number - 1), (b.cpu - a.cpu) / (number - 1))
            for a, b in zip(readings[f"{side} 1"], readings[f"{side} {number}"])
        ]
        for side, number in longer.items()
    }
    curves = [trial(genome, bench, 2).curve for bench in benches.values()]
    return found, max(abs(a - b) for a, b in zip(*curves))
