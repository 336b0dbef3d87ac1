"""A run that one was given says which functions its ``python:`` tasks call; none is called unless the user says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import evo_mtl
from evo_mtl.engines.local import ProcessEngine, SerialEngine
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.errors import DataError
from evo_mtl.plain import plain, restore
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import open_task, open_test
from evo_mtl.testing.worlds import a_trunk
from tests.cli.conftest import Answer, Command
from tests.cli.worlds import write_world

MODULE = """\
import pathlib
import numpy as np

HERE = pathlib.Path(__file__).parent

def make():
    with open(HERE / "called", "a") as file:
        file.write("x")
    data = np.load(HERE / "one.npz")
    return {"train_images": data["images"], "train_labels": data["labels"]}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A world whose one task is made by a function, searched from Python; counts its calls in ``called``."""
    folder = write_world(tmp_path_factory.mktemp("made"))
    (folder / "world_of_strangers.py").write_text(MODULE)
    (folder / "stream.yaml").write_text(
        'name: tiny\ntasks:\n  - {name: mine, source: "python:world_of_strangers:make"}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        run = evo_mtl.search(
            folder / "stream.yaml", space=str(folder / "space.yaml"), run=folder / "run", workers=2
        )
        assert run.evaluate()["tasks"][0]["name"] == "mine"  # the stream file was handed in just now
        yield folder


@pytest.fixture
def given(made: Path, tmp_path: Path) -> Path:
    """The same run as somebody else gets it: its stream file is named there and was never handed in here."""
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def _calls(made: Path) -> int:
    return len((made / "called").read_text())


def _refused(answer: Answer) -> None:
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    for part in ("task mine", "python:world_of_strangers:make", "--trust-python"):
        assert part in answer.err


@pytest.mark.parametrize("line", [["evaluate"], ["resume"], ["offer"], ["evaluate", "--task", "mine"]])
def test_no_command_calls_a_function_that_a_run_names_unless_told_so(
    command: Command, made: Path, given: Path, line: list[str]
) -> None:
    before, journal = _calls(made), (given / "journal.jsonl").read_bytes()
    _refused(command(line[0], given, *line[1:]))
    assert _calls(made) == before
    assert (given / "journal.jsonl").read_bytes() == journal


def test_what_a_run_names_is_not_even_imported(command: Command, given: Path) -> None:
    config = given / "run.yaml"
    config.write_text(config.read_text().replace("python:world_of_strangers:make", "python:this:s"))
    answer = command("evaluate", given)
    assert answer.status == 2
    assert answer.out == ""  # importing it prints a poem
    assert "python:this:s" in answer.err


@pytest.mark.parametrize("line", [["evaluate"], ["resume", "--workers", "2", "--passes", "2"]])
def test_a_user_who_trusts_the_run_has_them_called(
    command: Command, made: Path, given: Path, line: list[str]
) -> None:
    before = _calls(made)
    assert command(line[0], given, *line[1:], "--trust-python").status == 0
    assert _calls(made) > before


def test_handing_in_the_stream_file_is_the_users_own_word(command: Command, made: Path, given: Path) -> None:
    line = ["search", "--tasks", made / "stream.yaml", "--space", made / "space.yaml", "--run", given]
    before = _calls(made)
    assert command(*line, "--quiet").status == 0
    assert _calls(made) > before


def test_the_functions_for_python_ask_for_the_same_word(made: Path, given: Path) -> None:
    with pytest.raises(DataError, match="trust_python=True"):
        evo_mtl.evaluate(given)
    with pytest.raises(DataError, match="trust_python=True"):
        evo_mtl.resume(given)
    assert evo_mtl.load(given).tasks == ("mine",)  # it answers all the same
    assert evo_mtl.evaluate(given, trust_python=True)["tasks"][0]["name"] == "mine"
    assert evo_mtl.resume(given, trust_python=True).evaluate()["tasks"][0]["name"] == "mine"


@pytest.mark.parametrize("opened", [open_task, open_test])
def test_a_task_is_opened_without_trust_unless_it_is_given(opened: object) -> None:
    config = TaskConfig(name="mine", source="python:os:abort")
    with pytest.raises(DataError, match=r"task mine: its source python:os:abort runs code"):
        opened(config)  # type: ignore[operator]


def test_a_worker_calls_nothing_that_its_site_does_not_trust(tmp_path: Path) -> None:
    _, layout, _ = a_trunk(tmp_path / "run")
    plan = BenchPlan(
        seed=0,
        layout=layout,
        task="mine",
        metric="accuracy",
        digest="0" * 64,
        validations=2,
        sizes=(32,),
        threads=1,
        device="cpu",
    )
    source = TaskConfig(name="mine", source="python:os:abort")
    site = Site(tmp_path / "run", tmp_path / "cache", 2**28, tasks={plan.digest: source})
    assert restore(Site, plain(replace(site, trust_python=True))).trust_python
    workers = ProcessEngine(1, site)
    try:
        for engine in (SerialEngine(site), workers):
            with pytest.raises(DataError, match="python:os:abort runs code"):
                engine.run(plan, [{"kind": "describe"}], lambda *done: None)
    finally:
        workers.close()
