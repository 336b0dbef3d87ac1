"""Routes of other tasks as parents, read only when a child is made from them."""

from __future__ import annotations

from functools import cached_property

from evo_mtl.evolution.population import Founder
from evo_mtl.genome.genome import Genome, as_founder
from evo_mtl.run.events import Answer, Told
from evo_mtl.run.state import ArchiveState, Stored


class ArchivedFounder(Founder):
    """A founder whose genome stays in the journal until it is asked for.

    Args:
        task: Its task.
        stored: Its route.
    """

    stored: Stored[Told]

    def __init__(self, task: str, stored: Stored[Told]) -> None:
        object.__setattr__(self, "task", task)  # a founder is frozen
        object.__setattr__(self, "stored", stored)

    @cached_property
    def genome(self) -> Genome:  # type: ignore[override]
        """Shared and frozen, without its head."""
        answer: Answer = self.stored.read().answer
        return as_founder(answer.way.genome)


class Founders:
    """The founders of one turn after another; those that were made are made once."""

    def __init__(self) -> None:
        self._made: dict[str, ArchivedFounder] = {}

    def without(self, task: str, state: ArchiveState) -> tuple[Founder, ...]:
        """Routes of the other tasks on its root that are not private, in order of first arrival."""
        found, root = [], state.tasks[task].brief.root
        for name, stored in state.routes.items():
            here = state.answered[name].brief.root == root
            if name != task and here and not state.tasks[name].brief.private:
                made = self._made.get(name)
                if made is None or made.stored is not stored:
                    made = self._made[name] = ArchivedFounder(name, stored)
                found.append(made)
        return tuple(found)
