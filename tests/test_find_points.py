"""The script that says where the points are: what is changed, what is held out, what the rows say."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo_mtl.learners.answers import pack
from evo_mtl.streams.config import read_stream
from evo_mtl.streams.task import open_task
from evo_mtl.testing.worlds import write_space, write_stream
from tests.scripts import load_script

Script = Callable[..., int]
CHANGES = ("--change", "{more: {values: {epochs: 2}}}", "--change", "{ridge: {head: ridge}}")


@pytest.fixture
def script(scripts: None, tmp_path: Path) -> Script:
    """The script on two tiny tasks."""
    stream, space = write_stream(tmp_path, ("one", "three")), write_space(tmp_path)
    usual = ["--tasks", str(stream), "--space", str(space), "--out", str(tmp_path / "out")]
    return lambda *words: load_script("find_points").main([*usual, "--grid", "1e-3x1", *words])


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]


def test_every_row_is_of_images_that_nothing_was_trained_on(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script(*CHANGES) == 0
    found = rows(tmp_path / "out")
    assert [(row["task"], row["row"]) for row in found] == [
        (task, name) for task in ("one", "three") for name in ("as it is", "more", "ridge", "fine-tuning")
    ]
    divided = importlib.import_module("points.trying").divided
    for config in read_stream(tmp_path / "stream.yaml").tasks:
        whole = open_task(config)
        task, held_out = divided(whole, 3, 0)
        assert len(task.train) + len(held_out) == len(whole.train)
        known = {whole.train.examples[i].tobytes() for i in range(len(whole.train))}
        apart = [{one.examples[i].tobytes() for i in range(len(one))} for one in (task.train, held_out)]
        assert apart[0] | apart[1] == known
        assert not apart[0] & apart[1]
        assert len(held_out) == len(whole.train) // 3
    printed = capsys.readouterr()
    assert "points lie between them" in printed.out
    assert not (tmp_path / "out" / "trial").exists()
    before = (tmp_path / "out" / "rows.jsonl").read_bytes()
    assert script(*CHANGES) == 0  # nothing is done twice
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == before
    again = capsys.readouterr()
    assert again.out == printed.out
    assert not again.err


def test_rows_that_were_asked_for_otherwise_are_refused(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script(*CHANGES) == 0
    assert script("--change", "{more: {values: {epochs: 1}}}") == 2
    assert "use another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--candidate", "tun"], "no seed candidate 'tun' (did you mean \"tune\"?)"),
        (["--parts", "1"], "--parts"),
        (["--change", "{a: 1}"], "expected a name of its own and a mapping"),
        (["--change", "[1]"], "expected {NAME: {…}}"),
        (["--change", "{a: {values: {epoch: 2}}}"], 'did you mean "epochs"?'),
        (["--change", "{a: {deep: 2}}"], "--change a"),
        (["--seeds", "x"], "--seeds"),
        (["--grid", "1"], "grid"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    words: list[str], said: str, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script(*words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.usefixtures("scripts")
def test_gains_and_choice_are_of_the_same_images() -> None:
    tables = importlib.import_module("points.tables")
    labels = np.zeros(10, np.int64)

    def made(name: str, task: str, right: int, validation: float) -> dict[str, Any]:
        answers = np.where(np.arange(10) < right, 0, 1)
        costs = {"added_share": 0.2, "work_share": 1.0, "cpu_seconds": 3.0}
        known = {"row": name, "task": task, "seed": 0, "metric": "accuracy"}
        return {**known, **costs, "held_out": right / 10, "validation": validation, **pack(answers, labels)}

    given = [
        made("as it is", "a", 5, 0.5),
        made("more", "a", 7, 0.4),
        made("fine-tuning", "a", 9, 0.9),
        made("as it is", "b", 6, 0.5),
        made("more", "b", 5, 0.6),
        made("fine-tuning", "b", 9, 0.9),
        made("as it is", "c", 6, 0.5),
    ]
    found = tables.Found(given, ["as it is", "more", "fine-tuning"])
    assert found.tasks == ["a", "b"]  # of "c" there are not all
    assert found.gain("more", "a") == pytest.approx(20)
    assert found.interval("more").mean == pytest.approx(0.05)
    assert found.interval("fine-tuning").mean == pytest.approx(0.35)
    assert found.choice() == pytest.approx((0.5, 0.65))
