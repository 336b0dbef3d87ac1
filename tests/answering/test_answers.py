"""A run answers: load, predict, evaluate, as_module, compared with what its search recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import evo_mtl
from evo_mtl.answering import evaluation
from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import Model, load
from evo_mtl.answering.prediction import predict
from evo_mtl.errors import DataError, InputError, RunError
from evo_mtl.streams.config import TaskConfig, read_stream
from evo_mtl.streams.images import resize
from evo_mtl.streams.task import open_test
from evo_mtl.telling.comparison import baseline_columns, run_column, table

SPACE = """
name: answers
trunk: {name: mobilenetv2_050, weights: random, cut: group}
stages: {boundaries: [3], depths: [4], clone: false}
hyperparameters:
  image_size: {values: [32], default: 32}
  epochs: {values: [2], default: 2}
budget: {generations: 1, children: 1}
seeds:
  - {name: ridge, depth: 4, taps: groups, grids: [1], head: ridge}
  - {name: tune, depth: 4, open_from: 3, head: linear}
"""


def write_task(path: Path, seed: int) -> None:
    """Two classes of noise, one brighter; the labels are words."""
    rng = np.random.default_rng(seed)
    labels = np.arange(120) % 2
    images = rng.integers(0, 120, (120, 20, 24, 3)) + 60 * labels[:, None, None, None]
    words = np.array(["dark", "light"])[labels]
    images = images.astype(np.uint8)
    np.savez(path, images=images[:80], labels=words[:80], test_images=images[80:], test_labels=words[80:])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two tasks, with its stream beside it."""
    home = tmp_path_factory.mktemp("answers")
    for seed, name in enumerate(("first", "second")):
        write_task(home / f"{name}.npz", seed)
    (home / "space.yaml").write_text(SPACE)
    (home / "stream.yaml").write_text(
        'name: two\ntasks:\n  - {name: first, source: "npz:first.npz"}\n'
        '  - {name: second, source: "npz:second.npz", metric: balanced_accuracy}\n'
    )
    evo_mtl.search(home / "stream.yaml", space=str(home / "space.yaml"), run=home / "run")
    return home


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder / "run")


def test_images(folder: Path, task: str) -> np.ndarray:
    config = next(t for t in read_stream(folder / "stream.yaml").tasks if t.name == task)
    return np.stack([open_test(config).examples[i] for i in range(40)])


test_images.__test__ = False  # type: ignore[attr-defined]


def test_labels_are_the_classes_own_names_and_probabilities_sum_to_one(folder: Path, model: Model) -> None:
    answer = model.predict(test_images(folder, "first"), "first")
    assert model.classes("first") == ("dark", "light")
    assert set(answer.labels) <= {"dark", "light"}
    assert answer.probabilities.shape == (40, 2)
    np.testing.assert_allclose(answer.probabilities.sum(1), 1)


def test_float_images_in_channels_first_answer_as_their_bytes_do(folder: Path, model: Model) -> None:
    images = test_images(folder, "first")
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    np.testing.assert_array_equal(
        model.predict(floats, "first").probabilities, model.predict(images, "first").probabilities
    )


def test_several_tasks_at_once_answer_as_each_alone(folder: Path, model: Model) -> None:
    images = test_images(folder, "second")
    for together in model.predict_many(images, ["first", "second"]):
        alone = model.predict(images, together.task)
        np.testing.assert_array_equal(together.probabilities, alone.probabilities)


def test_the_plain_module_gives_the_logits_of_the_route(folder: Path, model: Model) -> None:
    images = np.stack([resize(image, 32) for image in test_images(folder, "first")])
    module = model.as_module("first")
    with torch.no_grad():
        plain = module(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    expected = model.logits(list(images), ["first"])[0]
    torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 3, 8, 8)) + 2, np.zeros((1, 8, 8, 3), np.int64), np.zeros((0, 8, 8, 3), np.uint8)]
)
def test_images_of_another_form_are_refused(model: Model, images: np.ndarray) -> None:
    with pytest.raises(DataError):
        model.predict(images, "first")


def test_an_unknown_task_is_answered_with_a_near_name(model: Model) -> None:
    with pytest.raises(InputError, match=r'unknown task .frist. \(did you mean "first"\?\)'):
        model.predict(np.zeros((1, 8, 8, 3), np.uint8), "frist")


