"""mu2Net and mu2Net+ (Gesmundo 2022): mutated children of this task's best and of other tasks' routes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from evo_mtl.evolution.candidate import Candidate, ParentName
from evo_mtl.evolution.offspring import offspring
from evo_mtl.evolution.parents import walk_or_any
from evo_mtl.evolution.population import Parent, Population, name
from evo_mtl.evolution.turn import World
from evo_mtl.seeding import generator


def mu2net(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of children, as published.

    A parent is looked for in the task's own population (by :func:`decay_walk`), then among the other tasks' routes in
    one shuffled order, which each child of the turn enters one place further on than the child before it; where
    both walks take none, it is drawn evenly from both. Empty where nobody can be a parent.
    """
    members, founders = population.members, world.founders
    if not members and not founders:  # every seed candidate failed
        return ()
    order = generator(world.seed, *world.address, "founders").permutation(len(founders))
    before = (generation - 1) * world.space.budget.children

    def choose(child: int, num_children: Counter[ParentName], rng: np.random.Generator) -> Parent:
        rotated = np.roll(order, -(before + child))
        offered = [founders[place] for place in rotated]
        return walk_or_any(members, offered, founders, name, num_children, rng)

    return offspring(world, population, generation, choose)


def mu2net_plus(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of children, as mu2Net+ makes them, or with other tasks' routes in a predicted order.

    A parent is looked for in the task's own population (by :func:`decay_walk`); where none is taken there, it is drawn
    evenly from the population and all other tasks' routes (mu2Net+). With ``parents: {order: predicted}`` in the
    space, the routes on which looks saw most are walked in between; with a ``margin`` there, members far below the best
    are left out. Empty where nobody can be a parent.
    """
    rules, founders = world.space.parents, world.founders
    members = population.near_best(rules.margin)
    if not members and not founders:
        return ()
    predicted = rules.order == "predicted"
    offered: Sequence[Parent] = world.looks.ranked(founders) if predicted else ()

    def choose(child: int, num_children: Counter[ParentName], rng: np.random.Generator) -> Parent:
        return walk_or_any(members, offered, founders, name, num_children, rng)

    return offspring(world, population, generation, choose)
