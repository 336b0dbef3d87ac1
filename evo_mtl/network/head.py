"""The end of a route: standardization, an optional random projection, a linear map, a temperature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evo_mtl.network.projection import project, projection_matrix

LIMIT = 10.0
"""Standardised taps are cut off here: a channel that hardly ever fired in training has a tiny scale, and
one image in which it fires would drown all other channels."""


class Head(nn.Module):
    """Logits from the taps a route reads.

    ``logits = (W · g(z) + b) / temperature`` with ``z`` the standardised taps and ``g`` the identity or a random
    ReLU projection (McDonnell 2023). One form serves heads that are trained and heads that are
    solved in closed form; the projection is given by its seed and not stored. A new head's logits are zero.

    Args:
        in_features: ``D``, numbers read.
        num_classes: ``K``.
        projection_width: Width of the random projection; 0 for none.
        projection_seed: Names the projection.
    """

    mean: Tensor
    scale: Tensor
    temperature: Tensor
    projection: Tensor | None

    def __init__(
        self, in_features: int, num_classes: int, projection_width: int = 0, projection_seed: int = 0
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.empty(in_features))
        self.register_buffer("scale", torch.empty(in_features))
        self.register_buffer("temperature", torch.empty(()))
        self.register_buffer("projection", None, persistent=False)
        self.linear = nn.Linear(projection_width or in_features, num_classes)
        self._projects, self._seed = projection_width > 0, projection_seed
        if not self.mean.is_meta:
            self.draw_projection()
            self.reset()

    def draw_projection(self) -> None:
        """Computes the projection, which is not stored."""
        if self._projects:
            self.projection = projection_matrix(self._seed, len(self.mean), self.linear.in_features)

    @torch.no_grad()
    def reset(self) -> None:
        """Gives it the values of a new head."""
        self.mean.zero_()
        self.scale.fill_(1.0)
        self.temperature.fill_(1.0)
        self.linear.weight.zero_()
        self.linear.bias.zero_()

    def features(self, taps: Tensor) -> Tensor:
        """Standardised and projected taps, ``(B, D)`` to ``(B, D or projection width)``."""
        standard = ((taps - self.mean) / self.scale).clamp(-LIMIT, LIMIT)
        return standard if self.projection is None else project(standard, self.projection)

    def forward(self, taps: Tensor) -> Tensor:
        """Taps ``(B, D)`` to logits ``(B, K)``."""
        return self.linear(self.features(taps)) / self.temperature
