"""Genomes that have no parent: the seed candidates of a space, and independent random draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evo_mtl.genome.genome import Genome, HeadGene, StageGene, TapGene
from evo_mtl.genome.mutation import clone_final_norm, insert_adapters, legal_taps, with_own_from
from evo_mtl.genome.rates import evenly
from evo_mtl.genome.sections import SeedCandidate
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts


def seed_genome(seed: SeedCandidate, space: SearchSpace, facts: TrunkFacts) -> Genome:
    """A seed candidate's genome on the root trunk.

    Taps ``"groups"`` read every group end but the stem and the first group with the seed's grids and the end of a
    whole trunk with grid 1, which is *depth ridge* when the head is a ridge.
    """
    depth = min(seed.depth or facts.num_stages, facts.num_stages)
    open_from = depth if seed.open_from is None else min(seed.open_from, depth)
    genome = Genome(
        root=facts.root,
        boundary=open_from,
        stages=tuple(
            StageGene(component, open=i >= open_from) for i, component in enumerate(facts.components[:depth])
        ),
        adapters=(),
        taps=_seed_taps(seed, facts, depth),
        head=HeadGene(seed.head),
        hyperparameters=tuple(sorted({**space.defaults(), **seed.values}.items())),
    )
    return genome if seed.own_from is None else with_own_from(genome, seed.own_from, facts)


def on_line(genome: Genome, line: Genome) -> Genome:
    """A seed's genome on another task's line of stages instead of the root trunk's.

    Stages that the line has start from the line's components, and its adapters below the seed's boundary
    come along, frozen; what the seed opens stays open, and what follows stays on the line that it follows.
    """
    shared = min(genome.depth, line.depth)
    stages = tuple(
        replace(gene, component=line.stages[i].component) if i < shared and not gene.follows else gene
        for i, gene in enumerate(genome.stages)
    )
    adapters = tuple(replace(gene, open=False) for gene in line.adapters if gene.stage < genome.boundary - 1)
    return replace(genome, stages=stages, adapters=adapters)


def _seed_taps(seed: SeedCandidate, facts: TrunkFacts, depth: int) -> tuple[TapGene, ...]:
    last = depth - 1
    if seed.taps == "last":
        return tuple(sorted({TapGene(last, grid) for grid in seed.grids}))
    inner = [i for i in facts.group_ends[2:] if i < depth and i != facts.num_stages - 1]
    taps = {TapGene(i, grid) for i in inner for grid in seed.grids}
    if last not in inner:
        taps.add(TapGene(last, 1))
    return tuple(sorted(taps))


def random_genome(space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator) -> Genome:
    """An independent draw from the space: every gene is drawn evenly from its legal values."""
    values = space.defaults()
    for name in sorted(space.hyperparameters):
        listed = space.hyperparameters[name].values
        values[name] = listed[rng.integers(len(listed))]
    depths = space.stages.depths or (facts.num_stages,)
    depth = int(depths[rng.integers(len(depths))])
    boundaries = [b for b in space.stages.boundaries if b <= depth] or [depth]
    boundary = int(boundaries[rng.integers(len(boundaries))])
    legal = legal_taps(space, facts, depth)
    taps = {tap for tap in legal if rng.random() < 0.5}
    if not any(tap.stage == depth - 1 for tap in taps):
        last = [tap for tap in legal if tap.stage == depth - 1]
        taps.add(last[rng.integers(len(last))])
    genome = Genome(
        root=facts.root,
        boundary=boundary,
        stages=tuple(StageGene(component) for component in facts.components[:depth]),
        adapters=(),
        taps=tuple(sorted(taps)),
        head=HeadGene(space.heads[rng.integers(len(space.heads))]),
        hyperparameters=tuple(sorted(values.items())),
    )
    if not genome.head.trained:
        return replace(genome, boundary=depth)
    share = rng.random() if space.stages.clone else 1.0  # without clones the boundary opens all above it
    genome = replace(
        genome,
        stages=tuple(
            replace(gene, open=i >= boundary and bool(rng.random() < share))
            for i, gene in enumerate(genome.stages)
        ),
    )
    if space.adapters.insert:
        genome = insert_adapters(genome, space, facts, evenly(rng.random(), rng), rng)
    if space.stages.final_norm == "forced":
        genome = clone_final_norm(genome, facts)
    if space.stages.own_from:
        places = space.stages.own_from
        genome = with_own_from(genome, int(places[rng.integers(len(places))]), facts)
    return genome
