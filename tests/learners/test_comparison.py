from __future__ import annotations

import concurrent.futures
import runpy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from evo_mtl.errors import CorruptionError, InputError
from evo_mtl.learners.comparison import (
    LEARNERS,
    Request,
    compute_row,
    missing,
    table,
)
from evo_mtl.learners.rows import IDENTITY, append_row, read_rows
from evo_mtl.streams.config import read_stream

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "baselines"


class Done(NamedTuple):
    """What the script gave."""

    status: int
    out: str
    err: str


def requests(stream: Path, *methods: str) -> list[Request]:
    tasks = read_stream(stream).tasks
    return [Request(m, t, 0, 32, "mobilenetv2_050", "random", "") for m in methods for t in tasks]


def answer(request: Request, test: float) -> dict[str, object]:
    return {**dict(zip(IDENTITY, request.identity)), "test": test}


def test_a_row_says_what_was_asked_and_what_was_found(write_stream: Callable[..., Path]) -> None:
    (request,) = requests(write_stream("one"), "probe")
    row = compute_row(request)
    assert tuple(row[key] for key in IDENTITY) == request.identity
    assert (row["validation"], row["test"], row["metric"]) == (1.0, 1.0, "accuracy")
    assert row["parameters_added"] == 3 * 1281
    assert set(row["chosen"]) == {"C"}


def test_rows_that_are_there_are_not_asked_for_again(
    write_stream: Callable[..., Path], tmp_path: Path
) -> None:
    wanted = requests(write_stream("one", "two"), "probe", "depth_ridge")
    out = tmp_path / "rows.jsonl"
    append_row(out, answer(wanted[1], 0.5))
    assert missing(wanted, read_rows(out)) == [wanted[0], *wanted[2:]]


def test_a_torn_last_row_is_left_out_and_cut_off(write_stream: Callable[..., Path], tmp_path: Path) -> None:
    first, second = requests(write_stream("one", "two"), "probe")
    out = tmp_path / "rows.jsonl"
    append_row(out, answer(first, 0.5))
    whole = out.read_bytes()
    out.write_bytes(whole + whole[:20])
    assert [row["task"] for row in read_rows(out)] == ["one"]
    append_row(out, answer(second, 0.7))
    assert [row["task"] for row in read_rows(out)] == ["one", "two"]


def test_a_file_of_something_else_is_not_taken_for_a_torn_row_and_cut_off(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("one line that does not end")
    with pytest.raises(CorruptionError, match="notes:1: expected a row of a comparison"):
        read_rows(tmp_path / "notes")


@pytest.mark.parametrize("line", ["{", "[]", "{}", "7"])
def test_a_broken_row_is_refused_by_file_and_line(line: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text(line + "\n")
    with pytest.raises(CorruptionError, match=r"rows\.jsonl:1: expected a row"):
        read_rows(out)


def test_the_table_averages_over_tasks_and_shows_what_is_missing(write_stream: Callable[..., Path]) -> None:
    wanted = requests(write_stream("one", "two"), "probe", "depth_ridge")
    rows = [answer(request, test) for request, test in zip(wanted[:3], (0.5, 0.6, 0.9))]
    assert [line.split() for line in table(wanted, rows).splitlines()] == [
        ["task", "probe", "depth_ridge"],
        ["one", "0.5000", "0.9000"],
        ["two", "0.6000", "-"],
        ["mean", "0.5500", "-"],
    ]


def test_a_misspelt_method_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match='did you mean "depth_ridge"'):
        LEARNERS.get("depth_rigde")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs scripts/baselines in this process, its rows in threads instead of processes."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        monkeypatch.setattr(
            concurrent.futures, "ProcessPoolExecutor", lambda workers, context: ThreadPoolExecutor(workers)
        )
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "path", [*sys.path])
    return run


def test_the_script_computes_the_rows_that_are_missing_and_prints_the_table(
    write_stream: Callable[..., Path], script: Callable[..., Done], tmp_path: Path
) -> None:
    stream, out = write_stream("one", "two"), tmp_path / "rows.jsonl"
    append_row(out, answer(requests(stream, "depth_ridge")[0], 0.25))
    before = out.read_bytes()
    options = ["--size", 32, "--trunk", "mobilenetv2_050", "--weights", "random", "--methods", "depth_ridge"]
    result = script("--tasks", stream, "--out", out, *options)
    assert result.status == 0, result.err
    assert [line.split() for line in result.out.splitlines()[1:]] == [
        ["one", "0.2500"],
        ["two", "1.0000"],
        ["mean", "0.6250"],
    ]
    assert out.read_bytes().startswith(before)
    assert [row["task"] for row in read_rows(out)] == ["one", "two"]


def test_the_script_refuses_wrong_input_in_one_line_with_status_2(
    script: Callable[..., Done], tmp_path: Path
) -> None:
    result = script("--tasks", tmp_path / "none.yaml", "--out", tmp_path / "rows.jsonl")
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert "none.yaml" in result.err
