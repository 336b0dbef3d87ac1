"""A run shown in an Optuna storage: whole, once, and never in the search's way."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

import evo_mtl
from evo_mtl.archive.journal import read_journal
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.outcome import OK, failed, rejected
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Generation, read_event
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.progress import Event, GenerationDone, MirrorFailed
from evo_mtl.telling import mirror
from evo_mtl.telling.mirror import mirrored
from evo_mtl.telling.optuna_storage import open_storage, shown
from evo_mtl.testing.genomes import a_space, a_world, played, trunk_facts
from tests.worlds import config, events, journal, search

ROOT = Path(evo_mtl.__file__).parents[1]
NAMES = ("one", "two")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world, and a run of it that was never mirrored."""
    folder = tmp_path_factory.mktemp("world")
    search(folder / "run", made(folder))
    return folder


def made(home: Path) -> RunConfig:
    return config(home, *NAMES)


def show(run: Path, url: str, made_: RunConfig) -> list[Event]:
    """Mirrors what a journal has; returns what was told."""
    told: list[Event] = []
    with mirrored(url, run, made_.spaces, told.append):
        pass
    return told


def trials(url: str, task: str, run: str = "run") -> list[FrozenTrial]:
    return optuna.load_study(study_name=f"{run}/{task}", storage=open_storage(url)).trials


def addresses(url: str, names: tuple[str, ...] = NAMES) -> Counter[tuple[str, str]]:
    """How often each candidate is in the storage, by the journal line that committed it."""
    found = [trial for name in names for trial in trials(url, name)]
    return Counter((trial.user_attrs["event"], trial.user_attrs["candidate"]) for trial in found)


def committed(run: Path) -> Counter[tuple[str, str]]:
    """Each candidate of a journal once."""
    return Counter(
        (event.digest, str(one.candidate.id))
        for event in read_journal(RunFolder(run).journal)
        if event.kind == "generation"
        for one in read_event(event, RunFolder(run).journal).evaluations
    )


def urls(folder: Path) -> list[str]:
    return [f"sqlite:///{folder}/optuna.db", f"journal:{folder}/optuna.log"]


@pytest.mark.parametrize("kind", [0, 1], ids=["sqlite", "journal"])
def test_a_mirrored_search_has_the_journal_of_one_that_was_not_and_shows_every_candidate(
    kind: int, home: Path, tmp_path: Path
) -> None:
    url = urls(tmp_path)[kind]
    search(tmp_path / "run", made(home), Options(optuna_storage=url))
    assert journal(tmp_path / "run") == journal(home / "run")
    assert RunFolder(tmp_path / "run").config.read_bytes() == RunFolder(home / "run").config.read_bytes()
    assert addresses(url) == committed(home / "run")


@pytest.mark.parametrize("kind", [0, 1], ids=["sqlite", "journal"])
def test_mirroring_again_adds_nothing(kind: int, home: Path, tmp_path: Path) -> None:
    url = urls(tmp_path)[kind]
    for _ in range(2):
        assert show(home / "run", url, made(home)) == []
        assert addresses(url) == committed(home / "run")


def test_what_a_storage_lacks_of_a_run_is_added(home: Path, tmp_path: Path) -> None:
    run, url = RunFolder(tmp_path / "run"), urls(tmp_path)[0]
    run.path.mkdir()
    lines = journal(home / "run").splitlines(keepends=True)
    places = [place for place, line in enumerate(lines, 1) if b'"kind":"generation"' in line]
    for upto in (places[1], len(lines)):
        run.journal.write_bytes(b"".join(lines[:upto]))
        show(run.path, url, made(home))
        assert addresses(url, NAMES if upto > places[1] else NAMES[:1]) == committed(run.path)


def test_a_trial_says_what_its_candidate_is_and_what_came_of_it(home: Path, tmp_path: Path) -> None:
    url = urls(tmp_path)[0]
    show(home / "run", url, made(home))
    first = events(home / "run", Generation)[1].evaluations[0]
    study = optuna.load_study(study_name="run/one", storage=open_storage(url))
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    trial = next(one for one in study.trials if one.user_attrs["candidate"] == str(first.candidate.id))
    assert trial.state == TrialState.COMPLETE
    assert trial.value == first.score
    assert list(trial.intermediate_values.values()) == list(first.curve)
    assert trial.params["depth"] == first.candidate.genome.depth
    assert trial.params["head"] == first.candidate.genome.head.kind
    assert trial.user_attrs["parent"] == str(first.candidate.parent)
    assert trial.user_attrs["origin"] == "child"
    assert trial.user_attrs["quality"] == first.quality
    assert trial.user_attrs["added_parameters"] == first.cost.added_parameters
    assert trial.user_attrs["multiply_adds"] == first.cost.inference


