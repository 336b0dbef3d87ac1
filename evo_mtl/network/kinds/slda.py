"""Linear discriminant analysis: class means, and one covariance within classes for all of them.

It is the streaming analysis of Hayes 2020 without its dependence on the order of the examples. How far the covariance is
drawn to a multiple of the identity is not set but follows from the sums (Chen 2010). All classes count alike,
however many examples they have.

References:
    Hayes 2020, Lifelong machine learning with deep streaming linear discriminant analysis.
    Chen 2010, Shrinkage algorithms for MMSE covariance estimation (oracle approximating shrinkage).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from evo_mtl.genome.genome import Genome
from evo_mtl.network.closed_form import ROWS
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.heads import features_of, fill, head_kind_of
from evo_mtl.network.kinds.kind import Chosen, Spec, Streaming
from evo_mtl.network.moments import Moments, Sums, solve_positive


def shrinkage(covariance: Tensor, count: float) -> float:
    """How far to draw a covariance ``(D, D)`` of so many examples to a multiple of the identity, from 0 to 1."""
    width = len(covariance)
    square = float(covariance.square().sum(dtype=torch.float64)) / width**2
    middle = (float(covariance.diagonal().sum(dtype=torch.float64)) / width) ** 2
    spread = (count + 1) * (square - middle / width)
    return min(1.0, (square + middle) / spread) if spread > 0 else 1.0


def _solve_sums(sums: Sums, strength: float) -> tuple[Tensor, Tensor]:
    means = sums.means
    between = (means * (sums.share * sums.counts[:, None])).to(sums.dtype).T @ means.to(sums.dtype)
    within = sums.gram - between
    degrees = max(sums.count - float((sums.counts > 0).sum()), 1.0)
    within /= degrees
    share = shrinkage(within, degrees)
    middle = max(float(within.diagonal().mean(dtype=torch.float64)), 1e-6)
    # Scores are compared: a common factor, and what all classes have in common, make no difference.
    weight = solve_positive(within * (1 - share), share * middle, means.T).T
    return weight, -(weight * means).sum(1) / 2


def _solve(head: Head, genome: Genome, taps: Tensor, labels: np.ndarray) -> Chosen:
    features, y = features_of(head, taps), torch.tensor(labels, dtype=torch.int64)
    moments = Moments(features.shape[1], head.linear.out_features, least=1)
    for start in range(0, len(y), ROWS):
        moments.add(features[start : start + ROWS], y[start : start + ROWS])
    sums = replace(moments.sums_of(), plain=True)
    weight, bias = _solve_sums(sums, 1.0)
    bias = bias - weight @ sums.mean
    fill(head, weight, torch.where(sums.counts > 0, bias, torch.full_like(bias, -torch.inf)))
    return Chosen()


def _solution(spec: Spec, genome: Genome, count: int) -> float:
    return count * spec["in_features"] ** 2 + spec["in_features"] ** 3 / 3


KIND = head_kind_of("slda", _solve, _solution, streaming=Streaming(_solve_sums))
