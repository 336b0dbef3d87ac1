"""A route in three zones: frozen, followed by all tasks that follow, and the task's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.documents import parse
from evo_mtl.errors import ConfigError
from evo_mtl.genome.genome import as_founder, essence, illegality, locked
from evo_mtl.genome.mutation import mutate, with_own_from
from evo_mtl.genome.recombination import recombine
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import SearchSpace, check_against_trunk, read_space
from evo_mtl.network.cost import stage_parameters
from evo_mtl.network.kinds.kind import parameters_of
from evo_mtl.network.specs import open_specs
from evo_mtl.run.root import draft_root
from evo_mtl.testing.genomes import a_genome, a_space, trunk_facts

FACTS = trunk_facts()

SPLITS = {
    "thesis_3-3.5-4.8": (2_782_784, 3_673_088, 4_720_640),
    "thesis_3-1-7.2": (2_782_784, 1_180_672, 7_213_056),
    "thesis_4-2.5-4.8": (3_963_456, 2_492_416, 4_720_640),
    "thesis_6.5-2.3-2.4": (6_455_872, 2_360_320, 2_360_320),
    "thesis_4-4.8-2.4": (3_963_456, 4_852_736, 2_360_320),
}
"""Learnable numbers: frozen, in common, the task's own without its head."""


@pytest.mark.parametrize("name", SPLITS)
def test_the_splits_of_the_thesis_have_its_numbers_of_parameters(name: str) -> None:
    space = read_space(name)
    space = space.model_copy(update={"trunk": space.trunk.model_copy(update={"weights": "random"})})
    assert (space.race.population, len(space.seeds), space.budget.generations) == (1, 1, 0)
    root = draft_root(space)
    check_against_trunk(space, root.facts, name)
    genome = seed_genome(space.seeds[0], space, root.facts)
    assert illegality(genome) is None
    assert (genome["learning_rate"], genome["common_learning_rate"], genome["optimizer"]) == (
        0.01,
        1e-5,
        "sgd",
    )
    counts, zones = stage_parameters("resnet18", "half"), [0, 0, 0]
    for gene, count in zip(genome.stages, counts, strict=True):
        zones[gene.open + (gene.open and not gene.follows)] += count
    assert tuple(zones) == SPLITS[name]
    assert sum(zones) == 11_176_512
    for classes, numbers in ((10, 5_130), (100, 51_300)):
        assert parameters_of(open_specs(genome, root.layout, classes)["head"]) == numbers


def following() -> SearchSpace:
    """Open from 4 on, in common up to 6."""
    return a_space(
        stages={"boundaries": [2, 4, 6], "own_from": [2, 4, 6, 8], "clone": False},
        seeds=[{"name": "split", "open_from": 4, "own_from": 6}],
    )


def test_what_follows_starts_from_the_newest_version_and_the_rest_from_the_root() -> None:
    genome = seed_genome(following().seeds[0], following(), FACTS)
    assert [gene.follows for gene in genome.stages] == [False] * 4 + [True] * 2 + [False] * 2
    assert [gene.open for gene in genome.stages] == [False] * 4 + [True] * 4
    starts = [gene.component for gene in genome.stages]
    assert starts == [*FACTS.components[:4], *FACTS.newest[4:6], *FACTS.components[6:]]
    assert genome.own_from == 6
    assert illegality(genome) is None


def test_a_stage_that_ceases_to_follow_goes_on_from_its_version() -> None:
    genome = seed_genome(following().seeds[0], following(), FACTS)
    own = with_own_from(genome, 5, FACTS)
    assert [gene.component for gene in own.stages] == [gene.component for gene in genome.stages]
    assert [gene.follows for gene in own.stages] == [i == 4 for i in range(8)]
    assert own.own_from == 5
    assert with_own_from(genome, 0, FACTS).own_from == genome.boundary


def test_a_frozen_stage_does_not_follow_and_none_does_above_an_own_one() -> None:
    genome = seed_genome(following().seeds[0], following(), FACTS)
    frozen = (replace(genome.stages[0], follows=True), *genome.stages[1:])
    assert "follows" in str(illegality(replace(genome, stages=frozen)))
    above = (*genome.stages[:4], replace(genome.stages[4], follows=False), *genome.stages[5:])
    assert "own" in str(illegality(replace(genome, stages=above)))


def test_another_task_finds_it_frozen_and_its_own_task_finds_it_following() -> None:
    genome = seed_genome(following().seeds[0], following(), FACTS)
    founder = as_founder(genome)
    assert not any(gene.open or gene.follows for gene in founder.stages)
    assert [gene.component for gene in founder.stages] == [gene.component for gene in genome.stages]
    again = locked(genome, {gene.component for gene in genome.stages})
    assert [gene.open for gene in again.stages] == [gene.follows for gene in genome.stages]
    assert [gene.follows for gene in again.stages] == [gene.follows for gene in genome.stages]


def test_mutation_moves_where_the_own_part_begins(rng: np.random.Generator) -> None:
    space = following()
    genome = seed_genome(space.seeds[0], space, FACTS)
    met = set()
    for _ in range(300):
        child = mutate(genome, space, FACTS, rng)
        assert illegality(child) is None
        if child.head.trained:
            met.add(child.own_from)
    assert met >= {4, 6, 8}


def test_every_draw_and_every_child_of_two_is_legal(rng: np.random.Generator) -> None:
    space, joined = following(), 0
    for _ in range(300):
        first, second = (a_genome(space, FACTS, rng) for _ in range(2))
        assert illegality(first) is None
        child = recombine(first, second, space, FACTS, rng)
        if child is not None:
            joined += any(gene.follows for gene in child.stages)
            assert illegality(child) is None
    assert joined


def test_without_places_nothing_follows(rng: np.random.Generator) -> None:
    space = a_space()
    for _ in range(50):
        assert not any(gene.follows for gene in a_genome(space, FACTS, rng).stages)


def test_under_a_solved_head_it_makes_no_difference() -> None:
    genome = seed_genome(following().seeds[0], following(), FACTS)
    solved = replace(genome, head=replace(genome.head, kind="ridge"))
    assert essence(solved) == essence(with_own_from(solved, 0, FACTS))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": [{"name": "a", "open_from": 2, "own_from": 3}]}, "seeds: a: own_from: 3"),
        ({"stages": {"own_from": [3, 3]}}, "own_from"),
        ({"stages": {"own_from": [3]}, "objective": {"keep_front": True}}, "keep_front"),
    ],
)
def test_a_space_that_follows_wrongly_is_refused(change: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(SearchSpace, a_space().model_dump(mode="json") | change, "space")


def test_own_from_lies_in_the_trunk() -> None:
    with pytest.raises(ConfigError, match=r"stages\.own_from: 9"):
        check_against_trunk(a_space(stages={"own_from": [9]}), FACTS, None)
