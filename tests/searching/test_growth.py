"""What an archive of many tasks costs, counted and not timed: only what is asked for is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.answering import evaluation
from evo_mtl.answering.evaluation import evaluate, total_parameters
from evo_mtl.answering.model import load
from evo_mtl.archive import journal as journal_module
from evo_mtl.archive import lines as lines_module
from evo_mtl.archive.store import ComponentStore
from evo_mtl.errors import ConfigError, RunError
from evo_mtl.evolution.candidate import OfTask
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.snapshot import snapshot_path
from evo_mtl.run.state import replay
from evo_mtl.searching import beginning
from evo_mtl.searching.founders import ArchivedFounder
from evo_mtl.searching.runner import run_search
from evo_mtl.streams import stamps
from evo_mtl.streams.config import TaskConfig
from evo_mtl.testing.growth import configuration, fabricate
from evo_mtl.testing.worlds import write_task

TASKS = 12


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of many archived tasks and one that waits; only to be read."""
    folder = tmp_path_factory.mktemp("world") / "grown"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stamps, "SETTLED", 0)
        fabricate(folder, TASKS)
    return folder


@pytest.fixture
def world(grown: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, its run copied to be gone on with; data, stream and run go back to what they were."""
    monkeypatch.setattr(stamps, "SETTLED", 0)
    kept, data = grown / "kept", {path: path.read_bytes() for path in grown.glob("*.npz")}
    shutil.copytree(grown / "run", kept)
    yield grown
    shutil.rmtree(grown / "run")
    kept.rename(grown / "run")
    for path, content in data.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def counted(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> list[object]:
    """First arguments of the calls of a function or method from now on."""
    calls: list[object] = []
    real = getattr(place, name)

    def watched(*arguments: object, **more: object) -> object:
        calls.append(arguments[:2][-1] if isinstance(place, type) else arguments[0])
        return real(*arguments, **more)

    monkeypatch.setattr(place, name, watched)
    return calls


def search(world: Path, research: bool = False) -> None:
    """Goes on."""
    run_search(RunFolder(world / "run"), configuration(world), Options(research=research))


def test_a_fabricated_run_answers_as_it_was_recorded_and_replays(grown: Path) -> None:
    _, _, state = open_run(grown / "run")
    assert len(state.routes) == TASKS
    assert state == replay(grown / "run" / "journal.jsonl")
    found = evaluate(grown / "run", ["t0", "t005", "t011"])
    assert all(row["logits_unchanged"] for row in found["tasks"])
    assert found["forgetting"] == 0.0


def test_opening_a_run_with_a_snapshot_parses_no_line_and_no_yaml(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = counted(monkeypatch, journal_module, "parse_line")
    read_again = counted(monkeypatch, lines_module, "parse_line")

    def refuse(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("evo_mtl.run.folder.read_config", refuse)
    _, config, state = open_run(grown / "run")
    assert (len(config.stream.tasks), len(state.routes)) == (TASKS + 1, TASKS)
    assert lines == read_again == []


def test_evaluating_one_task_reads_the_lines_and_the_components_of_that_task_alone(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = counted(monkeypatch, lines_module, "parse_line")
    components = counted(monkeypatch, ComponentStore, "read")
    opened = counted(monkeypatch, evaluation, "open_splits")
    evaluate(grown / "run", ["t005"])
    assert len(lines) <= 2
    assert set(components) == set(load(grown / "run").route("t005").components)
    assert [config.name for config in opened] == ["t005"]  # type: ignore[attr-defined]


def test_starting_the_next_search_opens_the_new_task_alone_and_sweeps_the_store_once(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = counted(monkeypatch, beginning, "open_task")
    lines = counted(monkeypatch, lines_module, "parse_line")
    read = counted(monkeypatch, ComponentStore, "read")
    listed = counted(monkeypatch, ComponentStore, "digests")
    removed = counted(monkeypatch, ComponentStore, "remove")
    state = open_run(world / "run")[2]
    search(world)
    assert [config.name for config in opened] == ["w0"]  # type: ignore[attr-defined]
    assert len(listed) == 1
    swept, losers = (list(names) for names in removed)  # type: ignore[call-overload]
    assert swept == []
    budget = configuration(world).space.budget
    candidates = len(configuration(world).space.seeds) + budget.generations * budget.children
    assert 0 < len(losers) <= candidates * (len(state.root_components) + 1)
    own = {name for name in state.users if state.users[name] == 1}
    assert len(own.intersection(read)) <= candidates  # of parents only
    assert len(lines) <= candidates + budget.generations + 3


def test_what_a_turn_leaves_is_what_its_route_and_earlier_routes_name(world: Path) -> None:
    before = set(RunFolder(world / "run").store().digests())
    search(world)
    folder, _, state = open_run(world / "run")
    after = set(folder.store().digests())
    assert before <= after
    assert after == {*state.users, *state.root_components}


def test_a_run_without_its_side_files_goes_on_to_the_same_journal(world: Path) -> None:
    run = RunFolder(world / "run")
    shutil.copytree(run.path, world / "bare")
    bare = RunFolder(world / "bare")
    for file in (bare.opened, snapshot_path(bare.journal)):
        file.unlink()
    search(world)
    run_search(bare, configuration(world), Options())
    assert bare.journal.read_bytes() == run.journal.read_bytes()
    assert snapshot_path(bare.journal).read_bytes() == snapshot_path(run.journal).read_bytes()
    shutil.rmtree(bare.path)


def test_changed_data_of_a_task_archived_long_ago_are_refused_by_name(world: Path) -> None:
    write_task(world / "t003.npz", seed=5)
    with pytest.raises(RunError, match="data of task 't003' changed"):
        search(world)


def test_a_file_that_was_only_touched_is_opened_and_found_to_be_as_it_was(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = counted(monkeypatch, beginning, "open_task")
    os.utime(world / "t003.npz", ns=(1, 1))
    search(world)
    assert [config.name for config in opened] == ["t003", "w0"]  # type: ignore[attr-defined]
    opened.clear()
    search(world)
    assert opened == []


def test_a_file_written_a_moment_ago_is_not_vouched_for(tmp_path: Path) -> None:
    found = stamps.stamp(configuration_of(write_task(tmp_path / "a.npz", seed=1)))
    assert found is not None
    assert not found.settled


def test_a_stamp_changes_with_the_file_and_with_the_configuration(tmp_path: Path) -> None:
    write_task(tmp_path / "a.npz", seed=1)
    config = configuration_of(tmp_path / "a.npz")
    first = stamps.stamp(config)
    assert stamps.stamp(config).digest == first.digest
    assert stamps.stamp(config.model_copy(update={"limit": 9})).digest != first.digest
    os.utime(tmp_path / "a.npz", ns=(1, 1))
    assert stamps.stamp(config).digest != first.digest
    (tmp_path / "a.npz").unlink()
    assert stamps.stamp(config) is None


def test_a_stamp_of_a_folder_sees_a_new_image(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "0.png").write_bytes(b"0")
    config = configuration_of(tmp_path / "data").model_copy(update={"source": f"folder:{tmp_path / 'data'}"})
    first = stamps.stamp(config)
    (tmp_path / "data" / "y" / "1.png").write_bytes(b"0")
    assert stamps.stamp(config).digest != first.digest


def configuration_of(path: Path) -> TaskConfig:
    """A task of one npz file."""
    return TaskConfig(name="a", source=f"npz:{path}")


def test_an_edited_configuration_is_read_anew_and_named_by_its_line(world: Path) -> None:
    config = RunFolder(world / "run").config
    text = config.read_text()
    config.write_text(text.replace("seed: 0\nthreads", "seed: 7\nthreads"))
    assert open_run(world / "run")[1].seed == 7
    config.write_text(text.replace("\nthreads:", "\nthreds:"))
    with pytest.raises(ConfigError, match=r"run\.yaml:\d+: threds: unknown key"):
        open_run(world / "run")


def test_the_parameters_of_the_whole_network_are_those_of_its_components(grown: Path) -> None:
    model = load(grown / "run")
    components = {*model.state.users, *model.state.root_components}
    expected = sum(num_parameters(model.shared.modules.fresh(component)) for component in components)
    assert total_parameters(model) == expected
    model.state = replace(model.state, replaced=1)  # then what the routes added is not summed
    assert total_parameters(model) == expected


def test_a_founder_is_read_when_its_genome_is_asked_for(grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = open_run(grown / "run")[2]
    lines = counted(monkeypatch, lines_module, "parse_line")
    founder = ArchivedFounder("t004", state.routes["t004"])
    assert (founder.id, lines) == (OfTask("t004"), [])
    assert founder.genome is founder.genome
    assert founder.genome.head.component is None
    assert len(lines) == 1
