"""A genome as flat parameters: there and back, whatever the space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.evolution.parameters import choices, genome_of, on_root_trunk, parameters_of
from evo_mtl.genome.genome import Genome, Value, essence, illegality
from evo_mtl.genome.sampling import random_genome, seed_genome
from evo_mtl.genome.space import SearchSpace, known_spaces, read_space
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.testing.genomes import a_genome, a_space, bottleneck, trunk_facts

STAGES = {"boundaries": [0, 2, 4], "depths": [3, 5, 6, 8]}
SPACES = {
    **{name: read_space(name) for name in known_spaces()},
    "everything": a_space(),
    "whole runs opened": a_space(stages={**STAGES, "clone": False}),
    "forced norm": a_space(stages={**STAGES, "final_norm": "forced"}),
    "forced norm, one boundary": a_space(stages={**STAGES, "boundaries": [6], "final_norm": "forced"}),
    "never opened": a_space(stages={"boundaries": []}, taps={"stages": "all", "grids": [3]}),
}


def facts_for(space: SearchSpace) -> TrunkFacts:
    """Facts of a trunk that has the stages which the space names."""
    if space.name == "everything":
        return trunk_facts()
    return replace(trunk_facts(18), group_ends=(0, 1, 3, 5, 8, 11, 15, 16, 17))


def from_mapping(parameters: Mapping[str, Value]) -> Callable[[str, tuple[Value, ...]], Value]:
    return lambda name, values: parameters[name]


def drawn(space: SearchSpace, facts: TrunkFacts, count: int = 100) -> list[Genome]:
    return [random_genome(space, facts, np.random.default_rng(i)) for i in range(count)]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_random_genome_comes_back_from_its_parameters_in_all_that_acts(space: SearchSpace) -> None:
    facts = facts_for(space)
    for genome in drawn(space, facts):
        again = genome_of(from_mapping(parameters_of(genome, space, facts)), space, facts)
        assert essence(again) == essence(genome)
        assert again == genome or not genome.head.trained


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_answer_makes_a_legal_genome_on_the_root_trunk_that_comes_back(space: SearchSpace) -> None:
    facts = facts_for(space)
    rng = np.random.default_rng(0)
    for _ in range(100):
        genome = genome_of(lambda name, values: values[rng.integers(len(values))], space, facts)
        assert illegality(genome) is None
        assert on_root_trunk(genome, facts)
        assert genome_of(from_mapping(parameters_of(genome, space, facts)), space, facts) == genome


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_parameters_are_among_the_choices_and_what_is_asked_are_the_choices(space: SearchSpace) -> None:
    facts = facts_for(space)
    known = choices(space, facts)
    assert all(len(values) > 1 for values in known.values())
    asked: dict[str, tuple[Value, ...]] = {}

    def pick(name: str, values: tuple[Value, ...]) -> Value:
        asked[name] = values
        return values[rng.integers(len(values))]

    rng = np.random.default_rng(0)
    for _ in range(100):
        genome = a_genome(space, facts, rng)
        assert all(value in known[name] for name, value in parameters_of(genome, space, facts).items())
        genome_of(pick, space, facts)
    assert asked.items() <= known.items()
    assert "head" in asked or len(space.heads) == 1


def test_a_solved_head_has_no_parameter_that_only_training_reads() -> None:
    space, facts = a_space(), trunk_facts()
    ridge = seed_genome(space.seeds[0], space, facts)
    tuned = seed_genome(space.seeds[1], space, facts)
    assert {"learning_rate", "boundary"} <= parameters_of(tuned, space, facts).keys()
    names = parameters_of(ridge, space, facts).keys()
    assert "image_size" in names
    assert not {"learning_rate", "boundary", "epochs"} & names
    assert not any(name.startswith(("open", "adapter")) for name in names)


def test_what_the_space_does_not_list_is_left_out() -> None:
    space, facts = a_space(), trunk_facts()
    genome = seed_genome(space.seeds[1], space, facts)
    assert parameters_of(genome, space, facts)["learning_rate"] == 0.01
    other = parameters_of(genome.with_values({"learning_rate": 0.5}), space, facts)
    assert other.keys() == parameters_of(genome, space, facts).keys() - {"learning_rate"}


def test_a_genome_with_anothers_weights_is_not_on_the_root_trunk() -> None:
    space, facts = a_space(), trunk_facts()
    genome = seed_genome(space.seeds[1], space, facts)
    assert on_root_trunk(genome, facts)
    stages = (replace(genome.stages[0], component="another"), *genome.stages[1:])
    assert not on_root_trunk(replace(genome, stages=stages), facts)
    assert not on_root_trunk(replace(genome, head=replace(genome.head, component="kept")), facts)
    assert not on_root_trunk(replace(genome, adapters=(bottleneck(1, 8, "kept", open=False),)), facts)
