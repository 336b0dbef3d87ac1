"""The open part of a candidate: what of its route is its own, how it is run, and copies of its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.genome.genome import Genome
from evo_mtl.network.forward import CHUNK, SharedRoutes, run_dynamic
from evo_mtl.network.kinds.kind import Group, kind_of
from evo_mtl.network.route import Route
from evo_mtl.training.inputs import Gathered, Inputs


@dataclass(frozen=True)
class OpenPart:
    """What a candidate trains, and how to run it.

    Attributes:
        route: The candidate's route.
        own: Slot to the module that belongs to the candidate alone.
        shared: Frozen components and how activations are laid out.
    """

    route: Route
    own: Mapping[str, nn.Module]
    shared: SharedRoutes

    def logits(self, known: Mapping[int, Any]) -> Tensor:
        """Logits ``(B, K)`` for the frontier's rows of a batch."""
        return run_dynamic(self.route, self.shared.modules, self.own, known)

    def train(self, norm: str) -> None:
        """Puts own modules into training mode; with ``norm`` ``"eval"`` statistics stay as they are."""
        for module in self.own.values():
            module.train(norm == "train")

    def eval(self) -> None:
        """Puts own modules into eval mode."""
        for module in self.own.values():
            module.eval()

    def groups(self, genome: Genome) -> list[Group]:
        """What is trained, grouped by its share of the genome's learning rate; what follows has a rate of its own."""
        found: dict[float, list[nn.Parameter]] = {}
        followed = {node.slot for node in self.route.nodes if node.follows}
        common = genome["common_learning_rate"] / (genome["learning_rate"] or 1.0)  # of 0 every share is 0
        for slot, module in self.own.items():
            for group in kind_of(module).groups(module):
                share = group.share * common if slot in followed else group.share
                found.setdefault(share, []).extend(group.parameters)
        return [Group(parameters, share) for share, parameters in found.items()]

    def all_logits(self, frontier: Inputs) -> np.ndarray:
        """Logits ``(N, K)`` in eval mode, in chunks of the one fixed size, the last one padded."""
        return self.all_outputs(frontier, len(self.route.nodes) - 1)

    def taps(self, inputs: Inputs) -> Tensor:
        """What the head reads of every image, ``(N, D)``, as :meth:`all_logits`."""
        if isinstance(inputs, Gathered):
            return inputs.matrix
        found = self.all_outputs(inputs, len(self.route.nodes) - 2)
        return torch.from_numpy(found).to(self.shared.device)

    @torch.no_grad()
    def all_outputs(self, frontier: Inputs, place: int) -> np.ndarray:
        """What the node at a place gives, ``(N, ...)``, as :meth:`all_logits`."""
        self.eval()
        own = {slot: kind_of(module).frozen(module) for slot, module in self.own.items()}
        shared, parts = self.shared, []
        for start in range(0, len(frontier), CHUNK):
            index = np.arange(start, min(start + CHUNK, len(frontier)))
            padded = np.concatenate([index, np.full(CHUNK - len(index), index[-1])])
            found = run_dynamic(self.route, shared.modules, own, frontier[padded], place)
            parts.append(found[: len(index)].cpu().numpy())
        return np.concatenate(parts)


@dataclass(frozen=True)
class Snapshot:
    """The own modules' weights at one validation."""

    place: int
    states: Mapping[str, Mapping[str, Any]]
    logits: np.ndarray

    @classmethod
    def take(cls, own: Mapping[str, nn.Module], place: int, logits: np.ndarray) -> Snapshot:
        """Copies the weights."""
        return cls(place, {slot: copy.deepcopy(m.state_dict()) for slot, m in own.items()}, logits)

    def restore(self, own: Mapping[str, nn.Module]) -> None:
        """Puts the weights back."""
        for slot, module in own.items():
            module.load_state_dict(self.states[slot])
