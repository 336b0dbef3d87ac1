"""What a run's files tell without a tensor or a data set."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.archive.journal import read_journal
from evo_mtl.archive.lines import Line, Lines
from evo_mtl.errors import CorruptionError, InputError, RunError
from evo_mtl.evolution.candidate import CHILD, DRAW, OfTask, OfTurn
from evo_mtl.evolution.outcome import OK
from evo_mtl.network.cost import stage_parameters
from evo_mtl.run.config import make_config
from evo_mtl.run.events import Generation, history, read_event
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.state import ArchiveState, Stored
from evo_mtl.searching.runner import run_search
from evo_mtl.telling.summary import Step, Tried, lineage, summarize, task_details
from evo_mtl.testing.records import told
from tests.cli.worlds import write_world


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two tasks."""
    folder = write_world(tmp_path_factory.mktemp("summary"))
    config = make_config(folder / "stream.yaml", str(folder / "space.yaml"))
    run_search(RunFolder(folder / "run"), config, Options())
    return folder / "run"


def test_a_summary_has_a_row_a_task_as_the_journal_has_it(run: Path) -> None:
    state = open_run(run)[2]
    found = summarize(run)
    assert [row["name"] for row in found["tasks"]] == ["one", "two"]
    assert found["waiting"] == []
    for row in found["tasks"]:
        told = state.routes[row["name"]].brief
        assert row["validation_quality"] == told.quality
        assert row["added_parameters"] == told.cost.added_parameters
        assert row["candidate"] == str(told.candidate)
        assert row["classes"] == 2


def test_every_candidate_of_the_journal_is_counted(run: Path) -> None:
    tried = {"one": 0, "two": 0}
    for event in history(run / "journal.jsonl"):
        if isinstance(event, Generation):
            tried[event.task] += len(event.evaluations)
    assert {row["name"]: row["candidates_tried"] for row in summarize(run)["tasks"]} == tried


def test_the_trunks_parameters_are_those_of_its_modules(run: Path) -> None:
    trunk = sum(stage_parameters("mobilenetv2_035", "group"))
    found = summarize(run)
    assert [one["parameters"] for one in found["trunks"]] == [trunk]
    assert found["total_parameters"] == trunk + sum(row["added_parameters"] for row in found["tasks"])


def test_the_parameters_of_a_routes_nodes_add_up_to_what_it_runs(run: Path) -> None:
    for task in ("one", "two"):
        details = task_details(run, task)
        assert sum(node["parameters"] for node in details["nodes"]) == details["active_parameters"]


def test_own_nodes_add_up_to_what_the_task_added(run: Path) -> None:
    details = task_details(run, "one")
    own = [node for node in details["nodes"] if not node["of_trunk"] and not node["shared_with"]]
    assert sum(node["parameters"] for node in own) == details["added_parameters"]


def test_stages_of_the_trunk_are_shared_by_both_tasks(run: Path) -> None:
    first = task_details(run, "one")["nodes"][0]
    assert first["of_trunk"]
    assert first["shared_with"] == ["two"]


def test_a_lineage_goes_from_the_winner_back_to_a_seed_candidate(run: Path) -> None:
    steps = task_details(run, "one")["lineage"]
    assert steps[0]["candidate"] == summarize(run)["tasks"][0]["candidate"]
    assert steps[-1]["parent"] is None
    assert steps[-1]["origin"] == "depth_ridge"


def test_a_lineage_crosses_to_the_route_of_another_task_and_ends_in_a_loop() -> None:
    seed, first, other = OfTurn(0, 0), OfTurn(1, 0), OfTurn(1, 1)
    tried = {
        "a": {
            Step(seed): Tried(OK, DRAW, None, 0.5, 0.5),
            Step(first): Tried(OK, CHILD, OfTask("b"), 0.6, 0.6),
        },
        "b": {Step(other): Tried(OK, CHILD, OfTask("a"), 0.7, 0.7)},
    }

    def stored(candidate: OfTurn) -> Stored:
        return Stored(Line(0, 0, 0), replace(told(), candidate=candidate), Lines(Path("none"), read_event))

    state = ArchiveState(routes={"a": stored(first), "b": stored(other)})
    steps = lineage("a", first, tried, state)
    assert [(step["task"], step["candidate"]) for step in steps] == [("a", "1/0"), ("b", "1/1")]


def test_a_task_without_a_route_is_waiting_and_has_no_details(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    cut = next(i for i, event in enumerate(read_journal(journal)) if event.kind == "route") + 1
    journal.write_bytes(b"".join(lines[:cut]))
    assert summarize(tmp_path / "run")["waiting"] == ["two"]
    with pytest.raises(RunError, match="'two' has not been archived yet"):
        task_details(tmp_path / "run", "two")


def test_an_unknown_task_is_refused_with_a_suggestion(run: Path) -> None:
    with pytest.raises(InputError, match='did you mean "one"'):
        task_details(run, "onee")


def test_a_missing_component_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    node = task_details(tmp_path / "run", "one")["nodes"][0]
    RunFolder(tmp_path / "run").store().path(node["component"]).unlink()
    with pytest.raises(CorruptionError, match=node["component"]):
        summarize(tmp_path / "run")


def test_a_summary_loads_no_torch(run: Path) -> None:
    code = (
        "import sys; from evo_mtl.telling.summary import summarize, task_details;"
        "summarize(sys.argv[1]); task_details(sys.argv[1], 'one'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run)], check=False).returncode == 0
