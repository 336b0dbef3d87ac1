"""A trunk for vectors: residual blocks that are the identity until they are trained."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evo_mtl.errors import TrunkError
from evo_mtl.network.inputs import Vector
from evo_mtl.network.trunks.trunk import Trunk, check_cut
from evo_mtl.seeding import torch_seed
from evo_mtl.streams.raw import Form

USUAL = "vector-4x256"
MOST_BLOCKS, MOST_HIDDEN, MOST_WIDTH = 64, 16_384, 1_000_000
MOST_WEIGHTS = 2**28
"""Of one block's layers each."""


class VectorBlock(nn.Module):
    """Norm, linear, GELU, linear, added to ``(B, D)``; the last linear is zero at birth.

    The norm is over the batch, number by number: columns of a table may be worlds apart in scale, and of a row a norm
    would hear the largest number alone.

    Args:
        width: ``D``.
        hidden: Numbers inside.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, D)`` to the same."""
        return x + self.down(F.gelu(self.up(self.norm(x))))


class VectorFamily:
    """Residual blocks on vectors of the data's own width: ``vector-BLOCKSxHIDDEN``, in full ``…-WIDTH``.

    As they are born they hand their input on, so that heads and looks read the vectors as they came, and what a task
    opens starts from there. There are no weights to be had elsewhere: the hidden layers are random.
    """

    def named(self, name: str, form: Form) -> str:
        """The name with the width of the vectors; ``vector`` alone is ``vector-4x256``."""
        if form.kind != "vector":
            raise TrunkError(f"trunk {name} reads rows of numbers, not {form.noun}s")
        full = f"{USUAL if name == 'vector' else name}-{form.width}"
        _shape(full)
        return full

    def build(self, name: str, weights: str, cut: str) -> Trunk:
        """The trunk with random hidden layers, drawn by its name."""
        check_cut(cut)
        if weights != "random":
            raise TrunkError(f'weights "{weights}": trunk {name} has none but random')
        shape = _shape(name)
        drawn = torch.Generator().manual_seed(torch_seed(0, "trunk", name))
        stages = tuple(_outline(shape).to_empty(device="cpu") for _ in range(shape.blocks))
        with torch.no_grad():
            for block in stages:
                block.norm.reset_parameters()
                block.up.weight.normal_(std=shape.width**-0.5, generator=drawn)
                block.up.bias.zero_()
                nn.init.zeros_(block.down.weight)
                nn.init.zeros_(block.down.bias)
        return Trunk(
            name=name,
            weights=weights,
            cut=cut,
            stages=stages,
            stage_names=tuple(f"blocks.{i}" for i in range(shape.blocks)),
            channels=(shape.width,) * shape.blocks,
            group_ends=(shape.blocks - 1,),
            kind="vector",
            input=Vector(shape.width),
            final_norm=shape.blocks - 1,
            num_prefix_tokens=0,
        )

    def outlines(self, name: str, cut: str) -> tuple[nn.Module, ...]:
        """Its blocks, which are all alike."""
        check_cut(cut)
        shape = _shape(name)
        return (_outline(shape),) * shape.blocks

    def stage(self, name: str, cut: str, index: int) -> nn.Module:
        """A block."""
        return _outline(_shape(name)).to_empty(device="cpu")


class Shape(NamedTuple):
    """What a full name says."""

    blocks: int
    hidden: int
    width: int


def _shape(name: str) -> Shape:
    """Read from a full name; sizes are checked before memory is taken."""
    found = re.fullmatch(r"vector-(\d{1,9})x(\d{1,9})-(\d{1,9})", name)
    if found is None:
        raise TrunkError(
            f'trunk "{name.rpartition("-")[0]}": expected vector, or vector-BLOCKSxHIDDEN such as {USUAL}'
        )
    shape = Shape(*map(int, found.groups()))
    for what, value, most in (
        ("blocks", shape.blocks, MOST_BLOCKS),
        ("hidden numbers", shape.hidden, MOST_HIDDEN),
        ("numbers a row", shape.width, MOST_WIDTH),
    ):
        if not 1 <= value <= most:
            raise TrunkError(f"trunk {name}: expected 1 to {most:,} {what}, met {value:,}")
    if shape.hidden * shape.width > MOST_WEIGHTS:
        raise TrunkError(
            f"trunk {name}: {shape.hidden:,} hidden numbers are too many for rows of {shape.width:,}"
        )
    return shape


def _outline(shape: Shape) -> VectorBlock:
    """A block in eval mode without storage; it draws nothing from torch's global generator."""
    with torch.device("meta"):
        return VectorBlock(shape.width, shape.hidden).eval().requires_grad_(False)
