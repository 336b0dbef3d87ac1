"""Who uses which component: what must be kept, and among how many routes it is shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from evo_mtl.archive.state import ArchiveState, components_of
from evo_mtl.genome.space import SearchSpace, TrunkFacts


def in_use(state: ArchiveState) -> set[str]:
    """Components of the roots, of routes, of those that may be chosen instead, and of unfinished turns.

    Of a turn: what its candidates wrote or started from.
    """
    used = {*state.root_components, *state.users}
    turns = state.generations.values()
    return used.union(*state.choosable.values(), *map(written, turns), *map(_inherited, turns))


def written(generations: Iterable[Mapping[str, Any]]) -> set[str]:
    """Components that the candidates of some generations wrote, copies of them included."""
    return {
        component
        for generation in generations
        for evaluation in generation["evaluations"]
        for slots in (evaluation["trained"], *evaluation["notes"]["copies"])
        for component in slots.values()
    }


def trained_before(state: ArchiveState, task: str) -> frozenset[str]:
    """Components of a task's former route and kept front that are no root's: the task may have trained them."""
    if task not in state.routes:
        return frozenset()
    found = components_of(state.routes[task]) | state.choosable.get(task, frozenset())
    return found - state.root_components


def _inherited(generations: Iterable[Mapping[str, Any]]) -> set[str]:
    """Components that the candidates of some generations started from; their route may have been replaced since."""
    genomes = [
        evaluation["candidate"]["genome"]
        for generation in generations
        for evaluation in generation["evaluations"]
    ]
    paths = [path for genome in genomes for path in genome.get("paths", ())]
    stages = {gene["component"] for genome in genomes for gene in genome["stages"]}
    adapters = {gene["component"] for line in (*genomes, *paths) for gene in line["adapters"]}
    return {*stages, *(component for path in paths for component in path["stages"]), *adapters} - {None}


def num_users(state: ArchiveState, without: str = "") -> Counter[str]:
    """How many routes use each component, each root trunk's own route counted as one."""
    users: Counter[str] = Counter(state.users)
    users.update(state.root_components)
    if without in state.routes:
        users.subtract(components_of(state.routes[without]))
    return users


def uncounted(space: SearchSpace, facts: TrunkFacts) -> frozenset[str]:
    """The root trunk's components, where a space divides them among the tasks alone."""
    return frozenset(() if space.objective.root_shares else facts.components)
