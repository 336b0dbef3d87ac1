"""Several objectives at once: quality up, added parameters down, multiply-adds of one image down.

DEAP sorts and measures crowding; nothing here is random, and what is not finite is never let in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deap import base
from deap.tools.emo import assignCrowdingDist, sortNondominated

from evo_mtl.evolution.candidate import Evaluation


@dataclass(frozen=True)
class Ranked:
    """An evaluation among others.

    Attributes:
        evaluation: As told.
        rank: 0 on the front that nothing dominates, 1 on the front behind it, and so on.
        crowding: Distance to its neighbours on its front; more is better, infinite at the ends.
    """

    evaluation: Evaluation
    rank: int
    crowding: float


class _Fitness(base.Fitness):
    weights = (1.0, -1.0, -1.0)


class _Point:
    """What DEAP sorts: an evaluation with a fitness."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self.fitness = _Fitness(_objectives(evaluation))


def _objectives(evaluation: Evaluation) -> tuple[float, float, float]:
    cost = evaluation.cost
    return evaluation.quality, float(cost.added_parameters), cost.inference


def _sortable(evaluations: Iterable[Evaluation]) -> list[_Point]:
    """Those with finite objectives and score; of equal objectives only the oldest."""
    found: dict[tuple[float, float, float], Evaluation] = {}
    for one in evaluations:
        if one.ok and math.isfinite(one.score) and all(map(math.isfinite, _objectives(one))):
            found.setdefault(_objectives(one), one)
    return [_Point(one) for one in found.values()]


def front(evaluations: Iterable[Evaluation]) -> tuple[Evaluation, ...]:
    """Those that no other dominates, the best quality first; of equals only the oldest; never a failed one.

    One dominates another if it is no worse in quality, added parameters and multiply-adds, and better in one.
    """
    points = _sortable(evaluations)
    if not points:
        return ()
    first = sortNondominated(points, len(points), first_front_only=True)[0]
    return tuple(sorted((point.evaluation for point in first), key=lambda one: -one.quality))


def ranked(evaluations: Sequence[Evaluation]) -> tuple[Ranked, ...]:
    """Evaluations from best to worst: by front, then by crowding, then the oldest first.

    What failed or is not finite is left out; of equals only the oldest is kept.

    References:
        Deb 2002 (NSGA-II).
    """
    points = _sortable(evaluations)
    if not points:
        return ()
    place = {id(point): i for i, point in enumerate(points)}
    found = []
    for rank, level in enumerate(sortNondominated(points, len(points))):
        assignCrowdingDist(level)
        level = sorted(level, key=lambda point: (-point.fitness.crowding_dist, place[id(point)]))
        found += [Ranked(point.evaluation, rank, point.fitness.crowding_dist) for point in level]
    return tuple(found)
