"""What a new head standardises by, over a stream."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Standardisation:
    """Mean and scale of what a new head reads, over everything so far: exact sums in float64, put into its buffers.

    Args:
        mean, scale: The head's buffers ``(D,)``.
        known: From :meth:`tensors`.
    """

    def __init__(self, mean: Tensor, scale: Tensor, known: Mapping[str, Tensor] | None = None) -> None:
        self._into = mean, scale
        zero = torch.zeros(len(mean), dtype=torch.float64, device=mean.device)
        self._count, self._mean, self._squares = 0, zero, zero.clone()
        if known:
            self._count = int(known["count"])
            self._mean, self._squares = known["mean"].to(mean.device), known["squares"].to(mean.device)

    @torch.no_grad()
    def see(self, taps: Tensor) -> None:
        """Takes the rows of a batch (Chan 1979, for combining sums of squares)."""
        batch = taps.to(torch.float64)
        count, mean = len(batch), batch.mean(0)
        whole = self._count + count
        apart = mean - self._mean
        self._squares += (batch - mean).square().sum(0) + apart.square() * (self._count * count / whole)
        self._mean += apart * (count / whole)
        self._count = whole
        scale = (self._squares / whole).sqrt()
        constant = scale <= 1e-12 * torch.maximum(self._mean.abs(), torch.ones_like(scale))
        mean_, scale_ = self._into
        mean_.copy_(self._mean)
        scale_.copy_(torch.where(constant, torch.ones_like(scale), scale))

    def tensors(self) -> dict[str, Tensor]:
        """All that it knows."""
        return {"count": torch.tensor(self._count), "mean": self._mean, "squares": self._squares}
