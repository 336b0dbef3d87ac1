"""Tasks that are no images: rows of numbers searched, resumed, evaluated, predicted and shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import evo_mtl
from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.prediction import predict
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.errors import ConfigError, InputError, TrunkError
from evo_mtl.files import lock
from evo_mtl.genome.space import read_space
from evo_mtl.learners.comparison import Request, compute_row
from evo_mtl.network.inputs import Vector
from evo_mtl.plain import plain, restore
from evo_mtl.run.config import RunConfig, make_config
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.progress import CandidateDone, Event, TaskDone, silent
from evo_mtl.searching.beginning import begin
from evo_mtl.searching.estimate import estimate
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.offers import offer
from evo_mtl.searching.runner import run_search
from evo_mtl.streams.config import read_stream
from evo_mtl.streams.task import open_task, open_test
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import SPACE as IMAGE_SPACE
from evo_mtl.testing.worlds import write_stream, write_task

SPACE = """\
name: rows
trunk: {name: vector-3x16, weights: random, input: vector}
stages: {boundaries: [0, 1, 3], depths: [1, 2, 3], clone: false}
taps: {stages: all, grids: [1]}
adapters: {insert: true, stages: all}
heads: [linear, ridge, projected_ridge, nearest_mean]
hyperparameters:
  mutation_probability: {values: [0.3, 0.5], default: 0.5}
  learning_rate: {values: [0.01, 0.03], default: 0.01}
  epochs: {values: [2, 4], default: 2}
  adapter_width: {values: [4, 8], default: 4}
  projection_width: {values: [20, 40], default: 20}
budget: {generations: 2, children: 3}
validations: 2
looks: {parents: 2}
small_data: {below: 10, folds: 2}
mutation: {rates: learned, recombination: 0.2, multipath: 0.2}
seeds:
  - {name: ridge, depth: 1, head: ridge}
  - {name: blocks, depth: 2, open_from: 0, head: linear, follow: [parent]}
"""


def write_rows(path: Path, width: int, seed: int, scale: float = 1.0) -> None:
    """Three blobs, columns worlds apart in scale, one column constant."""
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % 3
    centres = rng.normal(size=(3, width)) * 2
    rows = (centres[labels] + rng.normal(size=(90, width))) * scale * 10.0 ** rng.integers(-3, 4, width)
    rows[:, 0] = 7.0
    np.savez(
        path,
        features=rows[:60],
        labels=labels[:60],
        test_features=rows[60:].astype(np.float32),
        test_labels=labels[60:],
        classes=np.array(["low", "middle", "high"]),
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of one width, one of another, and a finished run of them."""
    folder = tmp_path_factory.mktemp("rows")
    for seed, (name, width) in enumerate({"one": 6, "two": 6, "wide": 9}.items()):
        write_rows(folder / f"{name}.npz", width, seed)
    lines = [
        f'  - {{name: {name}, source: "npz:{name}.npz", validation: 0.3}}' for name in ("one", "two", "wide")
    ]
    (folder / "stream.yaml").write_text("\n".join(["name: rows", "tasks:", *lines, ""]))
    (folder / "space.yaml").write_text(SPACE)
    run_search(RunFolder(folder / "run"), made(folder), Options())
    return folder


def made(home: Path, *overrides: str) -> RunConfig:
    return make_config(home / "stream.yaml", str(home / "space.yaml"), overrides=overrides)


def test_a_width_is_a_root_and_tasks_of_one_width_share_theirs(home: Path) -> None:
    state = RunFolder(home / "run").read_state()
    names = [root.layout.name for root in state.roots.values()]
    assert names == ["vector-3x16-6", "vector-3x16-9"]
    roots = {name: task.brief.root for name, task in state.tasks.items()}
    assert roots["one"] == roots["two"] != roots["wide"]


def test_blobs_are_told_apart_and_the_run_is_evaluated_and_shown(home: Path) -> None:
    found = evaluate(home / "run")
    assert found["average_accuracy"] > 0.85  # a third by chance, over 30 examples a task
    assert all(row["logits_unchanged"] for row in found["tasks"])
    assert found["forgetting"] == 0
    shown = {row["name"]: row for row in summarize(home / "run")["tasks"]}
    assert shown.keys() == {"one", "two", "wide"}
    assert all(row["image_size"] == 0 for row in shown.values())
    settings = task_details(home / "run", "one")["hyperparameters"]
    assert "learning_rate" in settings
    assert not {"image_size", "views", "flip", "crop_area_min"} & settings.keys()


