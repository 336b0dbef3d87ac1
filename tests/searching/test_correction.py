"""The winner's corrected quality in a whole run: from the answers that the journal keeps to what is shown."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.cli.evaluate import evaluation_text
from evo_mtl.cli.show import details_text, summary_text
from evo_mtl.evolution.optimism import corrected_quality, unpack
from evo_mtl.plain import plain
from evo_mtl.run.events import Found, Generation, history
from evo_mtl.run.folder import open_run
from evo_mtl.run.snapshot import Archive
from evo_mtl.seeding import generator
from evo_mtl.streams.task import open_task
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.training import metrics
from tests.worlds import config, events, journal, search


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of two tasks, the second one's metric balanced, and its finished run; only to be read."""
    folder = tmp_path_factory.mktemp("luck")
    made = config(folder, "one", "three")
    balanced = made.stream.tasks[1].model_copy(update={"metric": "balanced_accuracy"})
    stream = made.stream.model_copy(update={"tasks": (made.stream.tasks[0], balanced)})
    search(folder / "run", made.model_copy(update={"stream": stream}))
    return folder


def test_the_answers_that_are_kept_of_a_candidate_have_the_qualities_of_its_curve(home: Path) -> None:
    _, made, _ = open_run(home / "run")
    labels = {task.name: open_task(task).validation.labels for task in made.stream.tasks}
    metric = {task.name: task.metric for task in made.stream.tasks}
    seen = 0
    for event in events(home / "run", Generation):
        name = event.task
        truth = labels[name]
        for data in event.evaluations:
            right = unpack(data.notes.right)
            answers = np.where(right, truth, (truth + 1) % (truth.max() + 1))
            assert [metrics.score(metric[name], row, truth) for row in answers] == list(data.curve)
            seen += 1
    assert seen > 8


def test_the_correction_of_a_route_is_made_from_the_committed_answers_alone(home: Path) -> None:
    _, made, state = open_run(home / "run")
    for task in made.stream.tasks:
        told = [
            data
            for event in events(home / "run", Generation)
            if event.task == task.name
            for data in event.evaluations
        ]
        labels = open_task(task).validation.labels
        classes = labels if task.metric == "balanced_accuracy" else np.zeros_like(labels)
        rng = generator(made.seed, "task", task.name, "winner's luck")
        expected = corrected_quality(told, (1, 1.0), made.space.objective, classes, rng)
        assert expected is not None
        assert state.answer(task.name).corrected == expected
        assert expected.candidates == len(told)


def test_show_and_evaluate_tell_the_corrected_quality_beside_the_raw_one(home: Path) -> None:
    known = plain(open_run(home / "run")[2].answer("three").corrected)
    tested = evaluate(home / "run")
    for found, text in (
        (summarize(home / "run"), summary_text(summarize(home / "run"))),
        (tested, evaluation_text(tested)),
    ):
        assert found["tasks"][1]["corrected"] == known
        assert " corrected " in text
        assert f"{known['quality']:.4f}" in text
        json.dumps(found)
    details = details_text(task_details(home / "run", "three"))
    assert f"the best of {known['candidates']}: {known['quality']:.4f}" in details


def test_a_run_without_kept_answers_is_shown_without_a_correction(home: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    shutil.copytree(home, world)
    happened = history(world / "run" / "journal.jsonl")
    for path in (world / "run").glob("journal*"):
        path.unlink()
    with Archive(world / "run" / "journal.jsonl") as archive:
        for event in happened:
            if isinstance(event, Found):
                event = replace(event, answer=replace(event.answer, corrected=None))
            archive.append(event)
    assert [row["corrected"] for row in summarize(world / "run")["tasks"]] == [None, None]
    assert "corrected for the luck" not in details_text(task_details(world / "run", "one"))
    assert "  -  " in evaluation_text(evaluate(world / "run", ["one"]))


def test_a_search_that_goes_on_after_each_line_makes_the_same_correction(home: Path, tmp_path: Path) -> None:
    whole = journal(home / "run")
    lines = whole.splitlines(keepends=True)
    shutil.copytree(home / "run", tmp_path / "run")
    (tmp_path / "run" / "journal.jsonl").write_bytes(b"".join(lines[:5]))
    (tmp_path / "run" / "journal.snapshot.json").unlink(missing_ok=True)
    search(tmp_path / "run", open_run(home / "run")[1])
    assert journal(tmp_path / "run") == whole
