"""A head that answers with the class whose mean is nearest."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from evo_mtl.genome.genome import Genome
from evo_mtl.network.closed_form import nearest_class_mean
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.heads import features_of, fill, head_kind_of
from evo_mtl.network.kinds.kind import Chosen, Streaming
from evo_mtl.network.moments import Sums


def _solve(head: Head, genome: Genome, taps: Tensor, labels: np.ndarray) -> Chosen:
    fill(head, *nearest_class_mean(features_of(head, taps), labels, head.linear.out_features))
    return Chosen()


def _solve_sums(sums: Sums, strength: float) -> tuple[Tensor, Tensor]:
    return sums.means, -sums.means.square().sum(1) / 2


KIND = head_kind_of("nearest_mean", _solve, lambda spec, genome, count: 0.0, streaming=Streaming(_solve_sums))
