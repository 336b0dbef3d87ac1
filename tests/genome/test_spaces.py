"""Search spaces: those that come with the program, and what is refused at the door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evo_mtl.documents import parse
from evo_mtl.errors import ConfigError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.genome.genome import illegality
from evo_mtl.genome.hyperparameters import known_hyperparameters
from evo_mtl.genome.mutation import mutate
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import (
    SearchSpace,
    check_against_trunk,
    find_space,
    known_spaces,
    read_space,
    spaces_folder,
)
from evo_mtl.run.config import override
from evo_mtl.searching.checks import check_root
from evo_mtl.streams.config import read_stream
from evo_mtl.testing.genomes import a_space, trunk_facts

SHIPPED = sorted(spaces_folder().rglob("*.yaml"))


def is_stream(path: Path) -> bool:
    return "streams" in path.relative_to(spaces_folder()).parts


def test_at_least_four_files_are_shipped() -> None:
    assert len(SHIPPED) >= 4
    assert {"small", "quickstart", "mu2net", "mu2net_plus"} <= set(known_spaces())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(spaces_folder())))
def test_every_shipped_file_fits_its_trunk_and_breeds_legal_genomes(
    path: Path, rng: np.random.Generator
) -> None:
    if is_stream(path):
        assert read_stream(path).tasks
        return
    space = read_space(str(path))
    assert space.name == path.stem
    assert space.algorithm in algorithms
    if space.trunk.weights == "timm":  # which are somewhere else
        space = space.model_copy(update={"trunk": space.trunk.model_copy(update={"weights": "random"})})
    root = check_root(space)
    layout, facts = root.layout, root.facts
    assert layout.name.startswith(space.trunk.name)  # of vectors the width comes behind
    for seed in space.seeds:
        genome = seed_genome(seed, space, facts)
        assert illegality(genome) is None
        for _ in range(20):
            genome = mutate(genome, space, facts, rng)
            assert illegality(genome) is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("momentum", [1.0]),
        ("label_smoothing", [1.5]),
        ("crop_area_min", [0.0]),
        ("crop_aspect_min", [0.0]),
        ("crop_aspect_min", [1.5]),
        ("mutation_probability", [2.0]),
        ("hue", [0.7]),
        ("learning_rate", [-0.1]),
        ("learning_rate", [1e31]),
        ("epochs", [0]),
        ("batch_size", [2.5]),
        ("flip", [1]),
        ("optimizer", ["adam"]),
        ("norm", [True]),
    ],
)
def test_a_value_that_training_could_not_use_is_refused_by_name(name: str, values: list) -> None:
    with pytest.raises(ConfigError, match=name):
        a_space(hyperparameters={name: {"values": values, "default": values[0]}})


def test_a_misspelt_hyperparameter_is_answered_with_a_near_name() -> None:
    with pytest.raises(ConfigError, match=r'"learning_rate"'):
        a_space(hyperparameters={"lerning_rate": {"values": [0.1], "default": 0.1}})


@pytest.mark.parametrize(
    "change",
    [
        {"taps": {"grids": []}},
        {"taps": {"grids": [0]}},
        {"heads": []},
        {"heads": ["rigde"]},
        {"seeds": []},
        {"seeds": [{"name": "a", "grids": []}]},
        {"seeds": [{"name": "a", "head": "rigde"}]},
        {"seeds": [{"name": "a", "values": {"epoch": 3}}]},
        {"budget": {"children": 0}},
        {"objective": {"size_factor": 1.5}},
        {"algoritm": "mu2net"},
    ],
)
def test_a_space_that_no_search_could_use_is_refused(change: dict) -> None:
    with pytest.raises(ConfigError):
        a_space(**change)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"stages": {"boundaries": [9]}}, "stages.boundaries: 9"),
        ({"stages": {"depths": [0, 8]}}, "stages.depths: 0"),
        ({"stages": {"depths": [8, 9]}}, "stages.depths: 9"),
        ({"seeds": [{"name": "a", "depth": 12}]}, "seeds.depth: 12"),
        ({"seeds": [{"name": "a", "open_from": 12}]}, "seeds.open_from: 12"),
    ],
)
def test_stages_that_the_trunk_has_not_are_refused_by_name(change: dict, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        check_against_trunk(a_space(**change), trunk_facts(), "here")


def test_an_unknown_space_is_answered_with_a_near_name() -> None:
    with pytest.raises(ConfigError, match=r'did you mean "small"'):
        find_space("smal")


def test_a_space_survives_being_written_down() -> None:
    space = a_space()
    assert parse(SearchSpace, space.model_dump(mode="json")) == space


def test_every_key_of_a_space_is_written_and_every_hyperparameter_of_a_genome() -> None:
    space = a_space()
    written = space.model_dump(mode="json")
    assert written.keys() == SearchSpace.model_fields.keys()
    assert (written["trunk"]["dtype"], written["looks"]) == ("float32", None)
    assert written["objective"].keys() == {"size_factor", "compute_factor", "root_shares", "keep_front"}
    genome = seed_genome(space.seeds[0], space, trunk_facts())
    assert dict(genome.hyperparameters).keys() == known_hyperparameters().keys()


def test_no_more_than_eight_other_routes_are_ever_looked_at() -> None:
    with pytest.raises(ConfigError, match="parents"):
        a_space(looks={"parents": 9})


def written(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.yaml").write_text(f"name: {name}\n{text}")
    return str(folder / f"{name}.yaml")


def test_a_space_that_is_like_another_tells_but_the_differences(tmp_path: Path) -> None:
    made = read_space(
        written(tmp_path, "mine", "like: small\nbudget: {children: 7}\nrejection: null\nheads: [linear]\n")
    )
    small = read_space("small")
    assert (made.name, made.heads, made.rejection) == ("mine", ("linear",), None)
    assert (made.budget.children, made.budget.generations) == (7, small.budget.generations)
    changed = {"name", "budget", "rejection", "heads"}
    assert made.model_dump(exclude=changed) == small.model_dump(exclude=changed)


def test_a_space_may_be_like_a_file_beside_it_which_is_like_another(tmp_path: Path) -> None:
    written(tmp_path, "middle", "like: small\nhyperparameters: {flip: null, momentum: {default: 0.8}}\n")
    made = read_space(written(tmp_path, "mine", "like: middle.yaml\nvalidations: 2\n"))
    assert "flip" not in made.hyperparameters
    assert made.hyperparameters["momentum"].default == 0.8
    assert made.hyperparameters["momentum"].values == read_space("small").hyperparameters["momentum"].values
    assert made.validations == 2


@pytest.mark.parametrize("name", ["quick", "thorough"])
def test_spaces_that_differ_in_their_budget_alone(name: str) -> None:
    assert read_space(name).model_dump(exclude={"name", "budget"}) == read_space("small").model_dump(
        exclude={"name", "budget"}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "like: smal\n",
            r"mine\.yaml:2: like: unknown search space 'smal' \(did you mean \"small\"\?\), or a file",
        ),
        ("like: 3\n", r"mine\.yaml:2: like: expected the name or the file of a search space, met 3"),
        ("like: gone.yaml\n", r"gone\.yaml: no such file"),
        ("like: mine.yaml\n", r"mine\.yaml:2: like: mine\.yaml is like itself"),
        ("like: other.yaml\n", r"other\.yaml:2: like: mine\.yaml is like itself"),
        ("like: small\n\nbudget: {childs: 3}\n", r"mine\.yaml:4: budget\.childs: unknown key"),
        ("like: broken.yaml\n", r"broken\.yaml:3: budget\.children: "),
        ("like: broken.yaml\nbudget: {generations: 3}\n", r"broken\.yaml:3: budget\.children: "),
        ("like: broken.yaml\nbudget: {children: -1}\n", r"mine\.yaml:3: budget\.children: "),
        ("like: small\nseeds: null\n", r"mine\.yaml:\d+: seeds: this key is missing"),
    ],
)
def test_what_is_wrong_is_told_where_it_is_written(text: str, said: str, tmp_path: Path) -> None:
    written(tmp_path, "other", "like: mine.yaml\n")
    written(tmp_path, "broken", "seeds: [{name: a}]\nbudget: {children: 0}\n")
    with pytest.raises(ConfigError, match=said):
        read_space(written(tmp_path, "mine", text))


def test_a_space_that_is_like_another_has_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "nameless.yaml").write_text("like: small\n")
    with pytest.raises(ConfigError, match=r"nameless\.yaml:1: name: this key is missing"):
        read_space(str(tmp_path / "nameless.yaml"))


def test_a_key_that_a_later_version_adds_changes_no_digest() -> None:
    class Later(SearchSpace):
        surprise: int = 3

    data = read_space("small").model_dump(mode="json")
    assert parse(Later, data).digest() == read_space("small").digest()
    assert parse(Later, {**data, "surprise": 4}).digest() != read_space("small").digest()
    assert override(read_space("small"), ["budget.children=3"]).digest() != read_space("small").digest()
    assert override(read_space("small"), ["budget.children=2"]).digest() == read_space("small").digest()
