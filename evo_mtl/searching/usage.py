"""Who uses which component: what must be kept, and how many routes share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from evo_mtl.genome.genome import HeadGene
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.run.events import Generation, Offered
from evo_mtl.run.state import ArchiveState


def in_use(state: ArchiveState) -> set[str]:
    """Components of the roots, of routes, every version of lines that are followed, of those that may be chosen instead, and of unfinished turns and races.

    Those of a turn are what its candidates wrote or started from; those of a race what it goes on from.
    """
    turns = [state.turn(name) for name in state.generations]
    used = {*state.root_components, *state.users}.union(*state.lines.values())
    used = used.union(*(state.standings(name).components for name in state.rounds))
    used |= {state.position.detector} if state.position.detector else set()
    return used.union(*state.choosable.values(), *map(written, turns), *map(_inherited, turns))


def written(records: Iterable[Generation | Offered]) -> set[str]:
    """Components that the candidates of some generations or offers wrote, copies of them included."""
    return {
        component
        for record in records
        for one in record.evaluations
        for slots in (one.trained, *one.notes.copies)
        for component in slots.values()
    }


def trained_before(state: ArchiveState, task: str) -> frozenset[str]:
    """Components of a task's former route and kept front that belong to no root: the task may have trained them."""
    if task not in state.routes:
        return frozenset()
    found = state.answer(task).components | state.choosable.get(task, frozenset())
    return found.difference(state.root_components)


def _inherited(generations: Iterable[Generation]) -> set[str]:
    """Components that the candidates of some generations started from; their route may have been replaced since."""
    return {
        component
        for generation in generations
        for one in generation.evaluations
        for component in replace(one.candidate.genome, head=HeadGene()).components
    }


def num_users(state: ArchiveState, without: str = "") -> Counter[str]:
    """How many routes use each component, each root trunk's own route counted as one.

    Those that follow a line share it, by its name: as many as it has versions.
    """
    users: Counter[str] = Counter(state.users)
    users.update(state.root_components)
    users.update({name: len(versions) for name, versions in state.lines.items()})
    if without in state.routes:
        users.subtract(state.answer(without).components)
    return users


def uncounted(space: SearchSpace, facts: TrunkFacts) -> frozenset[str]:
    """The root trunk's components, if a space divides them among the tasks alone."""
    return frozenset(() if space.objective.root_shares else facts.components)
