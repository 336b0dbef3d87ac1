"""Children that run other finished routes beside one of the task's own (mu4Net)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from evo_mtl.evolution.candidate import MULTIPATH, Candidate, Evaluation, ParentName
from evo_mtl.evolution.parents import decay_walk
from evo_mtl.evolution.population import Parent, Population, inherited, name
from evo_mtl.evolution.turn import World
from evo_mtl.genome.genome import Genome, Value, path_of
from evo_mtl.genome.mutation import mutate
from evo_mtl.genome.paths import with_paths, with_values
from evo_mtl.seeding import generator


def multipath_child(
    world: World,
    population: Population,
    generation: int,
    child: int,
    num_children: Counter[ParentName],
    data: Mapping[str, Value],
) -> Candidate | None:
    """A child of several paths, with the space's probability for one; ``None`` in all other cases.

    One that exceeds a limit of the space is not made.
    Its main path is a member of the population, found by the decay-by-use walk or, where that takes none, drawn
    evenly. Further paths are other tasks' routes (first those on which looks saw most), then other members,
    best first; each is taken with probability one half. The most there may be is drawn evenly.

    Args:
        world: The task's turn.
        population: What earlier generations gave.
        generation: 1, 2, …
        child: Its place in the generation.
        num_children: Children each parent has had for this task.
        data: Data hyperparameters of the generation; it keeps the image size of its main path.

    References:
        Gesmundo 2023, Multipath agents for modular multitask ML systems (mu4Net).
    """
    rng = generator(world.seed, *world.address, "generation", generation, "child", child, "multipath")
    rules = world.space.mutation
    finished = [one for one in population.members if _can_be_main(inherited(one))]
    if not finished or rng.random() >= rules.multipath:
        return None
    parent = decay_walk(finished, name, num_children, rng) or finished[rng.integers(len(finished))]
    most = int(rng.integers(2, rules.paths + 1))
    others = _in_order(world, [one for one in population.members if one is not parent], rng)
    paths = (path for one in others if (path := path_of(inherited(one))) is not None)
    genome = with_paths(inherited(parent), paths, most)
    if genome is None or not world.legal(genome):
        return None
    mate = next(name(one) for one in others if path_of(inherited(one)) == genome.paths[0])
    genome = mutate(with_values(genome, data), world.space, world.facts, rng)
    return Candidate(world.task, generation, child, name(parent), MULTIPATH, genome, mate)


def _can_be_main(genome: Genome) -> bool:
    return not genome.paths and genome.head.component is not None and path_of(genome) is not None


def _in_order(world: World, members: Sequence[Evaluation], rng: np.random.Generator) -> list[Parent]:
    """Whose lines are preferred; no route is read to find out."""
    ranked = world.looks.ranked(world.founders)
    first = {founder.id for founder in ranked}
    shuffled = [world.founders[i] for i in rng.permutation(len(world.founders))]
    everyone: list[Parent] = [*ranked, *(one for one in shuffled if one.id not in first), *members]
    taken = rng.random(len(everyone)) < 0.5
    return [
        one for wanted in (True, False) for one, took in zip(everyone, taken, strict=True) if took == wanted
    ]