@pytest.mark.parametrize(
    ("status", "state"),
    [(OK, TrialState.COMPLETE), (failed("so"), TrialState.FAIL), (rejected("weak"), TrialState.PRUNED)],
)
def test_a_rejected_candidate_is_pruned_and_a_failed_one_failed(status: str, state: TrialState) -> None:
    world = a_world(a_space())
    one = next(one for one in played(world, "mu2net")[1] if one.ok)
    if not status.ok:
        one = replace(one, status=status, score=float("-inf"))
    assert shown(one, world.space, trunk_facts(), {}).state == state


def test_another_run_of_the_same_name_has_studies_of_its_own(home: Path, tmp_path: Path) -> None:
    url, other = urls(tmp_path)[0], config(tmp_path, "one", seed=5)
    search(tmp_path / "run", other)
    show(home / "run", url, made(home))
    show(tmp_path / "run", url, other)
    assert addresses(url) == committed(home / "run")
    names = optuna.get_all_study_names(open_storage(url))
    name = f"run/one ({read_journal(RunFolder(tmp_path / 'run').journal)[0].digest[:8]})"
    assert sorted(names) == sorted(["run/one", "run/two", name])
    assert len(trials(url, name.removeprefix("run/"))) == sum(committed(tmp_path / "run").values())


KILLED = """
import os, signal, sys
from pathlib import Path
from evo_mtl.run.progress import GenerationDone
from tests.telling.test_mirror import made
from tests.worlds import search
from evo_mtl.run.options import Options

left = 4
def progress(event):
    global left
    left -= isinstance(event, GenerationDone)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

search(Path(sys.argv[2]), made(Path(sys.argv[1])), Options(optuna_storage=sys.argv[3]), progress)
"""


def test_after_a_kill_and_a_resume_every_candidate_is_there_exactly_once(home: Path, tmp_path: Path) -> None:
    url = urls(tmp_path)[0]
    arguments = [sys.executable, "-c", KILLED, str(home), str(tmp_path / "run"), url]
    assert subprocess.run(arguments, cwd=ROOT, env={**os.environ}).returncode == -signal.SIGKILL
    assert 0 < sum(committed(tmp_path / "run").values()) < sum(committed(home / "run").values())
    search(tmp_path / "run", made(home), Options(optuna_storage=url))
    assert journal(tmp_path / "run") == journal(home / "run")
    assert addresses(url) == committed(home / "run")


HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_storage_that_another_process_has_locked_holds_no_search_up(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PATIENCE", 1.5)
    url, file = urls(tmp_path)[0], tmp_path / "optuna.db"
    told: list[Event] = []
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "held\n"
        search(tmp_path / "run", made(home), Options(optuna_storage=url), told.append)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(file, timeout=0).execute("SELECT * FROM sqlite_master")
        holder.stdin.close()
    assert journal(tmp_path / "run") == journal(home / "run")
    assert [event.reason for event in told if isinstance(event, MirrorFailed)] == ["database is locked"]
    assert sum(isinstance(event, GenerationDone) for event in told) == 6
    assert show(tmp_path / "run", url, made(home)) == []
    assert addresses(url) == committed(home / "run")


def test_a_storage_that_hangs_is_left_behind_and_still_shows_no_candidate_twice(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PATIENCE", 0.2)
    url, answers = urls(tmp_path)[0], threading.Event()

    def hang(url: str) -> optuna.storages.BaseStorage:
        answers.wait()
        return open_storage(url)

    with monkeypatch.context() as patch:
        patch.setattr(mirror, "open_storage", hang)
        assert show(home / "run", url, made(home)) == [MirrorFailed("it does not answer")]
    monkeypatch.setattr(mirror, "PATIENCE", 20.0)
    answers.set()
    assert show(home / "run", url, made(home)) == []
    assert addresses(url) == committed(home / "run")


def test_a_corrupt_database_is_told_once_and_left_as_it_is(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "PATIENCE", 0.5)
    file, told = tmp_path / "optuna.db", []
    file.write_bytes(b"no database" * 1000)
    search(tmp_path / "run", made(home), Options(optuna_storage=urls(tmp_path)[0]), told.append)
    assert journal(tmp_path / "run") == journal(home / "run")
    assert [event.reason for event in told if isinstance(event, MirrorFailed)] == ["file is not a database"]
    assert file.read_bytes() == b"no database" * 1000


def test_optuna_says_nothing_while_a_run_is_mirrored(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    show(home / "run", urls(tmp_path)[0], made(home))
    assert [record for record in caplog.records if record.name.startswith("optuna")] == []


def test_a_trial_of_any_algorithms_candidate_is_one_that_optuna_accepts(tmp_path: Path) -> None:
    world = a_world(a_space(budget={"generations": 3, "children": 4}))
    tried: list[Evaluation] = []
    for algorithm in ("mu2net", "random", "tpe"):
        tried += played(world, algorithm)[1]
    study = optuna.create_study(direction="maximize", study_name="all")
    study.add_trials([shown(one, world.space, world.facts, {}) for one in tried])
    assert len(study.trials) == len(tried) > 30
