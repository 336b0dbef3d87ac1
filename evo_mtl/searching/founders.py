"""Routes of other tasks as parents, read only when a child is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from evo_mtl.archive.state import ArchiveState
from evo_mtl.evolution.population import Founder
from evo_mtl.genome.genome import Genome, as_founder, genome_from_json


class ArchivedFounder(Founder):
    """A founder whose genome stays in the journal until it is asked for.

    Args:
        task: Its task.
        event: The payload of its route event.
    """

    event: Mapping[str, Any]

    def __init__(self, task: str, event: Mapping[str, Any]) -> None:
        object.__setattr__(self, "task", task)  # a founder is frozen
        object.__setattr__(self, "event", event)

    @cached_property
    def genome(self) -> Genome:  # type: ignore[override]
        """Shared and frozen, without its head."""
        return as_founder(genome_from_json(self.event["genome"]))


class Founders:
    """The founders of one turn after another; those that were made are made once."""

    def __init__(self) -> None:
        self._made: dict[str, ArchivedFounder] = {}

    def without(self, task: str, state: ArchiveState) -> tuple[Founder, ...]:
        """Routes of the other tasks on its root that are not private, in order of first arrival."""
        found, root = [], state.tasks[task]["root"]
        for name, event in state.routes.items():
            here = state.answered[name]["root"] == root
            if name != task and here and not state.tasks[name]["private"]:
                made = self._made.get(name)
                if made is None or made.event is not event:
                    made = self._made[name] = ArchivedFounder(name, event)
                found.append(made)
        return tuple(found)
