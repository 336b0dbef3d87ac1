"""Weights of several components as one tensor, so that one matrix product serves them all.

Members are folded into the batch: ``(M * B, ...)`` rows, each member's own examples one after another. No number of
one member ever enters another's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """Linear maps (or 1x1 convolutions) of members: ``(M * B, D)`` to ``(M * B, K)``."""

    def __init__(self, modules: Sequence[nn.Linear | nn.Conv2d]) -> None:
        super().__init__()
        self.weight = stacked([module.weight for module in modules])
        self.bias = stacked([module.bias for module in modules])

    def forward(self, x: Tensor) -> Tensor:
        """Each member's rows by its own weights."""
        weight = self.weight.flatten(2).transpose(1, 2)
        rows = x.reshape(len(weight), -1, x.shape[-1])
        return torch.baddbmm(self.bias.unsqueeze(1), rows, weight).flatten(0, 1)


def stacked(parameters: Sequence[Tensor | None]) -> nn.Parameter:
    """Parameters as one, ``(M, ...)``; each becomes a view of it, its strides as they were."""
    present = [p for p in parameters if p is not None]
    made = nn.Parameter(torch.stack([p.detach().contiguous() for p in present]))
    for own, p in zip(made.data, present, strict=True):
        # Strides of axes of size 1 decide how a convolution is run, and so its last bits.
        p.data = own.as_strided(p.shape, p.stride() if p.is_contiguous() else own.stride())
    return made
