"""Mutations: small functions from a genome to a genome; the parent is not changed.

Randomness is an argument. Whether a mutation happens is decided by its name (``genome/rates.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from evo_mtl.genome.genome import AdapterGene, Genome, HeadGene, StageGene, TapGene, Value
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.genome.kinds import Values, facts_of
from evo_mtl.genome.paths import drop_path, held
from evo_mtl.genome.rates import MU, Decide, Learned, evenly, step
from evo_mtl.genome.sections import OrderedList
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts


def step_mu(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """``mu`` itself steps with probability ``mu``; later decisions use the new value."""
    if MU in space.hyperparameters and rng.random() < genome[MU]:
        genome = genome.with_values({MU: step(space.hyperparameters[MU], genome[MU], rng)})
    return genome


def step_hyperparameters(
    genome: Genome, space: SearchSpace, names: Iterable[str], decide: Decide, rng: np.random.Generator
) -> Genome:
    """Steps each named hyperparameter that the space lists if that is decided, in order of their names."""
    for name in sorted(set(names) & set(space.hyperparameters)):
        if decide(f"step:{name}"):
            genome = genome.with_values({name: step(space.hyperparameters[name], genome[name], rng)})
    return genome


def step_data(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> dict[str, Value]:
    """The data hyperparameters of a generation: one draw around ``genome`` with the default ``mu``."""
    decide = evenly(float(space.default(MU)), rng)
    stepped = step_hyperparameters(genome, space, DATA_HYPERPARAMETERS, decide, rng)
    held = dict(stepped.hyperparameters)
    return {name: held[name] for name in DATA_HYPERPARAMETERS if name in held}


def swap_head(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """Another kind of head, drawn evenly from the space's kinds."""
    others = [kind for kind in space.heads if kind != genome.head.kind]
    if not others:
        return genome
    return replace(genome, head=HeadGene(others[rng.integers(len(others))]))


def with_depth(genome: Genome, depth: int, space: SearchSpace, facts: TrunkFacts) -> Genome:
    """The route cut to, or grown to, ``depth`` stages; grown stages are the root's, shared.

    A tap on the old end is dropped if the space allows it only at ends.
    """
    if depth == genome.depth:
        return genome
    stages = genome.stages[:depth] + tuple(StageGene(facts.components[i]) for i in range(genome.depth, depth))
    legal, end = legal_taps(space, facts, depth), genome.depth - 1
    taps = {tap for tap in genome.taps if tap.stage < depth and (tap.stage != end or tap in legal)}
    if not any(tap.stage == depth - 1 for tap in taps):
        taps.add(TapGene(depth - 1))
    return replace(
        genome,
        boundary=min(genome.boundary, depth),
        stages=stages,
        adapters=tuple(gene for gene in genome.adapters if gene.stage < depth),
        taps=tuple(sorted(taps)),
        head=HeadGene(genome.head.kind),
    )


def step_depth(genome: Genome, space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator) -> Genome:
    """One step in the space's list of depths."""
    depths = space.stages.depths or (facts.num_stages,)
    listed = OrderedList(values=depths, default=depths[0])
    return with_depth(genome, int(step(listed, genome.depth, rng)), space, facts)


def with_boundary(genome: Genome, boundary: int, space: SearchSpace, facts: TrunkFacts) -> Genome:
    """The boundary moved: stages it covers are shared again (the root's), stages it uncovers are opened.

    Where a space lets single stages be cloned, uncovered ones stay shared until they are cloned.
    """
    boundary = min(boundary, genome.depth)
    stages = []
    for i, gene in enumerate(genome.stages):
        if i < boundary and gene.open:
            gene = StageGene(facts.components[i])
        elif boundary <= i < genome.boundary:
            gene = replace(gene, open=gene.open or not space.stages.clone)
        stages.append(gene)
    adapters = tuple(gene for gene in genome.adapters if gene.stage >= boundary - 1 or not gene.open)
    return replace(genome, boundary=boundary, stages=tuple(stages), adapters=adapters)


def move_boundary(genome: Genome, space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator) -> Genome:
    """One step in the space's list of boundaries."""
    if not space.stages.boundaries:
        return genome
    listed = OrderedList(values=space.stages.boundaries, default=space.stages.boundaries[0])
    return with_boundary(genome, int(step(listed, genome.boundary, rng)), space, facts)


def lower_boundary(genome: Genome, space: SearchSpace) -> Genome:
    """The boundary moved to the nearest legal one below, with nothing opened: from there single stages are cloned."""
    below = [place for place in space.stages.boundaries if place <= genome.boundary]
    return replace(genome, boundary=max(below, default=genome.boundary))


def with_own_from(genome: Genome, own_from: int, facts: TrunkFacts) -> Genome:
    """The task's own part begins at a stage: what is open below it follows, and nothing else does.

    A stage that follows from now on starts from the newest version of its line; one that ceases to goes on as a copy
    from the version that it has.
    """
    stages = []
    for i, gene in enumerate(genome.stages):
        follows = gene.open and i < own_from
        if follows and not gene.follows:
            gene = replace(gene, component=facts.newest[i])
        stages.append(replace(gene, follows=follows))
    return replace(genome, stages=tuple(stages))


