"""Weights averaged over training: a copy that follows what is trained, and answers instead of it.

References:
    Polyak 1992, Acceleration of stochastic approximation by averaging. Tarvainen 2017, Mean teachers: the average is
    exponential, and young averages forget faster.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from evo_mtl.training.open_part import OpenPart


class Average:
    """An exponential average of an open part's weights.

    Args:
        part: What is trained.
        decay: Share of the average that a step leaves, below 1; with 0 there is no copy.

    Attributes:
        part: What answers: the averaged copy, or what is trained itself.
    """

    def __init__(self, part: OpenPart, decay: float) -> None:
        self._trained, self._decay = part, decay
        self.part = replace(part, own=_copies(part.own)) if decay else part

    @torch.no_grad()
    def follow(self, steps: int) -> None:
        """Takes a step towards what is trained, larger ones while few ``steps`` were taken; statistics are taken over."""
        if not self._decay:
            return
        share = 1 - min(self._decay, (1 + steps) / (10 + steps))
        for slot, module in self._trained.own.items():
            mean = self.part.own[slot]
            for slow, fast in zip(mean.parameters(), module.parameters(), strict=True):
                slow.lerp_(fast, share)
            for held, now in zip(mean.buffers(), module.buffers(), strict=True):
                held.copy_(now)


def _copies(own: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Of what is trained, never to be trained itself."""
    found = {slot: copy.deepcopy(module).requires_grad_(False) for slot, module in own.items()}
    for module in found.values():
        module.eval()
    return found
