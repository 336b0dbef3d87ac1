"""Whether a genome lies inside a search space: what an operator or an algorithm must keep to."""

from __future__ import annotations

from evo_mtl.genome.genome import Genome, illegality
from evo_mtl.genome.kinds import listed_kinds
from evo_mtl.genome.mutation import legal_taps
from evo_mtl.genome.rates import LEARNED
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts


def outside(genome: Genome, space: SearchSpace, facts: TrunkFacts) -> str | None:
    """Why a genome is illegal or lies outside a space, in words; ``None`` for one inside.

    What a seed candidate of the space has is inside as well, whether the space lists it or not.
    """
    seeds = [seed_genome(seed, space, facts) for seed in space.seeds]
    if wrong := illegality(genome):
        return wrong
    if genome.depth not in {*(space.stages.depths or (facts.num_stages,)), *(seed.depth for seed in seeds)}:
        return f"{genome.depth} stages, which the space does not list"
    kinds = {*space.heads, *(seed.head.kind for seed in seeds)}
    if {genome.head.of_main, genome.head.kind} & {genome.head.of_main, *listed_kinds("head")} - kinds:
        return f"a head of the kind {genome.head.kind!r}, which the space does not list"
    if len(genome.paths) + 1 > (space.mutation.paths if space.mutation.multipath else 1):
        return f"{len(genome.paths) + 1} paths"
    legal = {*legal_taps(space, facts, genome.depth), *(tap for seed in seeds for tap in seed.taps)}
    for tap in genome.taps:
        if tap not in legal and tap.stage != genome.depth - 1:
            return f"a tap on stage {tap.stage} pooled to {tap.grid}, which the space does not allow"
    behind = facts.group_ends if space.adapters.stages == "groups" else range(facts.num_stages)
    for gene in genome.adapters:
        if gene.stage not in behind or not space.adapters.insert:
            return f"an adapter behind stage {gene.stage}, where the space allows none"
        if gene.kind not in space.adapters.kinds:
            return f"a {gene.kind} behind stage {gene.stage}, which the space does not list"
    return _values_outside(genome, space, seeds)


def _values_outside(genome: Genome, space: SearchSpace, seeds: list[Genome]) -> str | None:
    held = dict(genome.hyperparameters)
    if held.keys() != space.defaults().keys():
        return f"other hyperparameters than the space's: {sorted(held.keys() ^ space.defaults().keys())}"
    for name, value in held.items():
        listed = space.hyperparameters[name].values if name in space.hyperparameters else ()
        if value not in {*listed, space.default(name), *(seed[name] for seed in seeds)}:
            return f"{name} is {value!r}, which the space does not list"
    for name, rate in genome.rates:
        if rate not in LEARNED.values:
            return f"{name} happens with probability {rate}, which is none that is learned"
    return None
