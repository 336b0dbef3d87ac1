"""The faces of a family of trunks."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from evo_mtl.network.trunks.trunk import Trunk
from evo_mtl.streams.raw import Form


class TrunkFamily(Protocol):
    """Trunks that are built by one recipe; a name says all that their modules are built of."""

    def named(self, name: str, form: Form) -> str:
        """The full name of a trunk for examples of some form, from the name that a search space gives.

        Raises:
            TrunkError: The name is none, or such examples cannot be read.
        """
        ...

    def build(self, name: str, weights: str, cut: str) -> Trunk:
        """A trunk of a full name with its weights; the same tensors each time.

        Raises:
            TrunkError: Unknown name or cut, or weights that cannot be had.
        """
        ...

    def outlines(self, name: str, cut: str) -> tuple[nn.Module, ...]:
        """Its stages in eval mode, needing no gradient, without storage (on ``"meta"``); who asks leaves them as they are.

        Raises:
            TrunkError: Unknown name or cut.
        """
        ...

    def stage(self, name: str, cut: str, index: int) -> nn.Module:
        """A fresh module of a stage that there is, with storage, to load a component's tensors into."""
        ...
