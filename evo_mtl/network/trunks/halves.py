"""Residual blocks in two stages each, so that a route may leave the trunk inside a block.

Each half keeps the block's own submodules under their own names, and computes what timm's block
computes in the same order, so the two after one another equal the block bit for bit. A half after
which the skip is still to be added hands on ``(main, skip)``.
"""

from __future__ import annotations

import torch
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor]


def _take(into: nn.Module, block: nn.Module, names: tuple[str, ...]) -> None:
    """Moves the named submodules (or ``None``, where the block has none) into a half."""
    for name in names:
        into.add_module(name, getattr(block, name))


class BasicFirst(nn.Module):
    """The first convolution of a ResNet basic block: tensor to ``(main, skip)``."""

    conv1: nn.Module
    bn1: nn.Module
    drop_block: nn.Module
    act1: nn.Module
    aa: nn.Module

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        _take(self, block, ("conv1", "bn1", "drop_block", "act1", "aa"))

    def forward(self, x: torch.Tensor) -> Pair:
        """``(main, skip)``; the skip is the input itself."""
        return self.aa(self.act1(self.drop_block(self.bn1(self.conv1(x))))), x


class BasicSecond(nn.Module):
    """The second convolution of a ResNet basic block, and the sum."""

    conv2: nn.Module
    bn2: nn.Module
    act2: nn.Module
    se: nn.Module | None
    drop_path: nn.Module | None
    downsample: nn.Module | None

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        _take(self, block, ("conv2", "bn2", "se", "drop_path", "downsample", "act2"))

    def forward(self, pair: Pair) -> torch.Tensor:
        """The block's output."""
        x, shortcut = pair
        x = self.bn2(self.conv2(x))
        if self.se is not None:
            x = self.se(x)
        if self.drop_path is not None:
            x = self.drop_path(x)
        if self.downsample is not None:
            shortcut = self.downsample(shortcut)
        x += shortcut
        return self.act2(x)


class InvertedFirst(nn.Module):
    """Expansion and depthwise convolution of an inverted residual block."""

    conv_pw: nn.Module
    bn1: nn.Module
    conv_dw: nn.Module
    bn2: nn.Module
    aa: nn.Module
    se: nn.Module
    conv_s2d: nn.Module | None
    bn_s2d: nn.Module | None

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        _take(self, block, ("conv_s2d", "bn_s2d", "conv_pw", "bn1", "conv_dw", "bn2", "aa", "se"))
        self.has_skip = bool(block.has_skip)

    def forward(self, x: torch.Tensor) -> torch.Tensor | Pair:
        """The expanded features, with the skip if the block has one."""
        shortcut = x
        if self.conv_s2d is not None and self.bn_s2d is not None:
            x = self.bn_s2d(self.conv_s2d(x))
        x = self.bn1(self.conv_pw(x))
        x = self.bn2(self.conv_dw(x))
        x = self.se(self.aa(x))
        return (x, shortcut) if self.has_skip else x


class InvertedSecond(nn.Module):
    """Projection of an inverted residual block, and the sum."""

    conv_pwl: nn.Module
    bn3: nn.Module
    drop_path: nn.Module

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        _take(self, block, ("conv_pwl", "bn3", "drop_path"))
        self.has_skip = bool(block.has_skip)

    def forward(self, activation: torch.Tensor | Pair) -> torch.Tensor:
        """The block's output."""
        if isinstance(activation, tuple):
            x, shortcut = activation
            return self.drop_path(self.bn3(self.conv_pwl(x))) + shortcut
        return self.bn3(self.conv_pwl(activation))


class AttentionHalf(nn.Module):
    """The attention of a transformer block, its skip included."""

    norm1: nn.Module
    attn: nn.Module
    ls1: nn.Module
    drop_path1: nn.Module

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        _take(self, block, ("norm1", "attn", "ls1", "drop_path1"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, N, C)`` to the same."""
        return x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))


class MlpHalf(nn.Module):
    """The perceptron of a transformer block, its skip included."""

    norm2: nn.Module
    mlp: nn.Module
    ls2: nn.Module
    drop_path2: nn.Module

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        _take(self, block, ("norm2", "mlp", "ls2", "drop_path2"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, N, C)`` to the same."""
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
