"""When a task's search ends before its budget does: the next generation is expected to gain too little for its cost.

It depends on committed generations only, so a resumed search ends where one that never stopped does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evo_mtl.evolution.candidate import CostModel, Evaluation
from evo_mtl.genome.sections import StopRule

FADING = 0.5
"""What a child counts for against one of the generation after it: what was easy at first is no longer to be had."""

GRID = 1001
REACH = 8.0
"""Where the integral of an expected improvement ends, in spreads above the mean, and its points."""


def expected_gain(evaluations: Sequence[Evaluation], children: int, costs: CostModel) -> float:
    """Score that the best of the next children is expected to gain for each pass of the root over the training images.

    By how much a child's score exceeds the best before its generation is taken as a draw from a normal
    distribution, and the gain is the expected improvement by the best of the next draws. The seed candidates
    count as a generation before the first, compared with the best of them: where children are few, they say how
    far apart scores lie. Children that failed or were given up are draws that gain nothing.

    Args:
        evaluations: Of the whole generations of a task that are committed, children among them.
        children: Of the next generation.
        costs: Prices the root.

    Returns:
        At least 0.

    References:
        Mockus 1978; Jones 1998 (expected improvement).
    """
    last = max(one.candidate.generation for one in evaluations)
    gains, weights = [], []
    for generation in range(last + 1):
        before = [one for one in evaluations if one.candidate.generation < max(generation, 1)]
        best = max((one.score for one in before if one.ok), default=-math.inf)
        for one in evaluations:
            if one.candidate.generation == generation and one.ok and math.isfinite(best):
                gains.append(one.score - best)
                weights.append(FADING ** (last - generation))
    tried = [one for one in evaluations if one.candidate.generation > 0]
    counts = np.array([FADING ** (last - one.candidate.generation) for one in tried])
    trained = np.array([one.ok for one in tried])
    share = (1 + counts[trained].sum()) / (1 + counts.sum())
    work = (counts * [one.cost.multiply_adds for one in tried]).sum() / counts.sum()
    centre, spread = upper_half(np.array(gains), np.array(weights))
    gain = expected_improvement(centre, spread, share * children)
    return float(gain / (children * work / costs.pass_of_root()))


def too_little(
    evaluations: Sequence[Evaluation], children: int, costs: CostModel, rule: StopRule | None
) -> float | None:
    """The expected gain with which a search ends after these generations; ``None`` if it goes on."""
    last = max((one.candidate.generation for one in evaluations), default=0)
    if rule is None or last < rule.generations:
        return None
    gain = expected_gain(evaluations, children, costs)
    return gain if gain < rule.gain else None


def upper_half(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted median, and root mean square distance from it of what lies above; 0 and 0 where there is nothing.

    How far a child that never learned fell below the others says nothing about how good the best will be.
    """
    if not len(values):
        return 0.0, 0.0
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    centre = values[np.searchsorted(np.cumsum(weights), weights.sum() / 2)]
    above = values >= centre
    return float(centre), float(np.sqrt(np.average((values[above] - centre) ** 2, weights=weights[above])))


def expected_improvement(mean: float, spread: float, draws: float) -> float:
    """Expected value of the best of so many normal draws where that is above 0, and 0 where it is not.

    Args:
        mean, spread: Of a draw.
        draws: Need not be a whole number.

    Example:
        >>> round(expected_improvement(0.0, 1.0, 1), 4)
        0.3989
    """
    if spread == 0.0:
        return max(mean, 0.0)
    top = mean + REACH * spread
    if top <= 0.0:
        return 0.0
    # The integral from 0 on of the probability that the best is above x.
    x = np.linspace(0.0, top, GRID)
    below = [0.5 * (1 + math.erf(each)) for each in (x - mean) / (spread * math.sqrt(2))]
    heights = 1 - np.array(below) ** draws
    return float((heights[1:] + heights[:-1]).sum() / 2 * x[1])
