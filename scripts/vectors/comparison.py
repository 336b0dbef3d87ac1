"""Searches and baselines on the same rows, and one table of both."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from search.intervals import Interval, Pair, over_images_and_seeds, over_tasks

import evo_mtl
from evo_mtl.errors import InputError
from evo_mtl.files import write_atomic
from evo_mtl.network.inputs import Vector
from evo_mtl.streams.config import read_stream
from evo_mtl.streams.task import Split, load_batch, open_splits
from vectors.baselines import BASELINES, Rows

TABLES = ("digits_vectors", "wine", "breast_cancer")
SCRIPTS = Path(__file__).resolve().parents[1]
QUICK = ("budget.generations=1", "budget.children=1")


@dataclass
class Answers:
    """What methods answered rightly on the test examples of one task, as split by one seed.

    Attributes:
        task: Its name.
        seed: Of its split and of the search.
        labels: ``(N,)`` true classes.
        right: Method to ``(N,)`` bool.
        seconds: Method to the time it took to learn.
    """

    task: str
    seed: int
    labels: np.ndarray
    right: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def measured(options: argparse.Namespace) -> list[Answers]:
    """All tables for every seed, then the image sets."""
    seeds = [int(seed) for seed in options.seeds.split(",") if seed.isdecimal()]
    if not seeds or len(seeds) != len(options.seeds.split(",")):
        raise InputError(f"expected whole numbers such as 0,1,2, met {options.seeds!r}", "--seeds")
    options.out.mkdir(parents=True, exist_ok=True)
    found = []
    for seed in seeds[:1] if options.quick else seeds:
        lines = [f'  - {{name: {name}, source: "sklearn:{name}", seed: {seed}}}' for name in TABLES]
        stream = _stream(options.out / f"tables-{seed}.yaml", lines)
        found += _compared(stream, "vectors", options.out / f"run-tables-{seed}", seed, options)
    if options.data is not None:
        found += _image_sets(options, seeds[0])
    return found


def _image_sets(options: argparse.Namespace, seed: int) -> list[Answers]:
    """Four image sets, as images and as the rows that a trunk makes of them, in one run."""
    names = options.sets.split(",")
    limit = 100 if options.quick else options.limit
    lines = [
        f'  - {{name: {name}, source: "folder:{(options.data / name).absolute()}.zip", limit: {limit}}}'
        for name in names
    ]
    images = _stream(options.out / "images.yaml", lines)
    run = options.out / "run-images"
    pixels = {one.task: one for one in _searched(images, "small", run, seed, options, "images")}
    rows = options.out / "rows"
    if not (rows / "stream.yaml").exists():
        command = [sys.executable, SCRIPTS / "pooled_features", images, rows, "--size", str(options.size)]
        subprocess.run(command, check=True)
    lines += [f'  - {{name: {name}_rows, source: "npz:rows/{name}.npz"}}' for name in names]
    both = _stream(options.out / "both.yaml", lines)
    found = _compared(both, "vectors", run, seed, options, [f"{name}_rows" for name in names])
    for one in found:
        other = pixels[one.task.removesuffix("_rows")]
        one.seconds["images"] = other.seconds["images"]
        # The rows of a test image lie elsewhere in the order of contents, so the two are not paired.
        one.right["images"] = other.right["images"]
    return found


def _stream(path: Path, lines: Sequence[str]) -> Path:
    write_atomic(path, "\n".join([f"name: {path.stem}", "tasks:", *lines, ""]).encode())
    return path


def _compared(
    stream: Path,
    space: str,
    run: Path,
    seed: int,
    options: argparse.Namespace,
    only: Sequence[str] | None = None,
) -> list[Answers]:
    """A search and the baselines, on the splits of the stream's tasks."""
    found = list(_searched(stream, space, run, seed, options, "evo-mtl", only))
    configs = {task.name: task for task in read_stream(stream).tasks}
    for one in found:
        splits = open_splits(configs[one.task])
        train, validation, test = (rows_of(part) for part in (splits.train, splits.validation, splits.test))
        for name, fit in BASELINES.items():
            start = time.monotonic()
            fitted = fit(train, validation)
            one.seconds[name] = time.monotonic() - start
            one.right[name] = fitted.predict(test[0]) == test[1]
    return found


