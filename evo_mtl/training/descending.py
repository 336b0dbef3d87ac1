"""Learning from a stream by steps of gradient descent on each batch, while it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import HeadGene, frozen
from evo_mtl.network.assembly import assemble
from evo_mtl.network.kinds.kind import head_kind, new
from evo_mtl.network.specs import open_specs
from evo_mtl.seeding import generator
from evo_mtl.training.arena import Arena, State, below, look, taps_of, under
from evo_mtl.training.averaging import Average
from evo_mtl.training.descent import Descent, batches
from evo_mtl.training.inputs import Held
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.optimizers import make_optimizer, set_learning_rate
from evo_mtl.training.standardisation import Standardisation

WARM_UP = 10
"""Steps over which the learning rate rises; then it is constant, for nobody knows how long a stream is."""
ABSENT = -1e4
"""Logit of a class that is not in the batch, where only those that are compete."""


class Descending:
    """Steps of gradient descent on each batch while it is there."""

    def __init__(self, candidate: Candidate, part: OpenPart, arena: Arena, state: State | None) -> None:
        genome = candidate.genome
        self._candidate, self._part, self._seed = candidate, part, arena.seed
        self._device = arena.shared.device
        self._steps = 0
        self._decay = float(genome["average"])
        head = part.own["head"]
        buffers = head_kind(genome.head.kind).standardised(head)
        begun = genome.head.component is not None or begins_solved(candidate, head, arena)
        self._standard = None if buffers is None or begun else Standardisation(*buffers)
        self._average = Average(part, self._decay)
        if state is not None:
            for slot, module in part.own.items() if self._decay else ():
                module.load_state_dict(below(state, f"own.{slot}"))
            self._steps = int(state["steps"])
            standard = below(state, "standard")
            self._standard = None if buffers is None or not standard else Standardisation(*buffers, standard)
        groups = part.groups(genome)
        self._optimizer = make_optimizer(genome, groups)
        if state is not None:
            _load_optimizer(self._optimizer, below(state, "optimizer"))
        self._present: Tensor | None = None
        self._descent = Descent(
            self._logits,
            self._optimizer,
            lambda _: set_learning_rate(self._optimizer, self._rate()),
            genome["label_smoothing"],
            genome["clip_norm"],
            [group.parameters for group in groups],
        )

    def settled(self, over: bool) -> Mapping[str, nn.Module]:
        return self._average.part.own

    @property
    def never(self) -> tuple[int, ...]:
        return ()

    def leave(self) -> None:
        pass

    def refresh(self) -> None:
        pass

    def look(self, held: Held) -> tuple[Tensor, np.ndarray]:
        return look(self._average.part, held)

    def sums(self, held: Held) -> dict[str, Tensor]:
        return {}

    def learn(self, held: Held, taps: Tensor, labels: np.ndarray, number: int) -> None:
        genome, part = self._candidate.genome, self._part
        if self._standard is not None:
            self._standard.see(taps)
        targets = torch.tensor(labels, device=self._device)
        if genome["mask_classes"]:
            self._present = torch.unique(targets)
        rng = generator(self._seed, *self._candidate.address, "batch", number)
        norm = genome["norm"] if min(genome["batch_size"], len(labels)) > 1 else "eval"
        part.train(norm)
        for batch in batches(targets, genome["batch_size"], genome["repeats"], [rng]):
            loss = self._descent.step(held, batch)
            self._steps += 1
            self._average.follow(self._steps)
        part.eval()
        self._optimizer.zero_grad(set_to_none=True)  # gradients are of this batch
        self._present = None
        if not bool(loss.isfinite()):
            raise CandidateError("the loss is not a finite number")

    def state(self) -> dict[str, Tensor]:
        found = {"steps": torch.tensor(self._steps)}
        if self._standard is not None:
            found |= under("standard", self._standard.tensors())
        if self._decay:
            for slot, module in self._part.own.items():
                found |= under(f"own.{slot}", module.state_dict())
        return found | under("optimizer", _optimizer_tensors(self._optimizer))

    def _rate(self) -> float:
        return float(self._candidate.genome["learning_rate"]) * min(1.0, (self._steps + 1) / WARM_UP)

    def _logits(self, known: Mapping[int, Any]) -> Tensor:
        logits = self._part.logits(known)
        if self._present is None:
            return logits
        absent = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
        absent[self._present] = False
        return logits.masked_fill(absent, ABSENT)


def begins_solved(candidate: Candidate, head: nn.Module, arena: Arena) -> bool:
    """Gives a new head the ridge solution on what its route gives before it is trained, where that has been summed.

    A route that opens copies of frozen stages gives what those give, and new adapters change nothing.

    Returns:
        Whether it could be had.
    """
    genome = candidate.genome
    begin = head_kind(genome.head.kind).begin_solved
    if begin is None or genome["head_start"] != "ridge":
        return False
    unopened = replace(
        genome,
        stages=frozen(genome.stages),
        adapters=tuple(replace(gene, open=False) for gene in genome.adapters if gene.component is not None),
        head=HeadGene("ridge"),
    )
    nodes, widths = taps_of(assemble(unopened, arena.layout), unopened, arena.layout)
    if not arena.pool.covers(nodes):
        return False
    spec = open_specs(unopened, arena.layout, arena.num_classes)["head"]
    ridge = new(spec, torch.Generator())
    solution = arena.pool.join(ridge, unopened, nodes, widths)
    solution.refresh(final=True)
    arena.pool.leave(solution)
    begin(head, ridge)
    return True


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments of an optimizer, by number of the parameter and name."""
    return {
        f"{number}.{name}": value
        for number, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
        if isinstance(value, Tensor)
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: State) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