def test_predictions_are_those_of_the_evaluation_whatever_form_the_rows_have(
    home: Path, tmp_path: Path
) -> None:
    model = evo_mtl.load(home / "run")
    test = open_test(read_stream(home / "stream.yaml").tasks[0])
    rows = np.stack([test.examples[i] for i in range(len(test))])
    answers = model.predict(rows, "one")
    right = np.mean(
        [answers.classes.index(label) == truth for label, truth in zip(answers.labels, test.labels)]
    )
    assert right == evaluate(home / "run", ["one"])["tasks"][0]["accuracy"]
    assert answers.labels == model.predict(torch.from_numpy(rows).double(), "one").labels
    assert answers.labels == model.predict(rows.tolist(), "one").labels
    np.save(tmp_path / "rows.npy", rows.astype(np.float64))
    np.savez(tmp_path / "rows.npz", features=rows)
    for name in ("rows.npy", "rows.npz"):
        told = predict(home / "run", [tmp_path / name], "one")["predictions"]
        assert tuple(one["label"] for one in told) == answers.labels
        assert told[3]["row"] == f"{tmp_path / name}: row 3"
    json.dumps(told)
    both = predict(home / "run", [tmp_path], "two", top=2)["predictions"]
    assert len(both) == 2 * len(rows)
    assert len(both[0]["top"]) == 2


