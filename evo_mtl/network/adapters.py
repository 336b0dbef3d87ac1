"""Small residual modules put after a frozen stage, which change nothing when they are born.

Houlsby 2019 puts bottlenecks into a frozen transformer and starts them near the identity; mu2Net
(Gesmundo 2022) starts theirs at it, by a zero up-projection, so a child scores like its parent.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from evo_mtl.network.pooling import Activation, main_tensor, with_main


class ConvAdapter(nn.Module):
    """Norm, 1x1 convolution down, GELU, 1x1 convolution up, added to ``(B, C, H, W)``.

    The norm has one group: it needs no batch statistics, so a batch of one trains like any other.
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


class TokenAdapter(nn.Module):
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


def make_adapter(kind: str, channels: int, width: int, generator: torch.Generator) -> nn.Module:
    """A new adapter that is the identity.

    Args:
        kind: ``"conv"`` or ``"token"``, as :attr:`Trunk.kind`.
        channels: Feature channels ``C`` of the stage it follows.
        width: Channels inside; parameters are about ``2 * channels * width``.
        generator: The only source of its random numbers; torch's global state is neither read nor moved.

    Returns:
        A module from activation to activation; the skip of a tuple is handed on untouched.
    """
    # Born without storage, so that the default initialisation draws nothing from the global generator.
    with torch.device("meta"):
        adapter = ConvAdapter(channels, width) if kind == "conv" else TokenAdapter(channels, width)
    adapter.to_empty(device="cpu")
    with torch.no_grad():
        adapter.norm.weight.fill_(1.0)
        adapter.norm.bias.zero_()
        adapter.down.weight.normal_(std=channels**-0.5, generator=generator)
        nn.init.zeros_(adapter.up.weight)
        for layer in (adapter.down, adapter.up):
            layer.bias.zero_()  # type: ignore[union-attr]
    return adapter
