"""A candidate that learns from a stream: it answers a batch, then learns from it, and the batch is gone.

What is trained by gradient descent takes its steps while the batch is there; a head that is solved adds the batch to
sums (:mod:`evo_mtl.network.moments`). What a contestant keeps from one batch to the next are weights, moments of its
optimizer and sums over all examples so far, never anything of a single one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import line_name
from evo_mtl.network.assembly import assemble
from evo_mtl.network.forward import CHUNK, Activation, SharedRoutes
from evo_mtl.network.kinds.kind import spec_of
from evo_mtl.network.route import Route
from evo_mtl.streams.task import Rows
from evo_mtl.training.arena import Arena, State, Way, below, under
from evo_mtl.training.calibration import Temperatures
from evo_mtl.training.descending import Descending
from evo_mtl.training.inputs import Held
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.own import own_modules
from evo_mtl.training.summing import Summed


class Streamed(Protocol):
    """Examples of one task in one batch; :class:`evo_mtl.streams.experience.Part` is that."""

    @property
    def labels(self) -> np.ndarray:
        """``(B,)``."""
        ...

    def rows(self, rows: Rows) -> np.ndarray:
        """The examples as an input has them, ``(B, *shape)``."""
        ...


def hold(routes: Sequence[Route], part: Streamed, shared: SharedRoutes) -> list[Held]:
    """Runs the frozen stages below the open parts of some routes, each that several share once.

    Args:
        routes: Of the contestants.
        part: The batch.
        shared: Frozen components.
    """
    inputs = {route.input.size: route.input for route in routes}
    examples = {size: part.rows(one) for size, one in inputs.items()}
    count, wanted = len(part.labels), [route.frontier for route in routes]
    pieces: list[list[dict[int, Activation]]] = [[] for _ in routes]
    for start in range(0, count, CHUNK):
        chunk = {size: one[start : start + CHUNK] for size, one in examples.items()}
        for i, found in enumerate(shared.outputs(routes, wanted, chunk)):
            pieces[i].append(found)
    return [
        Held({place: _joined([piece[place] for piece in found]) for place in places}, count)
        for found, places in zip(pieces, wanted, strict=True)
    ]


def _joined(pieces: Sequence[Activation]) -> Activation:
    if isinstance(pieces[0], tuple):
        return tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))
    return torch.cat(list(pieces))


class Contestant:
    """One candidate in a race.

    Args:
        candidate: Its genome names the weights that it starts from: those it was born with, or its own, written.
        arena: Where it learns.
        state: What it knew when they were written; ``None`` for a newborn.
    """

    def __init__(self, candidate: Candidate, arena: Arena, state: State | None = None) -> None:
        self.candidate, self._arena = candidate, arena
        genome = candidate.genome
        route = assemble(genome, arena.layout)
        own = own_modules(candidate, route, arena.layout, arena.num_classes, arena.seed, arena.shared)
        if arena.commons is not None:
            for node in route.nodes:
                if node.follows:
                    name = line_name(genome.root, node.stage)
                    own[node.slot] = arena.commons.setdefault(name, own[node.slot])
        own["head"].get_buffer("temperature").fill_(1.0)  # learning sees plain logits
        self.part = OpenPart(route, own, arena.shared)
        self.temperatures = Temperatures()
        learns = Descending if genome.head.trained else Summed
        self._way: Way = learns(candidate, self.part, arena, state)
        self.failed: CandidateError | None = None
        if state is not None:
            self.temperatures.load(below(state, "temperatures"))
        self._taps: Tensor | None = None
        self._logits = np.empty(0)

    @property
    def route(self) -> Route:
        """Its route, open where it learns."""
        return self.part.route

    def answer(self, held: Held) -> np.ndarray:
        """Classes ``(B,)`` for a batch that it has not learned from; -1 where it cannot answer any more."""
        try:
            if self.failed is None:
                self._taps, self._logits = self._way.look(held)
                return self._logits.argmax(1)
        except CandidateError as error:
            self.failed = error
        return np.full(len(held), -1)

    def learn(self, held: Held, labels: np.ndarray, number: int) -> None:
        """Learns from the batch that it has just answered.

        Args:
            held: The batch.
            labels: ``(B,)``.
            number: Of the batch in the stream: names the order of its steps.
        """
        if self.failed is not None:
            return
        assert self._taps is not None  # it answers before it learns
        try:
            if not np.isfinite(self._logits).all():
                raise CandidateError("a logit is not a finite number")
            self.temperatures.see(self._logits, labels)
            self._way.learn(held, self._taps, labels, number)
        except CandidateError as error:
            self.failed = error
        finally:
            self._taps, self._logits = None, np.empty(0)

    def sums(self, held: Held) -> dict[str, Tensor]:
        """What its sums are of, by the key of the node that gives it; nothing where it descends."""
        return self._way.sums(held)

    @property
    def solved(self) -> bool:
        """Whether its head is solved from sums."""
        return not self.candidate.genome.head.trained

    @property
    def never(self) -> tuple[int, ...]:
        """Classes that its head, as it was written at the end, never answers: there were too few examples of them."""
        return self._way.never

    def leave(self) -> None:
        """It races no more: sums that nobody else reads are let go."""
        self._way.leave()

    def refresh(self) -> None:
        """Solves its head from sums that were read again."""
        try:
            self._way.refresh()
        except CandidateError as error:
            self.failed = error

    def written(self, over: bool) -> tuple[dict[str, str], str]:
        """Writes what it has learned: slot to the digest of its component, and that of its state.

        Args:
            over: Whether this is its end: a solved head is written then, and not before, for it holds what its sums hold back.
        """
        own = self._way.settled(over)
        temperature = own["head"].get_buffer("temperature") if own else torch.empty(())
        temperature.fill_(self.temperatures.best)
        trained = {slot: self._arena.write(one.state_dict(), spec_of(one)) for slot, one in own.items()}
        temperature.fill_(1.0)
        state = {**self._way.state(), **under("temperatures", self.temperatures.tensors())}
        return trained, self._arena.write(state, {"kind": "state", "of": str(self.candidate.id)})


class Contestants:
    """Everybody who races for one task: one run of the frozen stages a batch serves them all.

    Args:
        members: In the order of their birth.
        arena: Where they learn.
        each: Does something for every contestant, one after another or side by side.
    """

    def __init__(
        self,
        members: Sequence[Contestant],
        arena: Arena,
        each: Callable[[Callable[[Contestant, Held], Any], Sequence[Contestant], Sequence[Held]], list[Any]],
    ) -> None:
        self.members, self.arena, self._each = members, arena, each

    def see(self, part: Streamed, number: int) -> list[np.ndarray]:
        """Everybody answers a batch, then everybody learns from it.

        Args:
            part: The batch.
            number: Of the batch in the stream.

        Returns:
            For each member which examples it answered rightly, ``(B,)`` bool.
        """
        labels = part.labels
        held = hold([one.route for one in self.members], part, self.arena.shared)
        answers = self._each(Contestant.answer, self.members, held)
        sums: dict[str, Tensor] = {}
        for one, inputs in zip(self.members, held, strict=True):
            sums |= one.sums(inputs)
        try:
            if sums:
                self.arena.pool.add(sums, torch.from_numpy(labels), number)
        except CandidateError as error:  # what all of them read is not finite
            for one in self.members:
                one.failed = error if one.solved else one.failed
        self._each(lambda one, inputs: one.learn(inputs, labels, number), self.members, held)
        return [answer == labels for answer in answers]

    def replay(self, part: Streamed, number: int) -> None:
        """Shows the sums a batch again that they had been shown before they were written."""
        solved = [one for one in self.members if one.solved]
        held = hold([one.route for one in solved], part, self.arena.shared)
        sums: dict[str, Tensor] = {}
        for one, inputs in zip(solved, held, strict=True):
            sums |= one.sums(inputs)
        self.arena.pool.replay(sums, torch.from_numpy(part.labels), number)


def one_by_one(
    do: Callable[[Contestant, Held], Any], members: Sequence[Contestant], held: Sequence[Held]
) -> list[Any]:
    """Does something for each contestant, one after another."""
    return [do(one, inputs) for one, inputs in zip(members, held, strict=True)]
