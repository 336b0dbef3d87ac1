"""How a generation of children is made: what the algorithms share. Each of them says only who becomes a parent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np

from evo_mtl.evolution.candidate import CHILD, JOINED, Candidate, ParentName
from evo_mtl.evolution.path_children import multipath_child
from evo_mtl.evolution.population import Founder, Parent, Population, inherited, name
from evo_mtl.evolution.turn import MAX_REDRAWS, World
from evo_mtl.genome.genome import Genome, Value, essence
from evo_mtl.genome.mutation import mutate, step_data
from evo_mtl.genome.paths import with_values
from evo_mtl.genome.recombination import recombine
from evo_mtl.seeding import generator

Choose = Callable[[int, Counter[ParentName], np.random.Generator], Parent]
"""A parent for a child, from its place in the generation, the children each parent has had, and a generator."""


def offspring(world: World, population: Population, generation: int, choose: Choose) -> tuple[Candidate, ...]:
    """A generation of children, each of one parent or of two joined, and each mutated on its own.

    The data hyperparameters (image size, views) are drawn once, around the task's best, and shared by
    all children. A solved head that was tried before is drawn again, and so is what exceeds a limit of the
    space. With ``multipath`` in the space, some run several routes side by side instead.

    Args:
        world: The task's turn.
        population: What earlier generations gave.
        generation: 1, 2, …
        choose: Called at least once for each child, and only where there is somebody to choose.
    """
    data = _data(world, population, generation)
    num_children = population.num_children()
    tried = {essence(evaluation.candidate.genome) for evaluation in population.evaluations}
    children = []
    for child in range(world.space.budget.children):
        joined = multipath_child(world, population, generation, child, num_children, data)
        if joined is not None:
            num_children.update(id for id in (joined.parent, joined.mate) if id is not None)
            children.append(joined)
            continue
        rng = generator(world.seed, *_address(world, generation), "child", child, "birth")
        share = world.space.mutation.recombination
        joins = share > 0 and bool(rng.random() < share)
        for _ in range(MAX_REDRAWS):
            parents, genome = _born(world, num_children, partial(choose, child), joins, rng)
            genome = mutate(with_values(genome, data), world.space, world.facts, rng)
            if world.legal(genome) and (genome.head.trained or essence(genome) not in tried):
                break
        tried.add(essence(genome))
        names = [name(parent) for parent in parents]
        num_children.update(names)
        mate = names[1] if len(names) == 2 else None
        origin = JOINED if mate else CHILD
        children.append(Candidate(world.task, generation, child, names[0], origin, genome, mate))
    return tuple(children)


def _born(
    world: World,
    num_children: Counter[ParentName],
    choose: Callable[[Counter[ParentName], np.random.Generator], Parent],
    joins: bool,
    rng: np.random.Generator,
) -> tuple[tuple[Parent, ...], Genome]:
    """One parent and its genome, or two and the genome that joins them, the parent of the lower stages first.

    Where no two of those drawn can be joined, the child has one parent after all. One of one parent may go back to where
    that began (``mutation: restart``).
    """
    parent = choose(num_children, rng)
    if joins:
        passed_over = Counter({**num_children, name(parent): 1000})  # so that the walk ends at another parent
        for _ in range(MAX_REDRAWS):
            mate = choose(passed_over, rng)
            below, above = (parent, mate) if rng.random() < 0.5 else (mate, parent)
            if name(mate) == name(parent) or (isinstance(mate, Founder) and isinstance(parent, Founder)):
                continue
            joined = recombine(inherited(below), inherited(above), world.space, world.facts, rng)
            if joined is not None:
                return (below, above), joined
    restart = world.space.mutation.restart
    return (parent,), inherited(parent, restart > 0 and bool(rng.random() < restart))


def _data(world: World, population: Population, generation: int) -> dict[str, Value]:
    best = population.best
    if best is None:
        return {}
    rng = generator(world.seed, *_address(world, generation), "data")
    for _ in range(MAX_REDRAWS):
        data = step_data(best.candidate.genome, world.space, rng)
        if world.legal(best.candidate.genome.with_values(data)):
            break
    return data


def _address(world: World, generation: int) -> tuple[str | int, ...]:
    return (*world.address, "generation", generation)
