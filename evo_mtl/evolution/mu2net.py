"""The mu2Net loop (Gesmundo 2022): mutated children of this task's best and of other tasks' routes."""

from __future__ import annotations

from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.parents import choose_parent
from evo_mtl.evolution.population import Founder, Population, settled
from evo_mtl.evolution.turn import MAX_REDRAWS, World
from evo_mtl.genome.genome import Genome, essence
from evo_mtl.genome.mutation import mutate, step_data
from evo_mtl.seeding import generator

Parent = Evaluation | Founder


def mu2net(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of children.

    Other tasks' routes are offered in the order in which cheap looks rank them, those that were not
    looked at behind them in shuffled order.

    The data hyperparameters (image size, views) are drawn once, around the task's best, and shared by
    all children; each child then has its own parent and its own mutations. A solved head that was
    tried before is drawn again, and so is what exceeds a limit of the space. Empty where nobody can be a parent.
    """
    address = (*world.address, "generation", generation)
    best = population.best
    data = {}
    if best is not None:
        rng = generator(world.seed, *address, "data")
        for _ in range(MAX_REDRAWS):
            data = step_data(best.candidate.genome, world.space, rng)
            if world.legal(best.candidate.genome.with_values(data)):
                break
    num_children = population.num_children()
    tried = {essence(e.candidate.genome) for e in population.evaluations}
    members: tuple[Parent, ...] = population.members
    founders: tuple[Parent, ...] = world.founders
    ranked: list[Parent] = list(world.looks.ranked(world.founders))
    if not members and not founders:  # every seed candidate failed
        return ()
    children = []
    for child in range(world.space.budget.children):
        rng = generator(world.seed, *address, "child", child, "birth")
        for _ in range(MAX_REDRAWS):
            parent = choose_parent(members, founders, _name, num_children, rng, ranked)
            genome = mutate(_genome(parent).with_values(data), world.space, world.facts, rng)
            if world.legal(genome) and (genome.head.trained or essence(genome) not in tried):
                break
        tried.add(essence(genome))
        num_children[_name(parent)] += 1
        children.append(Candidate(world.task, generation, child, _name(parent), "child", genome))
    return tuple(children)


def _name(parent: Parent) -> str:
    return parent.id if isinstance(parent, Founder) else parent.candidate.id


def _genome(parent: Parent) -> Genome:
    return parent.genome if isinstance(parent, Founder) else settled(parent)
