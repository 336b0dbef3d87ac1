"""The control: the same space, seed candidates and budget, but every genome an independent draw."""

from __future__ import annotations

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.population import Population
from evo_mtl.evolution.turn import World
from evo_mtl.genome.sampling import random_genome
from evo_mtl.seeding import generator


def random_search(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of independent draws on the root trunk; ``population`` is not looked at."""
    address = ("task", world.task, "generation", generation, "child")
    return tuple(
        Candidate(
            world.task,
            generation,
            child,
            None,
            "draw",
            random_genome(world.space, world.facts, generator(world.seed, *address, child, "birth")),
        )
        for child in range(world.space.budget.children)
    )
