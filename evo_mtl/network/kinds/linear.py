"""A head that gradient descent trains, from zero or from the ridge solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.genome.genome import Genome
from evo_mtl.network.closed_form import choose_ridge, fold_standardisation, ridge_multiply_adds, standardise
from evo_mtl.network.head import LIMIT, Head
from evo_mtl.network.kinds.heads import features_of, fill, head_kind_of
from evo_mtl.network.kinds.kind import Chosen, Condensed, Spec, Together, described, spec_of
from evo_mtl.network.kinds.stacking import StackedLinear

RIDGE_START_SCALE = 3.0
"""From ridge scores, about -1 and 1, to logits that neither drown the loss nor saturate it."""


class StackedHead(nn.Module):
    """Heads of members with their own standardisation: ``(M * B, D)`` to ``(M * B, K)``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        self.linear = StackedLinear([head.linear for head in heads])
        self.register_buffer("mean", torch.stack([head.mean for head in heads]).unsqueeze(1))
        self.register_buffer("scale", torch.stack([head.scale for head in heads]).unsqueeze(1))

    def forward(self, taps: Tensor) -> Tensor:
        """Plain logits: temperatures are 1 while heads are trained."""
        rows = taps.view(len(self.mean), -1, taps.shape[1])
        return self.linear(((rows - self.mean) / self.scale).clamp(-LIMIT, LIMIT))


NUMBERS: Mapping[int, int] = MappingProxyType({16: 20_480, 32: 20_480, 64: 20_480})
"""Batch size to the most weights of a head (numbers read times classes) for which groups are formed: up to there
two heads together were 1.2 times as fast as one by one or more, eight 1.8 times; with 128,000 weights they
were slower (``scripts/benchmark_speed batched``)."""


def _starts_solved(genome: Genome) -> bool:
    return genome.head.component is None and genome["head_start"] == "ridge"


def _solve(head: Head, genome: Genome, taps: Tensor, labels: np.ndarray) -> Chosen:
    """Its scale is set by a temperature (Kumar 2022: features are distorted less if the head is fitted before they move)."""
    if not _starts_solved(genome):
        return Chosen()
    features = features_of(head, taps)
    weight, bias, alpha, error = choose_ridge(features, labels, num_classes=head.linear.out_features)
    fill(head, weight * RIDGE_START_SCALE, bias * RIDGE_START_SCALE)
    return Chosen(alpha, error)


def _beside(module: nn.Module, taps: Tensor, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Training has moved what the head reads: it is standardised anew for ridge."""
    head = cast(Head, module)
    features = features_of(head, taps)
    mean, scale = standardise(features)
    found = choose_ridge((features - mean) / scale, labels, num_classes=head.linear.out_features)
    return fold_standardisation(found.weight, found.bias, mean, scale)


def _solution(spec: Spec, genome: Genome, count: int) -> float:
    times = _starts_solved(genome) + (genome["head_finish"] == "ridge")
    return times * ridge_multiply_adds(count, spec["in_features"])


def _condense(modules: Sequence[nn.Module]) -> Condensed | None:
    """As linear maps of taps that are standardized once, if all do that alike and have a temperature of 1.

    Standardization treats every number by itself, so no bit depends on when it is done.
    """
    heads = [cast(Head, module) for module in modules]
    first = heads[0]
    if not all(
        head.temperature == 1 and torch.equal(head.mean, first.mean) and torch.equal(head.scale, first.scale)
        for head in heads
    ):
        return None
    return first.features, [described(head.linear, spec_of(head)) for head in heads]


def _stack(modules: Sequence[nn.Module]) -> nn.Module:
    """Of heads, or of the linear maps that they were condensed to."""
    if isinstance(modules[0], nn.Linear):
        return StackedLinear(cast(Sequence[nn.Linear], modules))
    return StackedHead(cast(Sequence[Head], modules))


def _pays(spec: Spec, batch: int, side: int) -> bool:
    limits = [numbers for size, numbers in NUMBERS.items() if batch <= size]
    return bool(limits) and spec["in_features"] * spec["num_classes"] <= limits[0]


@torch.no_grad()
def _begin_solved(module: nn.Module, solved: nn.Module) -> None:
    """A class that the solved head never answers begins as the least of those that it does."""
    head, ridge = cast(Head, module), cast(Head, solved)
    head.mean.copy_(ridge.mean)
    head.scale.copy_(ridge.scale)
    weight, bias = ridge.linear.weight, ridge.linear.bias
    known = weight.abs().sum(1) > 0
    if known.any():
        least = torch.where(known, bias, bias[known].min())
        fill(head, weight * RIDGE_START_SCALE, least * RIDGE_START_SCALE)


KIND = head_kind_of(
    "linear",
    _solve,
    _solution,
    together=Together(_stack, _pays),
    condense=_condense,
    begin_solved=_begin_solved,
    beside=_beside,
)
