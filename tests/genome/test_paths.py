"""Genomes of several paths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evo_mtl.errors import ConfigError
from evo_mtl.genome.genome import (
    AdapterGene,
    Genome,
    HeadGene,
    PathGene,
    StageGene,
    TapGene,
    as_founder,
    essence,
    illegality,
    lines,
    path_of,
    settle,
)
from evo_mtl.genome.mutation import mutate
from evo_mtl.genome.paths import with_paths, with_values
from evo_mtl.genome.recombination import recombine
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import a_genome, a_space, bottleneck, trunk_facts

SPACE, FACTS = a_space(), trunk_facts()


def settled(kind: str = "linear") -> Genome:
    """A finished candidate with own stages 4 and 5."""
    genome = replace(seed_genome(SPACE.seeds[1], SPACE, FACTS), head=HeadGene(kind))
    return settle(genome, {"stage:4": "4" * 64, "stage:5": "5" * 64, "head": "e" * 64})


def line(letter: str, depth: int = 4, adapters: tuple[AdapterGene, ...] = ()) -> PathGene:
    """Another task's line: the trunk's, its last stage own."""
    return PathGene((*FACTS.components[: depth - 1], letter * 64), adapters, (TapGene(depth - 1),))


def joined(*others: PathGene, most: int = 3, kind: str = "linear") -> Genome:
    made = with_paths(settled(kind), others, most)
    assert made is not None
    return made


def test_a_route_of_several_paths_is_the_finished_one_frozen_with_lines_beside_it() -> None:
    main, other = settled("ridge"), line("a")
    made = joined(other, kind="ridge")
    assert illegality(made) is None
    assert made.first_open == made.depth == main.depth
    assert [gene.component for gene in made.stages] == [gene.component for gene in main.stages]
    assert made.head == HeadGene("multipath", "e" * 64, "ridge")
    assert made.paths == (other,)
    assert lines(made) == (path_of(main), other)
    assert main == settled("ridge")
    assert made.head.trained


def test_lines_join_in_their_order_up_to_the_most_paths_and_one_that_reads_nothing_new_is_left_out() -> None:
    a, b, c = (line(letter) for letter in "abc")
    own = path_of(settled())
    root = PathGene(FACTS.components[:3], (), (TapGene(2),))
    assert joined(own, a, a, b, c).paths == (a, b)
    assert joined(own, b, a, most=2).paths == (b,)
    assert joined(root).paths == (root,)
    assert with_paths(settled(), [own], 3) is None
    assert with_paths(settled(), [], 3) is None


def test_only_a_finished_route_of_one_path_is_made_one_of_several() -> None:
    unfinished = replace(settled(), head=HeadGene())
    adapted = replace(settled(), adapters=(bottleneck(4, 8),))
    assert all(
        with_paths(genome, [line("a")], 2) is None for genome in (unfinished, adapted, joined(line("b")))
    )


def test_a_route_of_several_paths_survives_plain_data() -> None:
    made = joined(line("a", adapters=(bottleneck(1, 8, "d" * 64, open=False),)), line("b"))
    assert restore(Genome, plain(made)) == made
    assert essence(made) != essence(joined(line("a"), line("b")))


def test_children_of_a_route_of_several_paths_step_settings_or_lose_the_last_path_and_open_nothing(
    rng: np.random.Generator,
) -> None:
    space = a_space(
        hyperparameters={
            **{name: listed.model_dump() for name, listed in SPACE.hyperparameters.items()},
            "projection_width": {"values": [500, 1000, 2000], "default": 1000},
        }
    )
    made = joined(line("a"), line("b"))
    children = [mutate(made, space, FACTS, rng) for _ in range(300)]
    assert all(illegality(child) is None for child in children)
    assert {child.paths for child in children} == {made.paths, made.paths[:1]}
    plain = [replace(c, paths=made.paths, hyperparameters=made.hyperparameters, rates=()) for c in children]
    assert set(plain) == {made}
    stepped = {name for c in children for name, value in c.hyperparameters if made[name] != value}
    assert "learning_rate" in stepped
    assert stepped.isdisjoint({"image_size", "projection_width"})
    two = joined(line("a"))
    assert {mutate(two, space, FACTS, rng).paths for _ in range(100)} == {two.paths}


def test_what_a_finished_path_depends_on_is_not_replaced() -> None:
    made, values = joined(line("a")), {"image_size": 32, "flip": True}
    assert with_values(made, values) == made.with_values({"flip": True})
    assert with_values(settled(), values) == settled().with_values(values)


@pytest.mark.parametrize("kind", ["linear", "projected_ridge"])
def test_a_founder_of_several_paths_is_its_main_path_with_a_new_head_of_that_kind(kind: str) -> None:
    founder = as_founder(joined(line("a"), kind=kind))
    assert founder == as_founder(settled(kind))
    assert founder.head == HeadGene(kind)
    assert illegality(founder) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"paths": ()}, "exactly when"),
        ({"head": HeadGene("linear", "e" * 64)}, "exactly when"),
        ({"head": HeadGene("multipath", None, "linear")}, "made of a finished head"),
        ({"head": HeadGene("multipath", "e" * 64)}, "made of a finished head"),
        ({"boundary": 0, "stages": (StageGene("a" * 64, open=True),) * 6}, "nothing is open but the head"),
        ({"paths": (PathGene(("a" * 64,), (bottleneck(0, 8),), (TapGene(0),)),)}, "is frozen"),
        ({"paths": (PathGene(("a" * 64,), (), (TapGene(1),)),)}, "inside it"),
        ({"paths": (PathGene(("a" * 64,), (), ()),)}, "at least one"),
    ],
)
def test_an_illegal_route_of_several_paths_is_told_in_words(change: dict[str, Any], complaint: str) -> None:
    assert complaint in (illegality(replace(joined(line("a")), **change)) or "")


def test_no_space_lists_a_multipath_head_and_no_mutation_of_one_path_makes_one(
    rng: np.random.Generator,
) -> None:
    with pytest.raises(ConfigError, match="unknown head 'multipath'"):
        a_space(heads=["linear", "multipath"])
    assert all(not a_genome(SPACE, FACTS, rng).paths for _ in range(100))


def test_a_child_that_joins_a_route_of_several_paths_at_a_cut_has_one_path_and_a_head_of_the_main_kind(
    rng: np.random.Generator,
) -> None:
    above = joined(line("a"), kind="ridge")
    below = replace(settled(), stages=tuple(StageGene(letter * 64) for letter in "uvwxyz"))
    children = [recombine(below, above, SPACE, FACTS, rng) for _ in range(30)]
    assert all(child is not None and illegality(child) is None for child in children)
    assert {child.head for child in children if child} == {HeadGene("ridge")}
