"""A search that is stopped anywhere goes on to the journal of one that never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import evo_mtl
from evo_mtl import files
from evo_mtl.archive.journal import read_journal
from evo_mtl.archive.store import verify_components
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.progress import CandidateDone, Event, GenerationDone, TaskDone
from evo_mtl.run.state import replay
from evo_mtl.testing.worlds import write_task
from tests.worlds import config, journal, search

ROOT = Path(evo_mtl.__file__).parents[1]
SCRIPT = """
import sys
from pathlib import Path
from evo_mtl.run.config import make_config
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.searching.runner import run_search
stream, space, run = map(Path, sys.argv[1:4])
run_search(RunFolder(run), make_config(stream, str(space)), Options(workers=int(sys.argv[4])))
"""


class Stopped(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world and a run that was never stopped."""
    folder = tmp_path_factory.mktemp("world")
    search(folder / "whole", made(folder))
    return folder


def made(home: Path) -> RunConfig:
    return config(home, "one", "three")


def whole(home: Path) -> bytes:
    return journal(home / "whole")


def components(run: Path) -> set[str]:
    return set(RunFolder(run).store().digests())


def check_prefix(home: Path, run: Path) -> None:
    """What a stopped run leaves is a beginning, and every component its routes name is whole."""
    if not RunFolder(run).journal.exists():
        return
    left = read_journal(RunFolder(run).journal)
    assert left == read_journal(RunFolder(home / "whole").journal)[: len(left)]
    state = replay(RunFolder(run).journal)
    pinned = [c for name in state.routes for c in state.answer(name).components]
    assert verify_components(RunFolder(run).store(), pinned) == ()


def stop_at(kind: type, number: int):
    """A progress that ends the search at the ``number``-th event of a kind."""
    seen = []

    def progress(event: Event) -> None:
        seen.append(isinstance(event, kind))
        if sum(seen) == number and seen[-1]:
            raise Stopped

    return progress


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (CandidateDone, 1),
        (CandidateDone, 4),
        (GenerationDone, 1),
        (GenerationDone, 2),
        (TaskDone, 1),
        (CandidateDone, 9),
    ],
)
def test_a_search_stopped_anywhere_resumes_to_the_same_journal_and_the_same_components(
    kind: type, number: int, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        search(tmp_path / "run", made(home), progress=stop_at(kind, number))
    check_prefix(home, tmp_path / "run")
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == whole(home)
    assert components(tmp_path / "run") == components(home / "whole")


def test_a_search_stopped_again_and_again_still_ends_with_the_same_journal(
    home: Path, tmp_path: Path
) -> None:
    stops = 0
    while True:
        try:
            search(tmp_path / "run", made(home), progress=stop_at(CandidateDone, 3))
            break
        except Stopped:
            stops += 1
    assert stops >= 4
    assert journal(tmp_path / "run") == whole(home)


@pytest.mark.parametrize("at", [1, 4, 20, 70, 100, 130, 160, 180])
def test_a_search_that_fails_at_a_file_operation_resumes_to_the_same_journal(
    at: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def due() -> bool:
        calls.append(1)
        if len(calls) == at:
            raise Stopped
        return False

    monkeypatch.setattr(files, "_crash_due", due)
    with pytest.raises(Stopped):
        search(tmp_path / "run", made(home))
    check_prefix(home, tmp_path / "run")
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == whole(home)
    assert components(tmp_path / "run") == components(home / "whole")


def flip_bits(run: Path) -> int:
    """Flips a bit in the middle of every kept array; returns how many there were."""
    found = [*(run / "cache").rglob("*.npy")]
    for path in found:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size * 3 // 5)
            byte = file.read(1)[0] ^ 16
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte]))
    return len(found)


def test_bits_that_flip_in_kept_arrays_between_generations_leave_the_same_journal(
    home: Path, tmp_path: Path
) -> None:
    flipped = []

    def damage(event: Event) -> None:
        if isinstance(event, GenerationDone):
            flipped.append(flip_bits(tmp_path / "run"))

    search(tmp_path / "run", made(home), progress=damage)
    assert sum(flipped) >= 6
    assert journal(tmp_path / "run") == whole(home)


def test_bits_that_flipped_in_kept_arrays_while_a_search_lay_still_leave_the_same_journal(
    home: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        search(tmp_path / "run", made(home), progress=stop_at(GenerationDone, 1))
    assert flip_bits(tmp_path / "run")
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == whole(home)


def test_a_new_search_of_changed_data_that_is_stopped_is_not_taken_for_done(
    home: Path, tmp_path: Path
) -> None:
    asked = Options(research=True)
    config_ = config(tmp_path, "one")
    for run in ("stopped", "straight"):
        search(tmp_path / run, config_)
    write_task(tmp_path / "one.npz", seed=77)
    search(tmp_path / "straight", config_, asked)
    with pytest.raises(Stopped):
        search(tmp_path / "stopped", config_, asked, stop_at(CandidateDone, 1))
    search(tmp_path / "stopped", config_)
    assert journal(tmp_path / "stopped") == journal(tmp_path / "straight")


def start(home: Path, run: Path, workers: int, crash_at: int | None = None) -> subprocess.Popen:
    made(home)
    environment = {key: value for key, value in os.environ.items() if key != "EVOMTL_CRASH_AT"}
    if crash_at is not None:
        environment["EVOMTL_CRASH_AT"] = str(crash_at)
    arguments = [home / "stream.yaml", home / "space.yaml", run, workers]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, arguments)], env=environment, cwd=ROOT)


def test_a_process_that_ends_in_the_middle_of_a_write_resumes_to_the_same_journal(
    home: Path, tmp_path: Path
) -> None:
    assert start(home, tmp_path / "run", 1, crash_at=120).wait() == files.CRASH_STATUS
    check_prefix(home, tmp_path / "run")
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == whole(home)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 3, 4, 9, 35, 60, 85, 110, 115, 140, 180, 190])
def test_a_process_that_ends_at_any_file_operation_resumes_to_the_same_journal(
    at: int, home: Path, tmp_path: Path
) -> None:
    assert start(home, tmp_path / "run", 1, crash_at=at).wait() == files.CRASH_STATUS
    check_prefix(home, tmp_path / "run")
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == whole(home)


@pytest.mark.slow
@pytest.mark.parametrize("lines", [2, 3, 5, 7])
def test_a_search_killed_with_its_workers_at_work_resumes_to_the_same_journal(
    lines: int, home: Path, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    process = start(home, run.path, workers=2)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if run.journal.exists() and run.journal.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    check_prefix(home, run.path)
    search(run.path, made(home))
    assert journal(run.path) == whole(home)