def test_evaluate_counts_what_predict_answers(folder: Path, model: Model) -> None:
    found = evaluate(folder / "run")
    assert [row["name"] for row in found["tasks"]] == ["first", "second"]
    for row in found["tasks"]:
        answer = model.predict(test_images(folder, row["name"]), row["name"])
        config = next(t for t in read_stream(folder / "stream.yaml").tasks if t.name == row["name"])
        truth = open_test(config).labels
        right = [label == model.classes(row["name"])[k] for label, k in zip(answer.labels, truth)]
        assert row["accuracy"] == pytest.approx(np.mean(right))
        assert row["logits_unchanged"]
        assert row["num_examples"] == 40
    assert found["forgetting"] == 0.0
    assert found["average_accuracy"] == pytest.approx(
        (found["tasks"][0]["accuracy"] + found["tasks"][1]["balanced_accuracy"]) / 2
    )
    json.dumps(found, allow_nan=False)


def test_forgetting_is_of_all_tasks_but_the_one_archived_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = evaluation._evaluate_task

    def with_losses(model: Model, config: TaskConfig, *how: Any) -> tuple[dict[str, Any], float, float]:
        row, then, now = real(model, config, *how)
        return row, then, now - {"first": 0.125, "second": 0.25}[config.name]

    monkeypatch.setattr(evaluation, "_evaluate_task", with_losses)
    found = evaluate(folder / "run", ["second", "first"])
    assert found["forgetting"] == pytest.approx(0.125)
    assert found["undefined"] == {}
    assert found["definitions"]["forgetting"].startswith("forgetting/avalanche: ")


def test_forgetting_of_one_task_is_undefined(folder: Path) -> None:
    found = evaluate(folder / "run", ["first"])
    assert found["forgetting"] is None
    assert found["undefined"] == {"forgetting": "there is one task only"}
    assert found["average_accuracy"] == found["tasks"][0]["accuracy"]


def test_evaluating_validation_gives_the_quality_the_search_recorded(folder: Path) -> None:
    for row in evaluate(folder / "run", split="validation")["tasks"]:
        assert row[row["metric"]] == row["validation_quality"]


def test_evaluate_refuses_data_that_is_not_what_was_searched(folder: Path, tmp_path: Path) -> None:
    original = (folder / "first.npz").read_bytes()
    write_task(folder / "first.npz", 9)
    try:
        with pytest.raises(RunError, match="data of task 'first' is not what it was searched on"):
            evaluate(folder / "run", ["first"])
    finally:
        (folder / "first.npz").write_bytes(original)


def test_predict_needs_the_run_alone(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    pictures = tmp_path / "pictures" / "deep"
    pictures.mkdir(parents=True)
    for i, image in enumerate(test_images(folder, "first")[:3]):
        Image.fromarray(image).save(pictures / f"{i}.png")
    rows = predict(tmp_path / "run", [tmp_path / "pictures"], "all", top=2)["predictions"]
    assert [(Path(row["image"]).name, row["task"]) for row in rows] == [
        (f"{i}.png", task) for i in range(3) for task in ("first", "second")
    ]
    for row in rows:
        assert row["top"][0] == [row["label"], row["probability"]]
        assert len(row["top"]) == 2
    answer = load(folder / "run").predict(test_images(folder, "first")[:3], "first")
    assert [row["label"] for row in rows if row["task"] == "first"] == list(answer.labels)


def test_predict_names_a_file_that_is_no_image(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not an image")
    with pytest.raises(DataError, match=r"notes\.png"):
        predict(folder / "run", [tmp_path], "first")


def test_the_comparison_table_leaves_no_mean_to_a_method_that_lacks_a_task(folder: Path) -> None:
    column, found = run_column(folder / "run", "ours")
    rows = [
        {"method": "probe", "task": "first", "test": 0.5, "seconds": 1.0, "parameters_added": 10},
        {"method": "ridge", "task": "first", "test": 0.5, "seconds": 1.0, "parameters_added": 10},
        {"method": "ridge", "task": "second", "test": 0.7, "seconds": 3.0, "parameters_added": 30},
    ]
    text = table([*baseline_columns(rows, ["first", "second"]), column], ["first", "second"], 1000)
    cells = {line.split()[0]: line.split() for line in text.splitlines()}
    assert cells["mean"][1:5] == ["-", "-", "0.6000", "2"]
    assert cells["first"][5] == f"{found['tasks'][0]['accuracy']:.4f}"
    assert cells["second"][5] == f"{found['tasks'][1]['balanced_accuracy']:.4f}"
