"""The end of a route with several paths: a finished head, connectors beside it, and a router between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from evo_mtl.network.heads import Head

MAIN_SHARE = 0.8
"""Weight of the main path before anything is trained (Gesmundo 2023)."""

ROUTER_SHARE = 0.05
"""Of the learning rate, for the router (Gesmundo 2023)."""


class MultipathHead(nn.Module):
    """Logits from the taps of ``P`` frozen paths, weighed anew for each image.

    ``logits = sum_i w_i * logits_i / temperature``. The main path's logits are those of the finished head,
    which stays as it is; a further path's are a *connector*: a linear map, zero at first, of its standardised
    taps. The weights are the softmax of a linear *router* that reads the main path's logits; at first it gives
    the main path 0.8 and the others even shares of the rest, whatever the image. So before training
    the highest logit is the main head's.

    Router and connectors are trained apart from one another: the router reads the main path's logits as
    constants (no gradient passes through it to what they were computed from), its learning rate is ``ROUTER_SHARE`` of the
    connectors', and its gradients are clipped by themselves.

    Args:
        main: The finished head; it is taken over, not copied, and frozen.
        widths: ``D_i``, numbers read of each further path.

    References:
        Gesmundo 2023, Multipath agents for modular multitask ML systems (mu4Net).
    """

    temperature: Tensor

    def __init__(self, main: Head, widths: Sequence[int]) -> None:
        super().__init__()
        num_classes, num_paths = main.linear.out_features, len(widths) + 1
        self.main = main.requires_grad_(False)
        self.connectors = nn.ModuleList(Head(width, num_classes) for width in widths)
        self.router = nn.Linear(num_classes, num_paths)
        nn.init.zeros_(self.router.weight)
        nn.init.zeros_(self.router.bias)
        with torch.no_grad():
            self.router.bias[0] = math.log(MAIN_SHARE / (1 - MAIN_SHARE) * (num_paths - 1))
        self.register_buffer("temperature", torch.ones(()))

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers read of the main path and of each further one."""
        return tuple(len(head.mean) for head in self._heads)

    @property
    def _heads(self) -> tuple[Head, ...]:
        return (self.main, *self.connectors)  # type: ignore[return-value]

    def first(self, further: int) -> MultipathHead:
        """The head of the main path and the first so many further ones; what is trained is kept."""
        if further == len(self.connectors):
            return self
        fewer = MultipathHead(self.main, self.widths[1 : further + 1])
        fewer.connectors = self.connectors[:further]
        with torch.no_grad():
            fewer.router.weight.copy_(self.router.weight[: further + 1])
            fewer.router.bias.copy_(self.router.bias[: further + 1])
        return fewer

    def path_logits(self, taps: Tensor) -> Tensor:
        """Taps ``(B, D)``, path after path, to each path's own logits ``(B, P, K)``."""
        parts = taps.split(self.widths, dim=1)
        return torch.stack([head(part) for head, part in zip(self._heads, parts, strict=True)], dim=1)

    def weights(self, path_logits: Tensor) -> Tensor:
        """Path logits ``(B, P, K)`` to the paths' weights ``(B, P)``, which sum to 1."""
        return self.router(path_logits[:, 0].detach()).softmax(dim=1)

    def forward(self, taps: Tensor) -> Tensor:
        """Taps ``(B, D)``, path after path, to logits ``(B, K)``."""
        logits = self.path_logits(taps)
        return (self.weights(logits).unsqueeze(2) * logits).sum(1) / self.temperature