def move_own_from(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> int:
    """One step in the space's list of places where the own part may begin."""
    listed = OrderedList(values=space.stages.own_from, default=space.stages.own_from[0])
    return int(step(listed, genome.own_from, rng))


def clone_stages(genome: Genome, decide: Decide) -> Genome:
    """Each frozen stage from the boundary on becomes an own, trainable copy if that is decided."""
    stages = list(genome.stages)
    for i in range(genome.boundary, genome.depth):
        if not stages[i].open and decide(f"clone:{i}"):
            stages[i] = replace(stages[i], open=True)
    return replace(genome, stages=tuple(stages))


def clone_final_norm(genome: Genome, facts: TrunkFacts) -> Genome:
    """The stage with the last norm is opened whatever the boundary says (Gesmundo 2022)."""
    place = min(facts.final_norm, genome.depth - 1)
    stages = list(genome.stages)
    stages[place] = replace(stages[place], open=True)
    return replace(genome, stages=tuple(stages), boundary=min(genome.boundary, place))


def new_adapter(kind: str, stage: int, values: Values) -> AdapterGene:
    """An adapter of a kind that starts anew, its settings those of some hyperparameters."""
    return AdapterGene(stage, kind, facts_of(kind, "adapter").settings_of(values))


def insert_adapters(
    genome: Genome, space: SearchSpace, facts: TrunkFacts, decide: Decide, rng: np.random.Generator
) -> Genome:
    """A new adapter, where it is so decided, behind each allowed stage that has none; its kind is drawn evenly."""
    allowed = facts.group_ends if space.adapters.stages == "groups" else range(facts.num_stages)
    taken = {gene.stage for gene in genome.adapters}
    kinds = space.adapters.kinds
    new = [
        new_adapter(kinds[0] if len(kinds) == 1 else kinds[rng.integers(len(kinds))], i, genome)
        for i in allowed
        if max(genome.boundary - 1, 0) <= i < genome.depth and i not in taken and decide(f"insert:{i}")
    ]
    return replace(genome, adapters=tuple(sorted((*genome.adapters, *new), key=lambda gene: gene.stage)))


def legal_taps(space: SearchSpace, facts: TrunkFacts, depth: int) -> tuple[TapGene, ...]:
    """Every tap a route of that depth may have, the one on its last stage included."""
    rule = space.taps.stages
    places = {depth - 1}
    if rule == "groups":
        places |= {i for i in facts.group_ends if i < depth}
    elif rule == "all":
        places |= set(range(depth))
    return tuple(TapGene(i, grid) for i in sorted(places) for grid in space.taps.grids)


def toggle_tap(genome: Genome, space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator) -> Genome:
    """One legal tap more or less; the last stage is always read, and with other taps the head is new."""
    legal = legal_taps(space, facts, genome.depth)
    tap = legal[rng.integers(len(legal))]
    taps = set(genome.taps) ^ {tap}
    if not any(kept.stage == genome.depth - 1 for kept in taps):
        return genome
    return replace(genome, taps=tuple(sorted(taps)), head=HeadGene(genome.head.kind))


def mutate(genome: Genome, space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator) -> Genome:
    """A child: hyperparameters first, then head, taps, depth, boundary, adapters and copies of stages.

    A route of several paths has its settings stepped or loses a path; all but its head stays frozen.
    Stages and adapters are opened only under a trained head: an untrained copy would have a cost and
    no effect.

    Args:
        genome: The parent's, seen from the task (own parts open); not changed.
        space: What is legal and how likely.
        facts: The root trunk.
        rng: Source of every decision.
    """
    names = set(space.hyperparameters) - {MU, *DATA_HYPERPARAMETERS, *held(genome)}
    if space.mutation.rates == "learned":
        learned = Learned(genome, rng)
        child = step_hyperparameters(genome, space, names, learned, rng)
        return replace(_mutate_parts(child, space, facts, learned, rng), rates=learned.stored)
    child = step_mu(genome, space, rng)
    decide = evenly(float(child[MU]), rng)
    child = step_hyperparameters(child, space, names, decide, rng)
    return _mutate_parts(child, space, facts, decide, rng)


def _mutate_parts(
    child: Genome, space: SearchSpace, facts: TrunkFacts, decide: Decide, rng: np.random.Generator
) -> Genome:
    if child.paths:
        return drop_path(child) if decide("path") else child
    if decide("head"):
        child = swap_head(child, space, rng)
    if decide("taps"):
        child = toggle_tap(child, space, facts, rng)
    if decide("depth"):
        child = step_depth(child, space, facts, rng)
    if not child.head.trained:
        return replace(child, head=HeadGene(child.head.kind))  # solved anew, never inherited
    own_from = child.own_from
    if space.stages.own_from and decide("own_from"):
        own_from = move_own_from(child, space, rng)
    if decide("boundary"):
        child = move_boundary(child, space, facts, rng)
    if space.adapters.insert:
        child = insert_adapters(child, space, facts, decide, rng)
    if space.stages.clone:
        child = clone_stages(lower_boundary(child, space), decide)
    if space.stages.final_norm == "forced":
        child = clone_final_norm(child, facts)
    return with_own_from(child, own_from, facts) if space.stages.own_from else child
