"""Wrong input is one line that names file and place, status 2, and nothing written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evo_mtl.answering.model import load
from evo_mtl.errors import CorruptionError
from tests.cli.conftest import Answer, Command


def _search(command: Command, world: Path, *more: object) -> Answer:
    return command(
        *(
            "search",
            "--tasks",
            world / "stream.yaml",
            "--space",
            world / "space.yaml",
            "--run",
            world / "run",
        ),
        *more,
    )


def _refused(answer: Answer, world: Path, *parts: str) -> None:
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("evo-mtl: error: ")
    assert answer.err.count("\n") == 1
    for part in parts:
        assert part in answer.err
    assert not (world / "run").exists()


def _folder_task(world: Path, counts: dict[str, int]) -> Path:
    """A stream of one task of PNGs in class folders."""
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        folder = world / "data" / "train" / name
        folder.mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    (world / "stream.yaml").write_text('name: s\ntasks:\n  - {name: mine, source: "folder:data"}\n')
    return world / "data" / "train"


def test_a_missing_stream_file_is_named(command: Command, world: Path) -> None:
    (world / "stream.yaml").unlink()
    _refused(_search(command, world), world, "stream.yaml")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: s\ntaks: []\n", ("stream.yaml:2", "taks", 'did you mean "tasks"')),
        (
            'name: s\ntasks:\n  - {name: a, source: "npz:one.npz", limit: many}\n',
            ("stream.yaml:3", "limit", "many"),
        ),
        (
            'name: s\ntasks:\n  - {name: a, source: "npz:one.npz"}\n  - {name: a, source: "npz:two.npz"}\n',
            ("stream.yaml:4", "'a'", "line 3"),
        ),
        ('name: s\ntasks:\n  - {name: a, source: "npx:one.npz"}\n', ("stream.yaml:3", 'did you mean "npz"')),
        ('name: s\ntasks:\n  - {name: a, source: "npz:gone.npz"}\n', ("gone.npz",)),
        (
            "name: s\nregime: sometimes\ntasks:\n  - {name: a, source: 'npz:one.npz'}\n",
            ("stream.yaml", "regime"),
        ),
        ("name: [\n", ("stream.yaml:",)),
    ],
    ids=["key", "type", "two names", "source", "file", "regime", "yaml"],
)
def test_a_wrong_stream_file_is_refused_by_line_and_key(
    command: Command, world: Path, text: str, parts: tuple[str, ...]
) -> None:
    (world / "stream.yaml").write_text(text)
    _refused(_search(command, world), world, *parts)


def test_a_number_written_1e_minus_3_is_a_number(command: Command, world: Path) -> None:
    answer = _search(
        command,
        world,
        *("--set", "hyperparameters.learning_rate={values: [1e-3, 1e-2], default: 1e-3}"),
        *("--set", "budget.generations=0", "--quiet"),
    )
    assert answer.status == 0
    assert "0.001" in (world / "run" / "run.yaml").read_text()


def test_a_class_with_one_image_is_named_with_its_image(command: Command, world: Path) -> None:
    _folder_task(world, {"cat": 8, "dog": 1})
    _refused(_search(command, world), world, "data", "'dog'", "0.png")


def test_a_task_with_one_class_is_named(command: Command, world: Path) -> None:
    _folder_task(world, {"cat": 8})
    _refused(_search(command, world), world, "data", "one class (cat)")


def test_a_truncated_training_image_is_found_before_anything_is_written(
    command: Command, world: Path
) -> None:
    images = _folder_task(world, {"cat": 12, "dog": 12})
    for image in images.glob("cat/*.png"):
        image.write_bytes(image.read_bytes()[:-60])
    _refused(_search(command, world), world, "cat", ".png")


def test_an_empty_folder_of_images_is_named(command: Command, world: Path) -> None:
    (world / "data").mkdir()
    (world / "stream.yaml").write_text('name: s\ntasks:\n  - {name: mine, source: "folder:data"}\n')
    _refused(_search(command, world), world, "data")


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("trunk.name=mobilenetv2_036", ("mobilenetv2_036", "did you mean")),
        ("trunk.weights=file:/nowhere.safetensors", ("/nowhere.safetensors",)),
        ("budget.childern=2", ("--set", "childern", "children")),
        ("budget.children=two", ("--set", "children", "two")),
        ("stages.boundaries=[99]", ("boundaries", "99")),
        ("budget.children", ("--set", "key=value")),
        ("nowhere.at.all=1", ("--set", "nowhere.at.all")),
        ("algorithm=mu2nett", ('did you mean "mu2net"',)),
    ],
)
def test_a_wrong_setting_is_refused(
    command: Command, world: Path, setting: str, parts: tuple[str, ...]
) -> None:
    _refused(_search(command, world, "--set", setting), world, *parts)


def test_an_unknown_space_is_refused_with_a_suggestion(command: Command, world: Path) -> None:
    answer = command("search", "--tasks", world / "stream.yaml", "--space", "smal", "--run", world / "run")
    _refused(answer, world, 'did you mean "small"')


def test_cuda_is_refused_where_there_is_none(
    command: Command, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    _refused(_search(command, world, "--device", "cuda"), world, "--device cuda", "use cpu")


def test_an_estimate_refuses_what_a_search_refuses(command: Command, world: Path) -> None:
    images = _folder_task(world, {"cat": 12, "dog": 12})
    for image in images.glob("dog/*.png"):
        image.write_bytes(b"no image")
    _refused(_search(command, world, "--dry-run"), world, "dog")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["serch"], ("serch",)),
        (["search", "--tasks", "x", "--workers", "0"], ("--workers", "equal to 1")),
        (["search", "--tasks", "x", "--device", "tpu"], ("tpu",)),
        (["search"], ("--tasks",)),
        (["tasks"], ("command",)),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    command: Command, tmp_path: Path, arguments: list[str], parts: tuple[str, ...]
) -> None:
    _refused(command(*arguments), tmp_path, *parts)


def test_a_folder_of_other_files_is_no_run_and_is_left_alone(command: Command, world: Path) -> None:
    other = world / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    line = ["search", "--tasks", world / "stream.yaml", "--space", world / "space.yaml", "--run", other]
    _refused(command(*line), world, str(other), "thesis.txt")
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("line", [["resume"], ["show"], ["evaluate"], ["predict", "--task", "all"]])
def test_every_command_refuses_a_folder_that_is_no_run(
    command: Command, tmp_path: Path, line: list[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    image = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(image)
    more = [image] if line[0] == "predict" else []
    for folder in (tmp_path / "other", tmp_path / "gone"):
        answer = command(line[0], folder, *more, *line[1:])
        _refused(answer, tmp_path, str(folder))
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_a_run_of_another_configuration_is_refused_and_says_where_it_differs(
    command: Command, finished: Path
) -> None:
    before = (finished / "run" / "journal.jsonl").read_bytes(), (finished / "run" / "run.yaml").read_bytes()
    answer = command(
        *("search", "--tasks", finished / "stream.yaml", "--space", finished / "space.yaml"),
        *("--run", finished / "run", "--set", "budget.children=2"),
    )
    assert answer.status == 2
    assert answer.err.count("\n") == 1
    assert "budget.children is 1 there, 2 here" in answer.err
    assert before == (
        (finished / "run" / "journal.jsonl").read_bytes(),
        (finished / "run" / "run.yaml").read_bytes(),
    )


def test_predict_names_a_file_that_is_no_image(command: Command, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image at all")
    answer = command("predict", finished / "run", tmp_path, "--task", "one", "--json")
    _refused(answer, tmp_path, str(tmp_path / "notes.png"))


@pytest.mark.parametrize("task", ["onee", "auto"])
def test_predict_refuses_a_task_it_does_not_know(
    command: Command, finished: Path, tmp_path: Path, task: str
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    _refused(command("predict", finished / "run", tmp_path, "--task", task), tmp_path)


def test_show_suggests_a_task_for_a_misspelt_name(command: Command, finished: Path, tmp_path: Path) -> None:
    answer = command("show", finished / "run", "--task", "tow")
    _refused(answer, tmp_path, 'did you mean "two"')


def test_a_broken_journal_is_status_2_and_names_the_line(command: Command, world: Path) -> None:
    assert _search(command, world, "--quiet", "--set", "budget.generations=0").status == 0
    journal = world / "run" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"kind":"root"', b'"kind":"boot"'))
    answer = command("show", world / "run")
    assert answer.status == 2
    assert "journal.jsonl:2" in answer.err
    assert answer.err.count("\n") == 1


def test_checking_a_stream_tells_all_and_refuses_what_would_stop_a_search(
    command: Command, world: Path
) -> None:
    images = _folder_task(world, {"cat": 12, "dog": 12})
    for image in images.glob("cat/*.png"):
        image.write_bytes(image.read_bytes()[:-60])
    answer = command("tasks", "check", world / "stream.yaml", "--json")
    assert answer.status == 2
    assert answer.json["tasks"][0]["stopping"]
    assert answer.err.count("\n") == 1
    assert "cat" in answer.err


@pytest.mark.parametrize("dry_run", [False, True])
def test_limits_that_no_seed_candidate_keeps_end_a_search_and_its_estimate_alike(
    command: Command, world: Path, dry_run: bool
) -> None:
    more = ["--dry-run"] if dry_run else ["--quiet"]
    answer = _search(command, world, "--set", "limits.added_parameters=3", *more)
    assert answer.status == 2
    assert answer.err.count("\n") == 1
    for part in ("limits.added_parameters: 3", "'depth_ridge'"):
        assert part in answer.err


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("runs.db", ("--optuna-storage", "sqlite:///FILE")),
        ("nosuch://host/base", ("--optuna-storage", "sqlite:///FILE")),
        ("sqlite://", ("--optuna-storage", "expected a file")),
        ("sqlite:///no/such/folder/o.db", ("--optuna-storage", "no/such/folder")),
        ("journal:", ("--optuna-storage", "expected a file")),
        ("journal:/", ("--optuna-storage", "folder")),
        ("mysql+pymysql://user:secret@host/base", ("--optuna-storage", "pymysql")),
    ],
)
def test_an_address_that_no_optuna_storage_has_is_refused(
    command: Command, world: Path, url: str, parts: tuple[str, ...]
) -> None:
    answer = _search(command, world, "--optuna-storage", url)
    _refused(answer, world, *parts)
    assert "secret" not in answer.err


def test_a_storage_that_cannot_be_written_is_one_line_even_where_progress_is_not_shown(
    command: Command, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evo_mtl.telling.mirror.PATIENCE", 0.5)
    (world / "o.db").write_bytes(b"no database" * 1000)
    answer = _search(command, world, "--quiet", "--optuna-storage", f"sqlite:///{world / 'o.db'}")
    assert answer.status == 0
    assert answer.err.count("\n") == 1
    assert "file is not a database" in answer.err


def test_a_wrong_name_is_told_before_torch_is_loaded(finished: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    run, image = str(finished / "run"), str(tmp_path / "image.png")
    lines = [
        *([name, "gone"] for name in ("resume", "show", "evaluate", "offer")),
        ["predict", "gone", image, "--task", "one"],
        ["choose", "gone", "--task", "one", "--candidate", "0/0"],
        ["evaluate", run, "--task", "onee"],
        ["evaluate", run, "--task-id", "inferred"],
        ["offer", run, "--task", "onee"],
        ["offer", run, "--level", "2"],
        ["predict", run, image, "--task", "onee"],
        ["predict", run, image, "--task", "auto"],
        ["predict", run, "gone.png", "--task", "one"],
        ["choose", run, "--task", "onee", "--candidate", "0/0"],
        ["choose", run, "--task", "one", "--candidate", "9/9"],
        ["show", run, "--task", "onee"],
        ["resume", run, "--optuna-storage", "nosuch://host"],
        ["search", "--tasks", str(finished / "stream.yaml"), "--space", "smal"],
        ["search", "--tasks", str(finished / "stream.yaml"), "--set", "budget.childern=1"],
        ["search", "--tasks", str(finished / "stream.yaml"), "--optuna-storage", "nosuch://host"],
    ]
    code = (
        "import json, sys; from evo_mtl.cli.main import main\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    assert main(line) == 2, line\n"
        "    assert 'torch' not in sys.modules, line\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == len(lines)
    assert not (tmp_path / "runs").exists()


def test_a_task_that_was_renamed_in_run_yaml_is_told(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished / "run", tmp_path / "copy")
    config = tmp_path / "copy" / "run.yaml"
    config.write_text(config.read_text().replace("name: one", "name: uno"))
    answer = command("evaluate", tmp_path / "copy")
    _refused(answer, tmp_path, str(tmp_path / "copy"), "no task 'one'", "it was archived")


def test_files_without_end_in_a_run_hold_no_command_up(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "copy"
    shutil.copytree(finished / "run", run)
    with open(run / "opened.json", "wb") as file:
        file.truncate(200 * 10**9)
    assert command("show", run).status == 0
    for name in ("large.png", "pipe.png"):
        path = tmp_path / name
        os.mkfifo(path) if name == "pipe.png" else path.touch()
        if name == "large.png":
            os.truncate(path, 200 * 10**9)
        _refused(command("predict", run, path, "--task", "one"), tmp_path, name)
    _refused(command("predict", run, "/dev/zero", "--task", "one"), tmp_path, "/dev/zero")
    (run / "run.yaml").unlink()
    os.mkfifo(run / "run.yaml")
    _refused(command("evaluate", run), tmp_path, "run.yaml")


def test_a_route_whose_parts_do_not_fit_together_is_the_fault_of_the_run(finished: Path) -> None:
    model = load(finished / "run")
    route = model.route("one")
    nodes = tuple(replace(n, grid=n.grid + 1) if n.operation == "pool" else n for n in route.nodes)
    batch = np.zeros((1, *route.input.shape), route.input.dtype)
    with pytest.raises(CorruptionError, match="parts of a route do not fit together"):
        model.answer([replace(route, nodes=nodes)], {route.input.size: batch})
