"""Optimizers and learning rates: torch's for one candidate, the same arithmetic for several that are stacked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.genome.genome import Genome
from evo_mtl.network.kinds.kind import Group

BETA2, EPSILON = 0.999, 1e-8


def make_optimizer(genome: Genome, trained: Iterable[Group]) -> torch.optim.Optimizer:
    """The genome's optimizer; weight decay acts on matrices and kernels, not on norms and biases.

    Args:
        genome: Its training hyperparameters are read.
        trained: What is trained.
    """
    groups: list[dict[str, Any]] = [
        {"params": kind, "weight_decay": decay, "share": group.share}
        for group in trained
        for kind, decay in (
            ([p for p in group.parameters if p.ndim > 1], genome["weight_decay"]),
            ([p for p in group.parameters if p.ndim <= 1], 0.0),
        )
    ]
    rate, momentum = genome["learning_rate"], genome["momentum"]
    if genome["optimizer"] == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(momentum, BETA2), eps=EPSILON, fused=True)
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=_nesterov(genome), fused=True)


def optimizer_kind(genome: Genome) -> tuple[str, bool]:
    """What candidates must share to be stacked: the optimizer, and whether it looks ahead (Nesterov)."""
    return genome["optimizer"], genome["optimizer"] == "sgd" and _nesterov(genome)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the rate of the next step; what is trained at a share of it gets that."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def learning_rates(genome: Genome, total: int) -> np.ndarray:
    """The rate of every step, ``(total,)``: a linear warm-up, then constant or a half cosine down to zero."""
    shares = [schedule(genome["schedule"], genome["warmup_share"], step, total) for step in range(total)]
    return genome["learning_rate"] * np.array(shares)


def schedule(name: str, warmup_share: float, step: int, total: int) -> float:
    """The share of the learning rate at a step.

    Example:
        >>> [round(schedule("cosine", 0.2, step, 10), 2) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    warmup = round(warmup_share * total)
    if step < warmup:
        return (step + 1) / warmup
    if name == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))


class StackedOptimizer:
    """The optimizers of ``M`` candidates over parameters ``(M, ...)``, each with its own hyperparameters.

    Args:
        genomes: Of one :func:`optimizer_kind`.
        parameters: One tensor for all candidates; decayed where the candidate's own is a matrix or kernel.
    """

    def __init__(self, genomes: Sequence[Genome], parameters: Sequence[nn.Parameter]) -> None:
        kinds = {optimizer_kind(genome) for genome in genomes}
        if len(kinds) != 1:
            raise ValueError("expected genomes of one kind of optimiser")
        self._adamw = kinds == {("adamw", False)}
        self._nesterov = kinds == {("sgd", True)}
        self._parameters = parameters
        self._momentum = np.array([float(genome["momentum"]) for genome in genomes])
        self._decay = np.array([float(genome["weight_decay"]) for genome in genomes])
        self._first = [torch.zeros_like(p) for p in parameters]
        self._second = [torch.zeros_like(p) for p in parameters] if self._adamw else []
        self._steps = 0

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], rates: np.ndarray) -> None:
        """One step with learning rates ``(M,)``."""
        self._steps += 1
        if self._adamw:
            self._adamw_step(gradients, rates)
        else:
            self._sgd_step(gradients, rates)

    def _adamw_step(self, gradients: Sequence[Tensor], rates: np.ndarray) -> None:
        correction = math.sqrt(1 - BETA2**self._steps)
        sizes = rates * correction / (1 - self._momentum**self._steps)
        vectors = self._vectors(sizes, 1 - rates * self._decay, 1 - self._momentum)
        for p, gradient, first, second in zip(
            self._parameters, gradients, self._first, self._second, strict=True
        ):
            size, keep, fresh = (v.view(-1, *(1,) * (p.ndim - 1)) for v in vectors)
            if p.ndim > 2:
                p.mul_(keep)
            first.lerp_(gradient, fresh)
            second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            p.addcdiv_(first * size, second.sqrt().add_(EPSILON * correction), value=-1)

    def _sgd_step(self, gradients: Sequence[Tensor], rates: np.ndarray) -> None:
        vectors = self._vectors(rates, self._decay, self._momentum)
        for p, gradient, velocity in zip(self._parameters, gradients, self._first, strict=True):
            rate, decay, momentum = (v.view(-1, *(1,) * (p.ndim - 1)) for v in vectors)
            if p.ndim > 2:
                gradient = torch.addcmul(gradient, p, decay)
            velocity.mul_(momentum).add_(gradient)
            change = torch.addcmul(gradient, velocity, momentum) if self._nesterov else velocity
            p.addcmul_(change, rate, value=-1)

    def _vectors(self, *numbers: np.ndarray) -> Tensor:
        like = self._parameters[0]
        return torch.from_numpy(np.stack(numbers)).to(like.device, like.dtype)


def _nesterov(genome: Genome) -> bool:
    return bool(genome["nesterov"] and genome["momentum"] > 0)
