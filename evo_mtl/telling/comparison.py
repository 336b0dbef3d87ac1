"""Runs beside baselines in one table: the same tasks, the same metric, each with its seconds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import Model, load
from evo_mtl.archive.timings import read_timings
from evo_mtl.learners.comparison import Request, compute_row
from evo_mtl.learners.rows import Row
from evo_mtl.names import TIMINGS


@dataclass(frozen=True)
class Column:
    """One method's results by task.

    Attributes:
        name: Of the method.
        test: Task to its metric on the test split.
        seconds: Task to the time it took to learn.
        added: Task to the parameters it added.
        extra: More for this method alone, by title and task.
    """

    name: str
    test: Mapping[str, float]
    seconds: Mapping[str, float]
    added: Mapping[str, int]
    extra: Mapping[str, Mapping[str, str]]


def run_column(path: Path, name: str, trust_python: bool = False) -> tuple[Column, dict[str, Any]]:
    """A run's column and the whole evaluation behind it."""
    found = evaluate(path, trust_python=trust_python)
    rows = {row["name"]: row for row in found["tasks"]}
    seconds = dict.fromkeys(rows, 0.0)
    for record in read_timings(path / TIMINGS):
        if {"generation", "looks", "offer"} & record.keys() and record.get("task") in seconds:
            seconds[record["task"]] += record["seconds"]
    column = Column(
        name,
        {task: row[row["metric"]] for task, row in rows.items()},
        seconds,
        {task: row["added_parameters"] for task, row in rows.items()},
        {
            "active": {task: f"{row['active_parameters'] / 1e6:.2f}M" for task, row in rows.items()},
            "logits equal": {task: "yes" if row["logits_unchanged"] else "NO" for task, row in rows.items()},
        },
    )
    return column, found


def baseline_columns(rows: Iterable[Row], tasks: Sequence[str]) -> list[Column]:
    """A column for each method, averaged over seeds, from rows of ``scripts/baselines``."""
    by_method: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        if row["task"] in tasks:
            by_method.setdefault(row["method"], {}).setdefault(row["task"], []).append(row)
    return [
        Column(
            method,
            {task: float(np.mean([row["test"] for row in found])) for task, found in by_task.items()},
            {task: float(np.mean([row["seconds"] for row in found])) for task, found in by_task.items()},
            {
                task: int(np.mean([row["parameters_added"] for row in found]))
                for task, found in by_task.items()
            },
            {},
        )
        for method, by_task in by_method.items()
    ]


def simple_baselines(path: Path, trust_python: bool = False) -> list[Row]:
    """Probe and depth ridge for a run's archived tasks, on its trunk, at its default image size, computed now."""
    with tempfile.TemporaryDirectory() as folder:
        return _simple_baselines(load(path), Path(folder), trust_python)


def _simple_baselines(model: Model, cache: Path, trust_python: bool) -> list[Row]:
    space = model.config.space
    return [
        compute_row(
            Request(
                method=method,
                task=task,
                seed=0,
                size=space.image_size,
                trunk=space.trunk.name,
                weights=space.trunk.weights,
                grid="",
                threads=model.config.threads,
                cache=cache,
                trust_python=trust_python,
            )
        )
        for method in ("probe", "depth_ridge")
        for task in model.config.stream.tasks
        if task.name in model.tasks
    ]


def table(columns: Sequence[Column], tasks: Sequence[str], trunk_parameters: int) -> str:
    """Test metric, seconds and added parameters of every column, a line for each task, and the means.

    A method that lacks a task has a dash there, and no mean.
    """
    head = ["task"]
    for column in columns:
        head += [column.name, "s"]
    added = [column for column in columns if column.added]
    head += [f"{column.name} added" for column in added]
    head += [title for column in columns for title in column.extra]
    lines = [head]
    for task in tasks:
        line = [task]
        for column in columns:
            line += [_number(column.test.get(task), 4), _number(column.seconds.get(task), 0)]
        line += [_share(column.added.get(task), trunk_parameters) for column in added]
        line += [by_task.get(task, "-") for column in columns for by_task in column.extra.values()]
        lines.append(line)
    line = ["mean"]
    for column in columns:
        line += [_number(_mean(column.test, tasks), 4), _number(_mean(column.seconds, tasks), 0)]
    line += [_share(_mean(column.added, tasks), trunk_parameters) for column in added]
    lines.append(line + [""] * (len(head) - len(line)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths)))
        for line in lines
    )


def _mean(values: Mapping[str, float], tasks: Sequence[str]) -> float | None:
    return float(np.mean([values[task] for task in tasks])) if all(task in values for task in tasks) else None


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(parameters: float | None, trunk: int) -> str:
    return "-" if parameters is None else f"{parameters / 1e6:.2f}M {100 * parameters / trunk:.0f}%"
