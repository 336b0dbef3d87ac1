"""Genomes as data: equality, digests, JSON, what is legal, founders."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.genome.genome import (
    Genome,
    HeadGene,
    StageGene,
    TapGene,
    as_founder,
    essence,
    illegality,
    settle,
)
from evo_mtl.genome.kinds import listed_kinds
from evo_mtl.genome.sampling import random_genome, seed_genome
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import a_genome, a_space, bottleneck, trunk_facts

GENOME = Genome(
    root="9" * 64,
    boundary=1,
    stages=(StageGene("a" * 64), StageGene("b" * 64, open=True)),
    adapters=(bottleneck(0, 8), bottleneck(1, 16, "c" * 64, open=False)),
    taps=(TapGene(0, 2), TapGene(1)),
    head=HeadGene("linear", "d" * 64),
    hyperparameters=(("image_size", 48), ("learning_rate", 0.001), ("nesterov", False), ("norm", "train")),
)


def test_every_genome_comes_back_from_json_equal_with_an_equal_digest(rng: np.random.Generator) -> None:
    space, facts = a_space(), trunk_facts()
    for _ in range(300):
        genome = a_genome(space, facts, rng)
        again = restore(Genome, json.loads(json.dumps(plain(genome))))
        assert again == genome
        assert again.digest() == genome.digest()


def test_different_genomes_have_different_digests(rng: np.random.Generator) -> None:
    space, facts = a_space(), trunk_facts()
    genomes = {a_genome(space, facts, rng) for _ in range(300)}
    assert len(genomes) > 200
    assert len({genome.digest() for genome in genomes}) == len(genomes)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"stages": ()}, "at least one stage"),
        ({"boundary": 3}, "outside 0 … 2"),
        ({"boundary": 2}, "a stage below the boundary is open"),
        ({"adapters": (bottleneck(1, 8), bottleneck(0, 8))}, "sorted"),
        ({"adapters": (bottleneck(1, 8), bottleneck(1, 16))}, "one a stage"),
        ({"adapters": (bottleneck(2, 8),)}, "inside the route"),
        ({"taps": ()}, "at least one"),
        ({"taps": (TapGene(1), TapGene(0))}, "sorted"),
        ({"taps": (TapGene(1), TapGene(1))}, "distinct"),
        ({"taps": (TapGene(0),)}, "last stage must be read"),
        ({"head": HeadGene("rigde")}, "unknown head 'rigde'"),
    ],
)
def test_an_illegal_genome_is_told_in_words(change: dict, complaint: str) -> None:
    assert illegality(GENOME) is None
    assert complaint in (illegality(replace(GENOME, **change)) or "")


def test_an_open_adapter_below_the_boundary_is_illegal() -> None:
    stages = (*(StageGene("a" * 64) for _ in range(3)),)
    frozen = replace(GENOME, stages=stages, boundary=2, adapters=(), taps=(TapGene(2),))
    assert illegality(replace(frozen, adapters=(bottleneck(1, 8),))) is None
    assert "below the boundary" in (illegality(replace(frozen, adapters=(bottleneck(0, 8),))) or "")


def test_a_founder_has_nothing_open_and_a_new_head(rng: np.random.Generator) -> None:
    space, facts = a_space(), trunk_facts()
    for _ in range(200):
        genome = a_genome(space, facts, rng)
        founder = as_founder(genome)
        assert not any(gene.open for gene in (*founder.stages, *founder.adapters))
        assert founder.head == HeadGene(genome.head.kind)
        assert [gene.component for gene in founder.stages] == [gene.component for gene in genome.stages]
        assert founder.first_open == founder.depth
        assert illegality(founder) is None


def test_settling_names_the_trained_components_and_leaves_the_rest() -> None:
    settled = settle(GENOME, {"stage:1": "1" * 64, "adapter:0": "2" * 64, "head": "3" * 64})
    assert settled == replace(
        GENOME,
        stages=(GENOME.stages[0], StageGene("1" * 64, open=True)),
        adapters=(bottleneck(0, 8, "2" * 64), GENOME.adapters[1]),
        head=HeadGene("linear", "3" * 64),
    )


def test_training_starts_at_the_first_open_stage_or_adapter() -> None:
    assert GENOME.first_open == 0
    assert replace(GENOME, adapters=()).first_open == 1
    assert as_founder(GENOME).first_open == 2


def test_solved_candidates_that_compute_the_same_have_one_essence_and_trained_ones_their_own() -> None:
    space, facts = a_space(), trunk_facts()
    ridge = seed_genome(space.seeds[0], space, facts)
    for change in ({"learning_rate": 0.001}, {"epochs": 3}, {"views": 2}, {"norm": "eval"}):
        assert essence(ridge.with_values(change)) == essence(ridge)
        linear = replace(ridge, head=HeadGene("linear"))
        assert essence(linear.with_values(change)) != essence(linear)
    assert essence(ridge.with_values({"image_size": 32})) != essence(ridge)
    assert essence(ridge.with_values({"projection_width": 500})) == essence(ridge)
    projected = replace(ridge, head=HeadGene("projected_ridge"))
    assert essence(projected.with_values({"projection_width": 500})) != essence(projected)
    assert essence(replace(ridge, taps=ridge.taps[1:])) != essence(ridge)
    assert len({essence(replace(ridge, head=HeadGene(kind))) for kind in listed_kinds("head")}) == len(
        listed_kinds("head")
    )


def test_every_independent_draw_is_legal_and_has_every_hyperparameter(rng: np.random.Generator) -> None:
    for changes in ({}, {"stages": {"boundaries": [2, 4], "clone": False}}, {"stages": {"boundaries": []}}):
        space, facts = a_space(**changes), trunk_facts()
        for _ in range(200):
            genome = random_genome(space, facts, rng)
            assert illegality(genome) is None
            assert {name for name, _ in genome.hyperparameters} == set(space.defaults())


def test_without_copies_a_trained_draw_opens_every_stage_from_its_boundary_on(
    rng: np.random.Generator,
) -> None:
    space, facts = a_space(stages={"boundaries": [2, 4], "clone": False}), trunk_facts()
    boundaries = set()
    for _ in range(100):
        genome = random_genome(space, facts, rng)
        if genome.head.trained:
            assert [gene.open for gene in genome.stages] == [i >= genome.boundary for i in range(8)]
            boundaries.add(genome.boundary)
    assert boundaries == {2, 4}


def test_depth_ridge_reads_every_group_end_behind_the_first_group() -> None:
    space, facts = a_space(), trunk_facts()
    ridge = seed_genome(space.seeds[0], space, facts)
    assert ridge.taps == (TapGene(3, 1), TapGene(3, 2), TapGene(7, 1))
    assert ridge.head == HeadGene("ridge")
    assert ridge.first_open == ridge.depth == 8
