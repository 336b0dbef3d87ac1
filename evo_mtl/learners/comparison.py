"""A comparison: one learner on one task with one seed gives a row; a comparison that was cut short goes on where it stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.engines.workbench import set_threads
from evo_mtl.learners.answers import pack
from evo_mtl.learners.depth_ridge import depth_ridge
from evo_mtl.learners.fine_tuning import fine_tuning
from evo_mtl.learners.learner import Learner, Settings, TaskData
from evo_mtl.learners.probe import probe
from evo_mtl.learners.rows import IDENTITY, Row
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

CACHE_BYTES = 4 * 2**30


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
