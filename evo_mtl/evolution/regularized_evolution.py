"""Regularized evolution (Real 2019): a tournament among the newest, so that a line ends by age, not only by weakness."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from evo_mtl.evolution.candidate import Candidate, ParentName
from evo_mtl.evolution.offspring import offspring
from evo_mtl.evolution.parents import tournament
from evo_mtl.evolution.population import Parent, Population
from evo_mtl.evolution.turn import World


def regularized_evolution(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of children; each one's parent is the best of a few drawn from those that are alive.

    Alive are the newest ``parents.alive`` evaluations with a finite score, admitted or not. Other tasks'
    routes are parents only where nobody is alive. Empty where nobody can be a parent.
    """
    finite = [one for one in population.evaluations if one.ok and math.isfinite(one.score)]
    alive = finite[-world.space.parents.alive :]
    if not alive and not world.founders:
        return ()

    def choose(child: int, num_children: Counter[ParentName], rng: np.random.Generator) -> Parent:
        if not alive:
            return world.founders[rng.integers(len(world.founders))]
        return tournament(alive, world.space.parents.tournament, lambda one: one.score, rng)

    return offspring(world, population, generation, choose)
