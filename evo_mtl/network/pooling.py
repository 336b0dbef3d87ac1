"""Taps: what an activation comes to when it is pooled to a short vector."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from evo_mtl.errors import TrunkError

Activation = torch.Tensor | tuple[torch.Tensor, ...]
"""What stages hand on: a tensor, or ``(main, skip)`` inside a residual block."""


def main_tensor(activation: Activation) -> torch.Tensor:
    """The tensor that carries the features: the activation itself or the first of its tuple."""
    return activation[0] if isinstance(activation, tuple) else activation


def with_main(activation: Activation, main: torch.Tensor) -> Activation:
    """The same activation with another main tensor; the skip is left as it is."""
    return (main, *activation[1:]) if isinstance(activation, tuple) else main


def pooled_size(channels: int, grid: int) -> int:
    """The length ``D`` of what :func:`pool` gives.

    Example:
        >>> from evo_mtl.network.pooling import pooled_size
        >>> pooled_size(320, 2)
        1280
    """
    return channels * grid * grid


def pool(activation: Activation, grid: int, num_prefix_tokens: int = 0) -> torch.Tensor:
    """Means over a ``grid`` x ``grid`` partition of the image, as one vector an image.

    Prefix tokens (class, registers) are left out: they have no place in the image.

    Args:
        activation: ``(B, C, H, W)``, or tokens ``(B, N, C)``, of any floating type and memory format; or a
            tuple whose first tensor is that.
        grid: Cells along each side; 1 is the global mean.
        num_prefix_tokens: Tokens before the patch tokens.

    Returns:
        ``(B, D)`` float32, contiguous, ``D = C * grid * grid``, the cells of a channel side by side.

    Raises:
        TrunkError: Patch tokens do not form a square and ``grid`` is above 1.
    """
    x = main_tensor(activation).float()
    if x.ndim == 2:
        if grid > 1:
            raise TrunkError(f"vectors have no {grid} x {grid} grid to be pooled to")
        return x.contiguous()
    if x.ndim == 3:
        x = x[:, num_prefix_tokens:]
        if grid == 1:
            return x.mean(dim=1)
        x = _square(x)
    return F.adaptive_avg_pool2d(x, grid).flatten(1).contiguous()


def _square(tokens: torch.Tensor) -> torch.Tensor:
    """``(B, N, C)`` patch tokens as ``(B, C, H, W)`` with ``H == W``."""
    batch, count, channels = tokens.shape
    side = math.isqrt(count)
    if side * side != count:
        raise TrunkError(f"pooling to a grid needs patch tokens that form a square, not {count} tokens")
    return tokens.transpose(1, 2).reshape(batch, channels, side, side)
