"""Small residual modules put after a frozen stage; new ones change nothing.

Houlsby 2019 puts bottlenecks into a frozen transformer and starts them near the identity; mu2Net
(Gesmundo 2022) starts theirs at it, by a zero up-projection, so a child scores like its parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evo_mtl.network.kinds.fields import CHANNELS, one_of, whole
from evo_mtl.network.kinds.kind import Kind, Spec, Together
from evo_mtl.network.kinds.stacking import StackedLinear, stacked
from evo_mtl.network.pooling import Activation, main_tensor, with_main


class ConvBottleneck(nn.Module):
    """Norm, 1x1 convolution down, GELU, 1x1 convolution up, added to ``(B, C, H, W)``.

    The norm has one group: it needs no batch statistics, so even a batch of one can be trained on.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.down = nn.Conv2d(channels, width, 1)
        self.up = nn.Conv2d(width, channels, 1)

    def forward(self, activation: Activation) -> Activation:
        """``activation`` with the correction added to its main tensor."""
        x = main_tensor(activation)
        return with_main(activation, x + self.up(F.gelu(self.down(self.norm(x)))))


class TokenBottleneck(nn.Module):
    """LayerNorm, linear down, GELU, linear up, added to ``(B, N, C)``."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.down = nn.Linear(channels, width)
        self.up = nn.Linear(width, channels)

    def forward(self, activation: Activation) -> Activation:
        """``activation`` with the correction added to its main tensor."""
        x = main_tensor(activation)
        return with_main(activation, x + self.up(F.gelu(self.down(self.norm(x)))))


class StackedBottleneck(nn.Module):
    """Bottlenecks of members on ``(M * B, C, H, W)`` or ``(M * B, N, C)``."""

    def __init__(self, adapters: Sequence[ConvBottleneck | TokenBottleneck]) -> None:
        super().__init__()
        norms = [adapter.norm for adapter in adapters]
        self.weight = stacked([norm.weight for norm in norms])
        self.bias = stacked([norm.bias for norm in norms])
        self.down = StackedLinear([adapter.down for adapter in adapters])
        self.up = StackedLinear([adapter.up for adapter in adapters])
        self._eps = norms[0].eps

    def forward(self, activation: Activation) -> Activation:
        """``activation`` with each member's correction added to its main tensor."""
        x = main_tensor(activation)
        if x.ndim == 4:
            normal = F.group_norm(x, 1, eps=self._eps).permute(0, 2, 3, 1)
        else:
            normal = F.layer_norm(x, x.shape[-1:], eps=self._eps)
        rows = normal.reshape(len(self.weight), -1, normal.shape[-1])
        scaled = torch.addcmul(self.bias.unsqueeze(1), rows, self.weight.unsqueeze(1))
        change = self.up(F.gelu(self.down(scaled))).view(normal.shape)
        return with_main(activation, x + (change.permute(0, 3, 1, 2) if x.ndim == 4 else change))


PIXELS = 32 * 48**2
"""Pixels of a batch (batch size times image side squared) up to which candidates with open adapters are grouped: two
trials together were 1.1 times as fast there, four up to 1.6 times; the larger the batch, the less
frozen stages gain from a still larger one (``scripts/benchmark_speed batched``)."""


def _make(spec: Spec) -> ConvBottleneck | TokenBottleneck:
    form = ConvBottleneck if spec["form"] == "conv" else TokenBottleneck
    return form(spec["channels"], spec["width"])


def _begin(module: nn.Module, generator: torch.Generator) -> None:
    """The identity."""
    made = cast(ConvBottleneck | TokenBottleneck, module)
    made.norm.weight.fill_(1.0)
    made.norm.bias.zero_()
    made.down.weight.normal_(std=made.down.weight.shape[1] ** -0.5, generator=generator)
    nn.init.zeros_(made.up.weight)
    for layer in (made.down, made.up):
        nn.init.zeros_(cast(Tensor, layer.bias))


KIND = Kind(
    fields={"form": one_of("conv", "token", "vector"), "channels": CHANNELS, "width": whole(1, 2**20)},
    make=_make,
    begin=_begin,
    together=Together(
        stack=lambda modules: StackedBottleneck(modules),  # type: ignore[arg-type]
        pays=lambda spec, batch, side: batch * side**2 <= PIXELS,
    ),
)
