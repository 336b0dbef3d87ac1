"""What decides a run's result: resolved, written down, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from evo_mtl.errors import ConfigError, InputError
from evo_mtl.genome.sections import LookRules
from evo_mtl.run.config import grown, make_config, override, read_config, to_yaml, versions
from evo_mtl.testing.genomes import a_space
from evo_mtl.testing.worlds import write_space, write_stream
from tests.worlds import config


def test_what_is_written_down_is_read_back_equal(tmp_path: Path) -> None:
    made = config(tmp_path, "one", "three", seed=5, overrides=("budget.children=1",))
    (tmp_path / "run.yaml").write_bytes(to_yaml(made))
    assert read_config(tmp_path / "run.yaml") == made


def test_words_that_look_like_something_else_are_the_same_words_when_read_back(tmp_path: Path) -> None:
    made = config(tmp_path, "one")
    (task,) = made.stream.tasks
    words = ("0E0", "no", "12:30", "010", "a\x85b")
    task = task.model_copy(update={"name": "1e3", "classes": words})
    made = made.model_copy(update={"stream": made.stream.model_copy(update={"tasks": (task,)})})
    (tmp_path / "run.yaml").write_bytes(to_yaml(made))
    assert read_config(tmp_path / "run.yaml") == made


def test_overrides_set_keys_of_the_space_and_leave_the_others(tmp_path: Path) -> None:
    space = a_space()
    changed = override(
        space, ["budget.children=7", "stages.depths=[4, 6]", "heads=[ridge]", "budget.images=null"]
    )
    assert changed.budget.children == 7
    assert changed.stages.depths == (4, 6)
    assert changed.heads == ("ridge",)
    assert changed.hyperparameters == space.hyperparameters
    assert space == a_space()


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("budget.children", "key=value"),
        ("budget.kids=2", "kids"),
        ("budgett.children=2", "budgett"),
        ("budget.children=two", "children"),
        ("budget.children=0", "children"),
        ("hyperparameters.epochs.default=9", "default 9 is not among"),
        ("name.first=2", "name.first"),
    ],
)
def test_an_override_that_cannot_be_is_refused_by_its_key(setting: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        override(a_space(), [setting])


def test_an_algorithm_by_name_replaces_the_spaces_and_a_misspelt_one_is_refused(tmp_path: Path) -> None:
    stream, space = write_stream(tmp_path, ["one"]), str(write_space(tmp_path))
    assert make_config(stream, space, algorithm="random").space.algorithm == "random"
    with pytest.raises(InputError, match=r'did you mean "random"'):
        make_config(stream, space, algorithm="randon")


def test_identity_is_what_may_not_change_and_tasks_the_space_and_versions_may(tmp_path: Path) -> None:
    made = config(tmp_path, "one")
    longer = config(tmp_path, "one", "three")
    older = made.model_copy(update={"versions": {"torch": "1.0"}, "stream_file": "/elsewhere"})
    shorter = config(tmp_path, "one", overrides=("budget.children=1",))
    assert made.identity() == longer.identity() == older.identity() == shorter.identity()
    others = [
        config(tmp_path, "one", seed=1),
        made.model_copy(update={"threads": 2}),
        made.model_copy(update={"device": "cuda"}),
    ]
    assert len({made.identity(), *(other.identity() for other in others)}) == 4


def test_versions_name_what_results_depend_on() -> None:
    assert {"python", "machine", "evo-mtl", "torch", "timm", "numpy"} <= set(versions())


def test_a_stream_may_grow_and_may_change_what_has_not_been_archived(tmp_path: Path) -> None:
    old, new = (config(tmp_path, *names).stream for names in (("one", "three"), ("one", "five", "seven")))
    assert grown(old, new, {"one": {}}, "stream.yaml") == new


@pytest.mark.parametrize(
    ("names", "found"),
    [(("three", "one"), "'three'"), (("three",), "'three'"), (("one", "three"), "seed 3 instead of 0")],
)
def test_an_archived_task_may_not_be_lost_moved_or_changed(
    names: tuple[str, ...], found: str, tmp_path: Path
) -> None:
    old, new = config(tmp_path, "one").stream, config(tmp_path, *names).stream
    if "instead" in found:
        new = new.model_copy(update={"tasks": (new.tasks[0].model_copy(update={"seed": 3}), *new.tasks[1:])})
    with pytest.raises(ConfigError, match=f"'one' is task 1 .* {found}"):
        grown(old, new, {"one": {}}, "stream.yaml")


def test_a_mixed_stream_that_was_begun_keeps_its_tasks(tmp_path: Path) -> None:
    mixed = {"regime": "online", "order": "mixed"}
    old = config(tmp_path, "one", "three").stream.model_copy(update=mixed)
    longer = config(tmp_path, "one", "three", "five").stream.model_copy(update=mixed)
    assert grown(old, longer, {}, "stream.yaml") == longer
    assert grown(old, old, {"one": {}}, "stream.yaml") == old
    with pytest.raises(ConfigError, match=r"mixed stream that was begun \('five' is new\)"):
        grown(old, longer, {"one": {}}, "stream.yaml")


def test_of_an_online_run_the_order_and_the_size_of_batches_are_fixed(tmp_path: Path) -> None:
    made = config(tmp_path, "one")
    streams = [
        made.stream.model_copy(update={"regime": "online", **more})
        for more in ({}, {"order": "mixed"}, {"batch_size": 8}, {"overlap": 0.2}, {"least_aggregate": 20})
    ]
    assert len({made.model_copy(update={"stream": stream}).identity() for stream in streams}) == 5


def test_a_key_of_a_section_that_the_space_leaves_out_can_be_set() -> None:
    plain = a_space()
    assert override(plain, ["limits.added_parameters=70"]).limits.added_parameters == 70
    assert plain.looks is None
    assert override(plain, ["looks.parents=0"]).looks == LookRules(parents=0)
    with pytest.raises(ConfigError, match="no such key"):
        override(plain, ["limit.added_parameters=70"])
