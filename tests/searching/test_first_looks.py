"""Searches that begin with looks: whose routes they read, and what the journal remembers of a task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evo_mtl.archive.journal import read_journal
from evo_mtl.engines.local import SerialEngine
from evo_mtl.evolution.candidate import OfTask
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Looked
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.snapshot import snapshot_path
from evo_mtl.testing.worlds import write_stream
from tests.worlds import config, events, journal, search

ONE_PARENT = ("looks.parents=1", "heads=[linear]", "seeds=[{name: tune, open_from: 2}]")
NAMES = ("one", "three", "copy")


def made(home: Path, *names: str, private: str = "") -> RunConfig:
    """Tasks whose routes all have stages of their own."""
    found = config(home, *names, overrides=ONE_PARENT)
    tasks = tuple(task.model_copy(update={"private": task.name == private}) for task in found.stream.tasks)
    return found.model_copy(update={"stream": found.stream.model_copy(update={"tasks": tasks})})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over three tasks, only to be read; ``copy`` has the images of ``one``."""
    folder = tmp_path_factory.mktemp("world")
    write_stream(folder, ["one"])
    shutil.copyfile(folder / "one.npz", folder / "copy.npz")
    search(folder / "run", made(folder, *NAMES))
    return folder


def read_parents(run: Path, task: str) -> list[OfTask]:
    """Whose routes were looked at for a task."""
    told = next(event for event in events(run, Looked) if event.task == task)
    return [look.parent for look in told.looks if look.parent is not None]


def test_a_task_that_is_a_copy_of_an_archived_one_looks_at_its_route(home: Path) -> None:
    told = {event.task: event.descriptor for event in events(home / "run", Looked)}
    assert told["copy"] == told["one"] != told["three"]
    assert read_parents(home / "run", "one") == []
    assert read_parents(home / "run", "three") == [OfTask("one")]
    assert read_parents(home / "run", "copy") == [OfTask("one")]


def test_the_state_keeps_descriptors_with_and_without_a_snapshot(home: Path, tmp_path: Path) -> None:
    run = shutil.copytree(home / "run", tmp_path / "run")
    kept = open_run(run)[2].descriptors
    assert list(kept) == list(NAMES)
    snapshot = snapshot_path(RunFolder(run).journal)
    assert json.loads(snapshot.read_bytes().split(b"\n")[1])["descriptors"] == kept
    snapshot.unlink()
    assert open_run(run)[2].descriptors == kept


def test_a_private_task_leaves_no_descriptor_and_picks_by_its_own_all_the_same(
    home: Path, tmp_path: Path
) -> None:
    search(tmp_path / "other", made(home, *NAMES, private="copy"))
    assert list(open_run(tmp_path / "other")[2].descriptors) == ["one", "three"]
    assert events(tmp_path / "other", Looked)[-1].descriptor is None
    assert read_parents(tmp_path / "other", "copy") == [OfTask("one")]


@pytest.mark.parametrize("jobs", [1, 2, 3, 4])
def test_a_search_killed_between_its_looks_resumes_to_the_same_journal(
    home: Path, tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, whole = shutil.copytree(home / "run", tmp_path / "run"), journal(home / "run")
    lines = whole.splitlines(keepends=True)
    begun = next(
        event.index
        for event in read_journal(RunFolder(run).journal)
        if (event.kind, event.payload.get("task")) == ("task", "copy")
    )
    RunFolder(run).journal.write_bytes(b"".join(lines[: begun + 1]))
    done = SerialEngine.run
    left = [jobs]

    def killed(self: SerialEngine, plan: Any, wanted: Any, *more: Any) -> Any:
        left[0] -= len(wanted)
        if left[0] < 0:
            raise KeyboardInterrupt
        return done(self, plan, wanted, *more)

    with monkeypatch.context() as patch:
        patch.setattr(SerialEngine, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            search(run, made(home, *NAMES))
    search(run, made(home, *NAMES))
    assert journal(run) == whole


def test_two_workers_look_at_the_same_routes(home: Path, tmp_path: Path) -> None:
    search(tmp_path / "other", made(home, *NAMES), Options(workers=2))
    assert journal(tmp_path / "other") == journal(home / "run")