def rows_of(split: Split) -> Rows:
    """Rows and labels of a split."""
    width = len(split.examples[0])
    return load_batch(split, Vector(width)), split.labels


def _searched(
    stream: Path,
    space: str,
    run: Path,
    seed: int,
    options: argparse.Namespace,
    method: str,
    only: Sequence[str] | None = None,
) -> Iterator[Answers]:
    """What the route of each task answers; seconds as the run's own clock readings have them."""
    evo_mtl.search(
        stream, space, run=run, seed=seed, overrides=QUICK if options.quick else (), workers=options.workers
    )
    model, seconds = evo_mtl.load(run), _seconds(run)
    for task in read_stream(stream).tasks:
        if only is None or task.name in only:
            test = open_splits(task).test
            answered = model.predict([test.examples[i] for i in range(len(test))], task=task.name)
            classes = np.array(model.classes(task.name))
            right = np.array(answered.labels) == classes[test.labels]
            yield Answers(
                task.name, seed, test.labels, {method: right}, {method: seconds.get(task.name, 0.0)}
            )


def _seconds(run: Path) -> dict[str, float]:
    """Task to the seconds of its looks and generations."""
    found: dict[str, float] = {}
    for line in (run / "timings.jsonl").read_text().splitlines():
        record = json.loads(line)
        if {"generation", "looks"} & record.keys():
            found[record["task"]] = found.get(record["task"], 0.0) + record["seconds"]
    return found


def table(found: Sequence[Answers]) -> str:
    """Test accuracy of every method, its seconds, and by how much the search is above each baseline."""
    methods = ["evo-mtl", *BASELINES] + (["images"] if any("images" in one.right for one in found) else [])
    tasks = list(dict.fromkeys(one.task for one in found))
    rng = np.random.default_rng(0)
    head = ["task", "test", "seeds", *methods, *(f"s {method}" for method in methods)]
    head += [f"evo-mtl - {name}, 95 %" for name in BASELINES]
    lines = [head]
    for task in tasks:
        of_task = [one for one in found if one.task == task]
        means = [_mean(of_task, method) for method in methods]
        spent = [_spent(of_task, method) for method in methods]
        gains = [over_images_and_seeds(_pairs(of_task, name), "accuracy", rng) for name in BASELINES]
        lines.append(
            [task, str(len(of_task[0].labels)), str(len(of_task)), *means, *spent, *map(_said, gains)]
        )
    by_task = [[one for one in found if one.task == task] for task in tasks]
    gains = [over_tasks([_pairs(each, name) for each in by_task], "accuracy", rng) for name in BASELINES]
    totals = [
        f"{np.mean([np.mean([one.right[m].mean() for one in each]) for each in by_task]):.4f}"
        if all(m in one.right for one in found)
        else "-"
        for m in methods
    ]
    lines.append(["mean", "", "", *totals, *[""] * len(methods), *map(_said, gains)])
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _pairs(found: Sequence[Answers], baseline: str) -> list[Pair]:
    return [Pair(one.right["evo-mtl"], one.right[baseline], one.labels) for one in found]


def _mean(found: Sequence[Answers], method: str) -> str:
    if method not in found[0].right:
        return "-"
    return f"{np.mean([one.right[method].mean() for one in found]):.4f}"


def _spent(found: Sequence[Answers], method: str) -> str:
    if method not in found[0].seconds:
        return "-"
    return f"{np.mean([one.seconds[method] for one in found]):.1f}"


def _said(gain: Interval) -> str:
    return f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