def test_a_plain_module_gives_the_logits_of_the_route(home: Path) -> None:
    model = evo_mtl.load(home / "run")
    rows = np.random.default_rng(0).normal(size=(5, 9)).astype(np.float32)
    logits = model.logits(list(rows), ["wide"])[0]
    with torch.no_grad():
        torch.testing.assert_close(model.as_module("wide")(torch.from_numpy(rows)), logits)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.ones((2, 5)), "expected rows of 6 numbers, met 5"),
        (np.ones(6), "expected rows (N, D) and not empty, met (6,)"),
        (np.ones((0, 6)), "not empty"),
        (np.array([[1.0] * 6, [1.0, 2, np.nan, 4, 5, 6]]), "row 1: feature 2 is nan"),
        (np.array([[np.inf] * 6]), "row 0: feature 0 is inf"),
        (np.full((1, 6), 1e300), "row 0: feature 0 is inf"),
        (np.full((1, 6), 1e30), "feature 0 is 1e+30"),
        (np.full((1, 6), "a"), "expected numbers"),
        (np.full((1, 6), None), "expected numbers"),
        ([[1.0], [1.0, 2.0]], "of one width"),
    ],
)
def test_rows_that_are_none_are_refused_in_a_line(home: Path, rows: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        evo_mtl.load(home / "run").predict(rows, "one")  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_hold_no_rows_are_refused_by_name(home: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "narrow.npy", np.ones((2, 3)))
    np.save(tmp_path / "hole.npy", np.array([[1, 2, 3, 4, 5, np.nan]]))
    np.save(tmp_path / "objects.npy", np.array([None, {}], dtype=object))
    np.savez(tmp_path / "other.npz", rows=np.ones((2, 6)))
    (tmp_path / "text.npy").write_text("no numbers")
    (tmp_path / "empty").mkdir()
    for name, message in {
        "narrow.npy": "narrow.npy: expected rows of 6 numbers, met 3",
        "hole.npy": "hole.npy: row 0: feature 5 is nan",
        "objects.npy": "objects.npy: not a readable",
        "other.npz": "other.npz: no array 'features'; met: rows",
        "text.npy": "text.npy: not a readable",
        "empty": "a folder without",
        "gone.npy": "no such file",
    }.items():
        with pytest.raises(InputError) as caught:
            predict(home / "run", [tmp_path / name], "one")
        assert message in str(caught.value)
    with pytest.raises(InputError, match="tasks one and wide read different examples"):
        predict(home / "run", [tmp_path / "narrow.npy"], "all")


class Stopped(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("kind", "number"), [(CandidateDone, 1), (CandidateDone, 9), (TaskDone, 2)])
def test_a_stopped_search_goes_on_to_the_same_journal(
    home: Path, tmp_path: Path, kind: type, number: int
) -> None:
    left = number

    def progress(event: Event) -> None:
        nonlocal left
        left -= isinstance(event, kind)
        if not left:
            left = -1
            raise Stopped

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(Stopped):
        run_search(folder, made(home), Options(), progress)
    run_search(folder, made(home), Options())
    assert folder.journal.read_bytes() == RunFolder(home / "run").journal.read_bytes()


def test_what_workers_are_told_travels_as_plain_data_and_names_no_path(home: Path) -> None:
    config = made(home)
    with lock(RunFolder(home / "run").lock), begin(RunFolder(home / "run"), config) as archive:
        ground = Ground(RunFolder(home / "run"), config, archive, silent, None, 2**20, trust_python=False)
        plan = ground.plan(config.stream.tasks[2], open_task(config.stream.tasks[2]), 1)
    told = json.dumps(plain(plan))
    assert restore(BenchPlan, json.loads(told)) == plan
    assert "/" not in told
    assert restore(Site, json.loads(json.dumps(plain(ground.site)))) == ground.site
    assert ground.site.tasks == {plan.digest: config.stream.tasks[2]}
    assert plan.layout.input == Vector(9)


@pytest.mark.parametrize(
    "algorithm", ["mu2net", "mu2net_plus", "random", "tpe", "nsga2", "regularized_evolution"]
)
def test_every_algorithm_searches_rows_and_its_work_is_foretold(
    home: Path, algorithm: str, tmp_path: Path
) -> None:
    config = made(home, f"algorithm={algorithm}", "budget.generations=1")
    told = estimate(RunFolder(tmp_path / "run"), config)
    assert told["candidates"] == 3 * (2 + 3)
    assert all(row["multiply_adds"] > 0 for row in told["tasks"])
    run_search(RunFolder(tmp_path / "run"), config, Options())
    assert len(RunFolder(tmp_path / "run").read_state().routes) == 3


def test_further_passes_read_rows_too(home: Path, tmp_path: Path) -> None:
    config = made(home, "budget.generations=1").model_copy(update={"passes": 2})
    run_search(RunFolder(tmp_path / "run"), config, Options())
    assert set(RunFolder(tmp_path / "run").read_state().passes.values()) == {2}


def test_offers_read_rows_too(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_search(RunFolder(run), made(home, "budget.generations=1"), Options())
    rows = offer(run)
    offered = [row["task"] for row in rows if row["num_examples"]]
    assert offered  # some task had a newer line on its own root to try
    state = RunFolder(run).read_state()
    assert set(state.offers) == {row["task"] for row in rows if row["newer"]} >= set(offered)


def test_examples_that_the_trunk_cannot_read_are_refused_before_anything_is_written(
    home: Path, tmp_path: Path
) -> None:
    stream = write_stream(tmp_path, ["squares"])
    config = make_config(stream, str(home / "space.yaml"))
    with pytest.raises(
        TrunkError, match=r"task squares: trunk vector-3x16 reads rows of numbers, not images"
    ):
        run_search(RunFolder(tmp_path / "run"), config, Options())
    (tmp_path / "images.yaml").write_text(IMAGE_SPACE)
    config = make_config(home / "stream.yaml", str(tmp_path / "images.yaml"))
    with pytest.raises(TrunkError, match=r"task one: trunk mobilenetv2_035 reads images, not rows"):
        run_search(RunFolder(tmp_path / "run"), config, Options())
    assert not (tmp_path / "run" / "journal.jsonl").exists()


def test_images_and_rows_live_in_one_run_each_on_its_root(home: Path, tmp_path: Path) -> None:
    write_task(tmp_path / "squares.npz", seed=3)
    (tmp_path / "images.yaml").write_text(IMAGE_SPACE)
    lines = ["name: mixed", "tasks:", f'  - {{name: one, source: "npz:{home}/one.npz"}}']
    (tmp_path / "stream.yaml").write_text("\n".join(lines))
    run_search(
        RunFolder(tmp_path / "run"),
        make_config(tmp_path / "stream.yaml", str(home / "space.yaml")),
        Options(),
    )
    before = evaluate(tmp_path / "run")["tasks"][0]
    lines.append('  - {name: squares, source: "npz:squares.npz", validation: 0.25}')
    (tmp_path / "stream.yaml").write_text("\n".join(lines))
    later = make_config(tmp_path / "stream.yaml", str(tmp_path / "images.yaml"))
    run_search(RunFolder(tmp_path / "run"), later, Options())
    found = evaluate(tmp_path / "run")["tasks"]
    assert found[0] == before
    assert found[1]["accuracy"] > 0.8
    model = evo_mtl.load(tmp_path / "run")
    assert model.predict(np.zeros((1, 8, 8, 3), np.uint8), "squares").task == "squares"
    assert model.predict(np.zeros((1, 6)), "one").task == "one"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  epochs:",
            "  image_size: {values: [8], default: 8}\n  epochs:",
            "hyperparameters: image_size: for images only",
        ),
        (
            "  epochs:",
            "  flip: {values: [true], default: true}\n  epochs:",
            "hyperparameters: flip: for images only",
        ),
        (
            "  epochs:",
            "  answer_views: {values: [2], default: 2}\n  epochs:",
            "hyperparameters: answer_views: for images only",
        ),
        (
            "taps: {stages: all, grids: [1]}",
            "taps: {stages: all, grids: [1, 2]}",
            "taps: grids: 2: for images only",
        ),
        ("looks: {parents: 2}", "looks: {sizes: [24]}", "looks: sizes: 24: for images only"),
        ("follow: [parent]", "follow: [image_size]", "follow: image_size: trunk.input is vector"),
    ],
)
def test_what_is_said_of_images_is_refused_in_a_space_of_rows(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in SPACE
    (tmp_path / "space.yaml").write_text(SPACE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_space(str(tmp_path / "space.yaml"))
    assert message in str(caught.value)


def test_the_shipped_space_is_no_worse_than_ridge_on_the_numbers_of_digits(tmp_path: Path) -> None:
    line = '{name: digits, source: "sklearn:digits_vectors", limit: 400}'
    (tmp_path / "stream.yaml").write_text(f"name: digits\ntasks:\n  - {line}\n")
    config = make_config(tmp_path / "stream.yaml", "vectors", overrides=("budget.generations=0",))
    run_search(RunFolder(tmp_path / "run"), config, Options())
    ridge = compute_row(Request("depth_ridge", config.stream.tasks[0], 0, 0, "vector", "random", ""))
    assert evaluate(tmp_path / "run")["tasks"][0]["accuracy"] >= ridge["test"] - 0.01
    with pytest.raises(InputError, match="reads vectors"):
        compute_row(Request("fine_tuning", config.stream.tasks[0], 0, 0, "vector", "random", "1e-3x1"))
