"""Rows of a comparison: one learner on one task with one seed, as a line of JSON.

A file of rows only grows. A row is identified by what was asked for (``IDENTITY``), so a comparison
that was cut short goes on where it stopped.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.engines.workbench import set_threads
from evo_mtl.errors import CorruptionError, InputError
from evo_mtl.files import canonical_json
from evo_mtl.learners.answers import pack
from evo_mtl.learners.depth_ridge import depth_ridge
from evo_mtl.learners.fine_tuning import fine_tuning
from evo_mtl.learners.learner import Learner, Settings, TaskData
from evo_mtl.learners.probe import probe
from evo_mtl.network.inputs import Input
from evo_mtl.network.trunks import build_trunk, trunk_name
from evo_mtl.registry import Registry
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task, load_batch, open_task, open_test
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.metrics import score

LEARNERS: Registry[Learner] = Registry("method")
LEARNERS.add("probe", probe)
LEARNERS.add("depth_ridge", depth_ridge)
LEARNERS.add("fine_tuning", fine_tuning)

IDENTITY = ("method", "task", "seed", "size", "trunk", "weights", "grid")
CACHE_BYTES = 4 * 2**30

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """A request for one row; ``grid`` is empty for methods that read none.

    ``trust_python`` says whether code that the task's source names may be run.
    """

    method: str
    task: TaskConfig
    seed: int
    size: int
    trunk: str
    weights: str
    grid: str
    device: str = "cpu"
    threads: int = 1
    cache: Path | None = None
    trust_python: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """The values of ``IDENTITY``."""
        return (self.method, self.task.name, self.seed, self.size, self.trunk, self.weights, self.grid)


def compute_row(request: Request) -> dict[str, Any]:
    """Fits a learner, chooses on validation, then opens the test split, once.

    ``seconds`` is the time to learn and to choose; decoding images, building the trunk and the test are
    not counted (and with a cache, neither are features that were there). ``cpu_seconds`` is the processor
    time of the same span, all threads, which a busy machine does not stretch.
    """
    set_threads(request.threads)
    learner = LEARNERS.get(request.method)
    cache = None if request.cache is None else ArrayCache(request.cache, CACHE_BYTES)
    task = open_task(request.task, request.trust_python)
    trunk = build_trunk(trunk_name(request.trunk, task.form), request.weights)
    data = task_data(task, trunk.input.at(request.size))

    def say(line: str) -> None:
        print(f"{request.method} {task.name} seed {request.seed}: {line}", file=sys.stderr, flush=True)

    started, cpu_started = time.perf_counter(), time.process_time()
    learned = learner(data, trunk, Settings(request.seed, request.grid, request.device, cache, say))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    test = open_test(request.task, request.trust_python)
    predicted = learned.predict(load_batch(test, trunk.input.at(request.size)))
    row = dict(zip(IDENTITY, request.identity, strict=True))
    row.update(
        data=task.digest,
        num_train=len(task.train),
        metric=task.metric,
        validation=learned.validation,
        test=score(task.metric, predicted, test.labels),
        seconds=round(seconds, 1),
        cpu_seconds=round(cpu_seconds, 1),
        parameters_added=learned.parameters_added,
        images=learned.images,
        chosen=dict(learned.chosen),
        **pack(predicted, test.labels),
    )
    say(f"validation {row['validation']:.4f}, test {row['test']:.4f}, {seconds:.0f} s")
    return row


def task_data(task: Task, source: Input) -> TaskData:
    """A task's training and validation examples, as an input has them."""
    return TaskData(
        name=task.name,
        num_classes=len(task.classes),
        metric=task.metric,
        train_images=load_batch(task.train, source),
        train_labels=task.train.labels,
        validation_images=load_batch(task.validation, source),
        validation_labels=task.validation.labels,
    )


def read_rows(path: Path, keys: Collection[str] = (*IDENTITY, "test")) -> list[Row]:
    """All rows of a file, none if there is no file; a torn last line is left out.

    Args:
        path: The file.
        keys: What every row has.

    Raises:
        CorruptionError: A line before the last is not a row, or the last is not the beginning of one.
    """
    if not path.exists():
        return []
    *whole, torn = path.read_bytes().split(b"\n")
    rows: list[Row] = []
    if not (torn.startswith(b"{") or b"{".startswith(torn)):  # what is cut off was begun by us
        raise CorruptionError(f"{path}:{len(whole) + 1}: expected a row of a comparison")
    for number, line in enumerate(whole, 1):
        try:
            row = json.loads(line)
            if not (isinstance(row, dict) and set(keys) <= set(row)):
                raise ValueError
        except ValueError:
            raise CorruptionError(f"{path}:{number}: expected a row of a comparison") from None
        rows.append(row)
    return rows


def append_row(path: Path, row: Row) -> None:
    """Adds a row; a torn last line is cut off first.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(canonical_json(row) + b"\n")
    except OSError as error:
        raise InputError(f"cannot write a row: {error.strerror}", path) from error


def missing(requests: Iterable[Request], rows: Iterable[Row]) -> list[Request]:
    """The requests that no row answers, in their order."""
    there = {_identity(row) for row in rows}
    return [request for request in requests if request.identity not in there]


def table(requests: Sequence[Request], rows: Iterable[Row]) -> str:
    """Test scores as text: a line for each task and the mean, a column for each method, averaged over seeds.

    Only methods that have all their rows get a mean.
    """
    found = {_identity(row): row["test"] for row in rows}
    methods = list(dict.fromkeys(request.method for request in requests))
    tasks = list(dict.fromkeys(request.task.name for request in requests))

    def mean(method: str, task: str | None) -> str:
        wanted = [r for r in requests if r.method == method and task in (None, r.task.name)]
        scores = [found[r.identity] for r in wanted if r.identity in found]
        return f"{np.mean(scores):.4f}" if len(scores) == len(wanted) else "-"

    first = max(len(name) for name in [*tasks, "mean"])
    widths = [max(len(method), 6) for method in methods]
    lines = [("task", methods), *((t, [mean(m, t) for m in methods]) for t in tasks)]
    lines.append(("mean", [mean(m, None) for m in methods]))
    return "\n".join(
        "  ".join([name.ljust(first), *(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))])
        for name, cells in lines
    )


def _identity(row: Row) -> tuple[object, ...]:
    return tuple(row[key] for key in IDENTITY)
