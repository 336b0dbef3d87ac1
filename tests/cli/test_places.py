"""What a search writes and removes: its run's own files and kept arrays, and nothing that a link leads to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Answer, Command

FILES = ("run.yaml", "journal.jsonl", "journal.snapshot.json", "timings.jsonl", "opened.json", ".lock")
FOLDERS = ("components", "cache")


@pytest.fixture
def received(finished: Path, tmp_path: Path) -> Path:
    """A run that came from somewhere, its stream file with it."""
    shutil.copytree(finished, tmp_path / "world")
    return tmp_path / "world" / "run"


def _content(folder: Path) -> Mapping[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _search(command: Command, world: Path, *more: object) -> Answer:
    given = ("--tasks", world / "stream.yaml", "--space", world / "space.yaml", "--run", world / "run")
    return command("search", *given, "--quiet", *more)


def _one_line(answer: Answer, *parts: str) -> None:
    assert answer.out == ""
    assert answer.err.startswith("evo-mtl: error: ")
    assert answer.err.count("\n") == 1
    for part in parts:
        assert part in answer.err


@pytest.mark.parametrize("given", ["here", "link"])
def test_a_cache_folder_with_other_things_in_it_is_refused_and_left_as_it_is(
    given: str, command: Command, world: Path
) -> None:
    photos = world / "here" / "2019" / "ab"
    photos.mkdir(parents=True)
    np.save(photos / "old.npy", np.zeros(1000))
    (world / "link").symlink_to(world / "here")
    before = _content(world)
    answer = _search(command, world, "--cache", world / given)
    assert answer.status == 2
    _one_line(answer, given, "not a cache of this program, but '2019' is in it")
    assert _content(world) == before


def test_a_cache_that_is_a_file_is_refused(command: Command, world: Path) -> None:
    answer = _search(command, world, "--cache", world / "stream.yaml")
    assert answer.status == 2
    _one_line(answer, "stream.yaml: cannot be a cache: Not a directory")
    assert not (world / "run").exists()


@pytest.mark.parametrize("place", [".", "components", "mine"])
def test_a_cache_in_the_run_folder_is_refused(place: str, command: Command, world: Path) -> None:
    answer = _search(command, world, "--cache", world / "run" / place)
    assert answer.status == 2
    _one_line(answer, "expected a folder outside the run")
    assert not (world / "run").exists()


def test_an_empty_folder_becomes_a_cache_and_is_one_for_the_next_search(
    command: Command, world: Path
) -> None:
    (world / "empty").mkdir()
    for _ in range(2):
        assert _search(command, world, "--cache", world / "empty").status == 0
        assert [*(world / "empty").glob("*.npy")]
        shutil.rmtree(world / "run")


def test_other_things_in_the_runs_own_cache_stop_the_search_and_stay(
    command: Command, received: Path
) -> None:
    (received / "cache").mkdir()
    (received / "cache" / "notes").write_text("mine")
    answer = command("resume", received, "--passes", "2")
    assert answer.status == 2
    _one_line(answer, "cache", "'notes' is in it")
    assert (received / "cache" / "notes").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments",
    [("resume", "--passes", "2"), ("offer",), ("choose", "--task=one", "--candidate=1/0")],
    ids="-".join,
)
@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_run_with_a_link_in_it_is_not_written_to(
    name: str, arguments: tuple[str, ...], command: Command, received: Path
) -> None:
    outside = received.parent / "outside"
    if (received / name).exists():
        (received / name).rename(outside)
    elif name in FOLDERS:
        outside.mkdir()
        (outside / "notes").write_text("mine")
    else:
        outside.write_text("mine")
    (received / name).symlink_to(outside)
    before = _content(received.parent)
    answer = command(arguments[0], received, *arguments[1:])
    assert answer.status == 2
    _one_line(answer, name, "met a link")
    assert _content(received.parent) == before
    assert command("evaluate", received, "--json").status == 0  # reading it is no harm


def test_a_part_of_the_components_that_is_a_link_is_not_swept(command: Command, received: Path) -> None:
    outside = received.parent / "outside"
    outside.mkdir()
    theirs = outside / f"{'a' * 64}.safetensors"
    theirs.write_bytes(b"theirs")
    next((received / "components").iterdir()).rename(received.parent / "kept")
    (received / "components" / "aa").symlink_to(outside)
    answer = command("resume", received, "--passes", "2")
    assert answer.status == 2
    _one_line(answer, "components/aa", "met a link")
    assert theirs.read_bytes() == b"theirs"


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_pipe_in_the_place_of_a_runs_file_holds_no_command_up(
    name: str, command: Command, received: Path
) -> None:
    place = received / name
    shutil.rmtree(place, ignore_errors=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    for arguments in (("show",), ("evaluate", "--json"), ("resume", "--passes", "2")):
        answer = command(arguments[0], received, *arguments[1:])
        assert answer.status in (0, 1, 2)
        assert answer.status == 0 or answer.err.count("\n") == 1
    assert answer.status == 2
