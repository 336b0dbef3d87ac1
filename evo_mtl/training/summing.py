"""A head that is solved from sums over the stream: its route is frozen, so that they stay right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.training.arena import Arena, State, look, taps_of
from evo_mtl.training.inputs import Held
from evo_mtl.training.open_part import OpenPart


class Summed:
    """A solved head: its sums are exact, and its route is frozen, so that they stay right."""

    def __init__(self, candidate: Candidate, part: OpenPart, arena: Arena, state: State | None) -> None:
        route = part.route
        self._part, self._pool, self.never = part, arena.pool, tuple[int, ...]()
        nodes, widths = taps_of(route, candidate.genome, arena.layout)
        taps = route.nodes[route.nodes[-1].inputs[0]].inputs
        self._places = dict(zip(nodes, taps, strict=True))
        self._solution = arena.pool.join(part.own["head"], candidate.genome, nodes, widths)

    def look(self, held: Held) -> tuple[Tensor, np.ndarray]:
        self._solution.refresh()
        return look(self._part, held)

    def sums(self, held: Held) -> dict[str, Tensor]:
        return {key: held.found[place] for key, place in self._places.items()}

    def learn(self, held: Held, taps: Tensor, labels: np.ndarray, number: int) -> None:
        """Its sums are taken once for all who read them; see :meth:`Contestants.see`."""

    def settled(self, over: bool) -> Mapping[str, nn.Module]:
        if not over:
            return {}
        self._solution.refresh(final=True)
        self.never = self._solution.never
        return self._part.own

    def leave(self) -> None:
        self._pool.leave(self._solution)

    def refresh(self) -> None:
        self._solution.refresh()

    def state(self) -> dict[str, Tensor]:
        return {}
