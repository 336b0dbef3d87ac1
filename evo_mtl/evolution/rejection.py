"""Early rejection: a child that is weak while it trains is given up, judged by committed generations only.

What a child must have reached at each validation, its *bars*, follows from the curves of candidates that
were trained to their end. Bars are plain numbers and travel with the trial, so that a worker
needs neither the population nor Optuna. Validations are compared by their number: a child of few epochs is
compared with one of many epochs at the same share of its training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.fitness import fitness
from evo_mtl.genome.sections import RejectionRules

if TYPE_CHECKING:  # turns know rejection's worlds, not the other way round
    from evo_mtl.evolution.turn import World

SEVERAL_OBJECTIVES = frozenset({"nsga2"})
"""Algorithms for which no single number says who is better."""

HAIR = 1e-9
"""A bar lies this much below what decides, so that equals are kept whatever rounding does."""

Bars = tuple[float, ...]
"""For each place in a curve the least that its best so far must be; 0 where anything will do."""


def bars(
    candidates: Sequence[Candidate], world: World, evaluations: Sequence[Evaluation]
) -> tuple[Bars, ...]:
    """What each candidate of the next generation must reach; empty where none is given up.

    Where one objective decides, the line is a percentile of the scores that earlier candidates would have
    had at that validation: those are given up whom Optuna's ``PercentilePruner`` prunes. Where several do, a
    child is given up only if it lies under that line in quality and an earlier candidate that adds no more
    parameters and runs no more multiply-adds was at least as good there: it is about to be dominated.

    Args:
        candidates: About to be tried.
        world: Of the task.
        evaluations: All that are committed.

    References:
        Akiba 2019 (Optuna).
    """
    rules, places = world.space.rejection, range(world.space.validations)
    finished = [one for one in evaluations if one.ok and len(one.curve) == len(places) + 1]
    if rules is None or len(finished) < rules.startup:
        return ((),) * len(candidates)
    several = world.space.algorithm in SEVERAL_OBJECTIVES
    curves = [[q * (1.0 if several else _factor(one, world)) for q in one.curve] for one in finished]
    line = _line(curves, rules, places)
    if several:
        return tuple(_dominated(one, line, world, finished) for one in candidates)
    factors = [_factor(one, world) for one in candidates]
    return tuple(tuple(bar / factor for bar in line) for factor in factors)


def _factor(one: Candidate | Evaluation, world: World) -> float:
    """What a candidate's quality is multiplied by to give its score."""
    genome = one.candidate.genome if isinstance(one, Evaluation) else one.genome
    return fitness(1.0, world.costs.cost(genome), world.costs.root(), world.space.objective)


def _dominated(candidate: Candidate, line: Bars, world: World, finished: Sequence[Evaluation]) -> Bars:
    """The line, lowered to the best of those that cost no more than the candidate in any way."""
    cost = world.costs.cost(candidate.genome)
    cheaper = [
        one.curve
        for one in finished
        if one.cost.added_parameters <= cost.added_parameters and one.cost.inference <= cost.inference
    ]
    return tuple(
        min(bar, max((curve[place] + HAIR for curve in cheaper), default=0.0))
        for place, bar in enumerate(line)
    )


def _line(curves: Sequence[Sequence[float]], rules: RejectionRules, places: range) -> Bars:
    """For each place in a curve the number below which a trial is given up; 0 where none is."""
    return tuple(
        max(float(np.percentile([curve[place] for curve in curves], rules.percentile)) - HAIR, 0.0)
        if place >= rules.validation
        else 0.0
        for place in places
    )
