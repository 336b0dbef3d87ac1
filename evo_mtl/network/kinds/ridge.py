"""A ridge head, solved in closed form, with the strength of least leave-one-out error."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from evo_mtl.genome.genome import Genome
from evo_mtl.network.closed_form import DEFAULT_ALPHAS, choose_ridge, ridge_multiply_adds
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.heads import features_of, fill, head_kind_of
from evo_mtl.network.kinds.kind import Chosen, Streaming
from evo_mtl.network.moments import Sums


def solve(head: Head, genome: Genome, taps: Tensor, labels: np.ndarray) -> Chosen:
    """Fills a standardized head."""
    features = features_of(head, taps)
    weight, bias, alpha, error = choose_ridge(features, labels, num_classes=head.linear.out_features)
    fill(head, weight, bias)
    return Chosen(alpha, error)


def _solve_sums(sums: Sums, alpha: float) -> tuple[Tensor, Tensor]:
    """What :func:`~evo_mtl.network.closed_form.choose_ridge` gives for the same examples and one strength."""
    moments = 2 * sums.counts[:, None] * sums.means
    return sums.solve(alpha, moments.T).T, 2 * sums.counts / max(sums.count, 1.0) - 1


STREAMING = Streaming(_solve_sums, DEFAULT_ALPHAS)

KIND = head_kind_of(
    "ridge",
    solve,
    lambda spec, genome, count: ridge_multiply_adds(count, spec["in_features"]),
    streaming=STREAMING,
)
