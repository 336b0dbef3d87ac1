"""The control: the same space, seed candidates and budget, but every genome an independent draw."""

from __future__ import annotations

from evo_mtl.evolution.candidate import DRAW, Candidate
from evo_mtl.evolution.population import Population
from evo_mtl.evolution.turn import MAX_REDRAWS, World
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.sampling import random_genome
from evo_mtl.seeding import generator


def random_search(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of independent draws on the root trunk; ``population`` is ignored."""
    return tuple(
        Candidate(world.task, generation, child, None, DRAW, _draw(world, generation, child))
        for child in range(world.space.budget.children)
    )


def _draw(world: World, generation: int, child: int) -> Genome:
    """A genome of the space; one that exceeds a limit is drawn again."""
    rng = generator(world.seed, *world.address, "generation", generation, "child", child, "birth")
    for _ in range(MAX_REDRAWS):
        genome = random_genome(world.space, world.facts, rng)
        if world.legal(genome):
            break
    return genome
