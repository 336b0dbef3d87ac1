"""What holds for every genome of every space: hypothesis draws the spaces, the trunks and the seeds."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo_mtl.files import digest
from evo_mtl.genome.genome import (
    Genome,
    as_founder,
    essence,
    illegality,
    lines,
    locked,
    settle,
)
from evo_mtl.genome.kinds import listed_kinds
from evo_mtl.genome.mutation import mutate, step_data
from evo_mtl.genome.paths import drop_path, with_paths
from evo_mtl.genome.recombination import recombine
from evo_mtl.genome.sampling import on_line, random_genome, seed_genome
from evo_mtl.genome.space import SearchSpace, check_against_trunk
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.plain import plain, restore
from evo_mtl.testing.contracts.spaces import outside
from evo_mtl.testing.genomes import a_space

SEEDS = st.integers(0, 2**32 - 1)
often = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)


def subsets(values: list[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=4, unique=True)


@st.composite
def trunks(draw: st.DrawFn) -> TrunkFacts:
    """A trunk of one to nine stages in groups of any size."""
    num_stages = draw(st.integers(1, 9))
    ends = {num_stages - 1, *draw(subsets(list(range(num_stages))))}
    return TrunkFacts(
        root=digest(b"root"),
        components=tuple(digest(f"stage {i}".encode()) for i in range(num_stages)),
        newest=tuple(digest(f"version of {i}".encode()) for i in range(num_stages)),
        group_ends=tuple(sorted(ends)),
        final_norm=num_stages - 1,
        parameters=tuple(10 * (i + 1) for i in range(num_stages)),
        channels=tuple(4 * (i + 1) for i in range(num_stages)),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[SearchSpace, TrunkFacts]:
    """A space and a trunk that has what it asks for."""
    facts = draw(trunks())
    places = list(range(facts.num_stages + 1))
    own_from = draw(subsets(places))
    heads = draw(subsets(list(listed_kinds("head")), 1))
    seeds = [
        {
            "name": f"seed {i}",
            "depth": draw(st.sampled_from([None, *places[1:]])),
            "open_from": draw(st.sampled_from([None, *places])),
            "own_from": draw(st.sampled_from([None, *own_from])),
            "taps": draw(st.sampled_from(["last", "groups"])),
            "grids": draw(subsets([1, 2, 3], 1)),
            "head": draw(st.sampled_from(heads)),
        }
        for i in range(draw(st.integers(1, 2)))
    ]
    for seed in seeds:
        if seed["head"] != "linear":  # nothing is open under a head that is solved
            seed["open_from"] = seed["own_from"] = None
    space = a_space(
        stages={
            "boundaries": draw(subsets(places)),
            "depths": draw(subsets(places[1:])),
            "own_from": own_from,
            "clone": draw(st.booleans()),
            "final_norm": draw(st.sampled_from(["free", "forced"])),
        },
        taps={
            "stages": draw(st.sampled_from(["last", "groups", "all"])),
            "grids": draw(subsets([1, 2, 3], 1)),
        },
        adapters={"insert": draw(st.booleans()), "stages": draw(st.sampled_from(["groups", "all"]))},
        heads=heads,
        mutation={"rates": draw(st.sampled_from(["shared", "learned"])), "multipath": 0.5, "paths": 3},
        seeds=seeds,
    )
    check_against_trunk(space, facts, None)
    return space, facts


def grown(space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator, task: str) -> Genome:
    """A finished candidate: a draw or a seed, mutated up to five times and trained each time."""
    seed = space.seeds[rng.integers(len(space.seeds))]
    genome = random_genome(space, facts, rng) if rng.random() < 0.5 else seed_genome(seed, space, facts)
    for step in range(rng.integers(1, 6)):
        genome = trained(mutate(genome, space, facts, rng), f"{task} {step}")
    return genome


def trained(genome: Genome, task: str) -> Genome:
    """As a trial leaves it: a component of its own for the head, and under a trained one for all that is open."""
    slots = [f"stage:{i}" for i, gene in enumerate(genome.stages) if gene.open]
    slots += [f"adapter:{gene.stage}" for gene in genome.adapters if gene.open]
    written = ["head", *(slots if genome.head.trained else ())]
    return settle(genome, {slot: digest(f"{task} {slot}".encode()) for slot in written})


def again(act: Callable[[np.random.Generator], Any], seed: int) -> Any:
    """What an act gives from a seed, which must be the same a second time."""
    first, second = (act(np.random.default_rng(seed)) for _ in range(2))
    assert first == second
    return first


def open_genes(genome: Genome) -> list[Any]:
    return [gene for gene in (*genome.stages, *genome.adapters) if gene.open]


@often
@given(worlds(), SEEDS)
def test_every_draw_and_every_seed_candidate_is_legal_and_inside_its_space(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    assert outside(again(lambda rng: random_genome(space, facts, rng), seed), space, facts) is None
    for one in space.seeds:
        assert outside(seed_genome(one, space, facts), space, facts) is None


@often
@given(worlds(), SEEDS)
def test_every_child_is_legal_and_inside_its_space_and_its_parent_as_it_was(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    parent = grown(space, facts, np.random.default_rng(seed), "here")
    for one in (parent, as_founder(parent)):
        before = copy.deepcopy(one)
        child = again(lambda rng, one=one: mutate(one, space, facts, rng), seed)
        assert one == before
        assert outside(child, space, facts) is None
        assert child.head.trained or set(open_genes(child)) <= set(open_genes(one))
        drawn = again(lambda rng, one=one: step_data(one, space, rng), seed)
        assert outside(one.with_values(drawn), space, facts) is None


@often
@given(worlds(), SEEDS)
def test_a_joined_child_is_legal_and_of_its_parents_weights_alone(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    rng = np.random.default_rng(seed)
    here, there = grown(space, facts, rng, "here"), grown(space, facts, rng, "there")
    for below, above in ((here, there), (as_founder(there), here), (here, as_founder(there))):
        before = copy.deepcopy((below, above))
        child = again(lambda rng, pair=(below, above): recombine(*pair, space, facts, rng), seed)
        assert (below, above) == before
        if child is None:
            continue
        assert illegality(child) is None
        assert child.depth == above.depth
        assert child.head.component is None
        known = {gene.component for one in (below, above) for gene in (*one.stages, *one.adapters)}
        assert {gene.component for gene in (*child.stages, *child.adapters)} <= known
        assert outside(mutate(child, space, facts, rng), space, facts) is None


@often
@given(worlds(), SEEDS)
def test_a_founder_is_legal_shares_all_and_is_its_own_founder(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    genome = grown(space, facts, np.random.default_rng(seed), "there")
    founder = as_founder(genome)
    assert outside(founder, space, facts) is None
    assert open_genes(founder) == []
    assert founder.head.component is None
    assert as_founder(founder) == founder
    placed = on_line(seed_genome(space.seeds[0], space, facts), founder)
    assert illegality(placed) is None
    shared = min(placed.depth, founder.depth)
    for i in range(shared):
        there = facts.newest[i] if placed.stages[i].follows else founder.stages[i].component
        assert placed.stages[i].component == there


@often
@given(worlds(), SEEDS, st.data())
def test_what_is_locked_is_no_longer_open_and_all_else_stays(
    world: tuple[SearchSpace, TrunkFacts], seed: int, data: st.DataObject
) -> None:
    space, facts = world
    genome = grown(space, facts, np.random.default_rng(seed), "here")
    names = sorted({gene.component or "" for gene in (*genome.stages, *genome.adapters)})
    components = set(data.draw(subsets(names)))
    found = locked(genome, components)
    assert illegality(found) is None
    for before, after in zip(
        (*genome.stages, *genome.adapters), (*found.stages, *found.adapters), strict=True
    ):
        stays = before.component not in components or getattr(before, "follows", False)
        assert after == replace(before, open=before.open and stays)
    assert replace(found, stages=genome.stages, adapters=genome.adapters) == genome
    assert locked(genome, ()) == genome


@often
@given(worlds(), SEEDS)
def test_training_names_what_it_wrote_and_moves_nothing(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    rng = np.random.default_rng(seed)
    genome = mutate(grown(space, facts, rng, "here"), space, facts, rng)
    after = trained(genome, "new")
    assert outside(after, space, facts) is None
    assert settle(after, {}) == after
    genes = list(zip((*genome.stages, *genome.adapters), (*after.stages, *after.adapters), strict=True))
    assert all(new == replace(old, component=new.component) for old, new in genes)
    wrote = [old.open and genome.head.trained for old, _ in genes]
    assert [new.component != old.component for old, new in genes] == wrote
    assert len({new.component for _, new in genes}) == len(genes)
    assert after == replace(
        genome,
        stages=after.stages,
        adapters=after.adapters,
        head=replace(genome.head, component=after.head.component),
    )


@often
@given(worlds(), SEEDS)
def test_routes_side_by_side_are_legal_frozen_and_lose_their_last_path_first(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    rng = np.random.default_rng(seed)
    genome, *others = (grown(space, facts, rng, task) for task in ("here", "there", "elsewhere"))
    beside = with_paths(genome, [line for other in others for line in lines(as_founder(other))], 3)
    if beside is None:
        return
    assert outside(beside, space, facts) is None
    assert open_genes(beside) == []
    child = again(lambda rng: mutate(beside, space, facts, rng), seed)
    assert outside(child, space, facts) is None
    assert child.paths in (beside.paths, drop_path(beside).paths)
    assert as_founder(beside) == as_founder(genome)
    assert restore(Genome, json.loads(json.dumps(plain(beside)))) == beside


@often
@given(worlds(), SEEDS)
def test_a_genome_survives_json_under_the_same_digest_and_essence(
    world: tuple[SearchSpace, TrunkFacts], seed: int
) -> None:
    space, facts = world
    genome = grown(space, facts, np.random.default_rng(seed), "here")
    read = restore(Genome, json.loads(json.dumps(plain(genome))))
    assert read == genome
    assert (read.digest(), essence(read)) == (genome.digest(), essence(genome))
