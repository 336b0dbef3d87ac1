"""A piece of a trunk, from activation to activation; frozen, its batch norms are folded into convolutions."""

from __future__ import annotations

import torch
from torch import nn

from evo_mtl.network.folding import folded
from evo_mtl.network.kinds.fields import one_of, whole, word
from evo_mtl.network.kinds.kind import Kind, Spec
from evo_mtl.network.trunks import CUTS, stage_module, stage_outline


def _outline(spec: Spec) -> nn.Module:
    return stage_outline(spec["trunk"], spec["cut"], spec["index"])


def _filled(spec: Spec) -> nn.Module:
    return stage_module(spec["trunk"], spec["cut"], spec["index"])


def _as_in_a_random_trunk(module: nn.Module, generator: torch.Generator) -> None:
    """A stage is never new: it comes from the root trunk."""


KIND = Kind(
    fields={"trunk": word, "cut": one_of(*CUTS), "index": whole(0, 10_000)},
    make=_outline,
    filled=_filled,
    begin=_as_in_a_random_trunk,
    frozen=folded,
)
