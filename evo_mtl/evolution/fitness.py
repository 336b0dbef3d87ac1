"""One number from quality and cost."""

from __future__ import annotations

import math

from evo_mtl.evolution.candidate import Cost
from evo_mtl.genome.sections import Objective


def work_price(objective: Objective, work: float) -> float:
    """What a multiply-add of an answer has to bring in log likelihood, where that stands for the quality in a score.

    Args:
        objective: Its compute factor is read.
        work: Multiply-adds of one example through the root trunk.
    """
    return -math.log(objective.compute_factor) / work


def fitness(quality: float, cost: Cost, root: tuple[int, float], objective: Objective) -> float:
    """Score of a candidate: ``quality * s^(A / P) * c^(F / F0)``; higher is better.

    Args:
        quality: Validation metric in [0, 1].
        cost: Its accounted parameters ``A`` and inference multiply-adds ``F`` are read.
        root: Parameters ``P`` and multiply-adds ``F0`` of the root trunk.
        objective: Size factor ``s`` and compute factor ``c``; 1 switches one off.

    Returns:
        The score; ``-inf`` for a quality that is not a finite number, so that it never wins.

    References:
        Gesmundo 2022 (mu2Net: size; mu2Net+: size and compute).
    """
    if not math.isfinite(quality):
        return -math.inf
    parameters, multiply_adds = root
    size = objective.size_factor ** (cost.accounted_parameters / parameters)
    compute = objective.compute_factor ** (cost.inference / multiply_adds)
    return quality * size * compute
