"""Where the contestants of one task learn, and the faces of a way to learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.genome.genome import Genome
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.pooling import pooled_size
from evo_mtl.network.route import Route
from evo_mtl.network.streaming import MomentsPool
from evo_mtl.training.inputs import Held
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.trial import Write


@dataclass(frozen=True)
class Arena:
    """Where the contestants of one task learn.

    Attributes:
        seed: The run's seed.
        layout: The root trunk.
        shared: Frozen components.
        write: Writes a component.
        num_classes: Of the task.
        pool: Sums of what solved heads read.
        commons: Where tasks are learned side by side, the modules that follow, by the name of their line: one for
            all who follow. Each contestant has its own when ``None``.
    """

    seed: int
    layout: TrunkLayout
    shared: SharedRoutes
    write: Write
    num_classes: int
    pool: MomentsPool
    commons: dict[str, nn.Module] | None = None


State = Mapping[str, Tensor]
"""What a contestant needs besides its weights to go on as if nothing had happened."""


class Way(Protocol):
    """How a contestant learns."""

    def settled(self, over: bool) -> Mapping[str, nn.Module]:
        """The modules that answer and may be written: what is trained, or its averaged copy."""
        ...

    @property
    def never(self) -> tuple[int, ...]:
        """See :attr:`Contestant.never`."""
        ...

    def leave(self) -> None:
        """Lets go of what it shares."""
        ...

    def refresh(self) -> None:
        """Solves what is to be solved."""
        ...

    def look(self, held: Held) -> tuple[Tensor, np.ndarray]:
        """What the head reads ``(B, D)``, and logits ``(B, K)``, in eval mode."""
        ...

    def sums(self, held: Held) -> dict[str, Tensor]:
        """See :meth:`Contestant.sums`."""
        ...

    def learn(self, held: Held, taps: Tensor, labels: np.ndarray, number: int) -> None:
        """Takes a batch."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What it needs to go on, besides the weights."""
        ...


def look(part: OpenPart, held: Held) -> tuple[Tensor, np.ndarray]:
    taps, head = part.taps(held), part.own["head"]
    with torch.no_grad():
        return taps, head(taps).cpu().numpy()


def taps_of(route: Route, genome: Genome, layout: TrunkLayout) -> tuple[list[str], list[int]]:
    """Keys of the nodes that a route's head reads, and how many numbers each gives."""
    taps, keys = route.nodes[route.nodes[-1].inputs[0]].inputs, route.keys()
    widths = [pooled_size(layout.channels[tap.stage], tap.grid) for tap in genome.taps]
    return [keys[place] for place in taps], widths


def under(name: str, tensors: State) -> dict[str, Tensor]:
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}


def below(state: State, name: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(f"{name}."): tensor for key, tensor in state.items() if key.startswith(f"{name}.")
    }
