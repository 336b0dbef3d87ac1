"""NSGA-II (Deb 2002): parents from the fronts of quality, added parameters and multiply-adds."""

from __future__ import annotations

from collections import Counter

import numpy as np

from evo_mtl.evolution.candidate import Candidate, ParentName
from evo_mtl.evolution.offspring import offspring
from evo_mtl.evolution.parents import tournament
from evo_mtl.evolution.pareto import ranked
from evo_mtl.evolution.population import Parent, Population
from evo_mtl.evolution.turn import World


def nsga2(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of children; each one's parent is the better of two drawn from the survivors.

    The best ``parents.alive`` of all evaluations so far survive, by front and then by crowding. Other
    tasks' routes are parents only where nobody survives. Empty where nobody can be a parent.
    """
    survivors = ranked(population.evaluations)[: world.space.parents.alive]
    if not survivors and not world.founders:
        return ()

    def choose(child: int, num_children: Counter[ParentName], rng: np.random.Generator) -> Parent:
        if not survivors:
            return world.founders[rng.integers(len(world.founders))]
        return tournament(survivors, 2, lambda one: (-one.rank, one.crowding), rng).evaluation

    return offspring(world, population, generation, choose)
