"""A learner's rows: learned on a task, or along the stream, chosen on validation, then scored on test images."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import torch

from evo_mtl.answering.model import load
from evo_mtl.learners import fixed_split
from evo_mtl.learners.comparison import Request, compute_row
from evo_mtl.network.cost import stage_parameters
from evo_mtl.network.trunks import stage_modules, work_in
from evo_mtl.run import progress as tell
from evo_mtl.run.config import make_config
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.searching.runner import run_search
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import open_splits
from search.rows import Rows
from search.searching import answered, decode
from search.work import Learning, Place

FIXED_SPLIT = "fixed_split"
WHOLE = "fine_tuning"
"""The learner whose network is no longer the root trunk."""


def do(work: Learning, place: Place, say: Callable[[str], None]) -> None:
    """Adds the rows of a learner that are missing."""
    rows = Rows(place.folder)
    there = rows.there(work.method, work.seed, work.asked)
    if work.method == FIXED_SPLIT:
        if len(there) < len(work.tasks):
            for row in _split_rows(work, place, say):
                if row["task"] not in there:
                    rows.append(row)
        return
    for task in work.tasks:
        if task.name not in there:
            place.check_time()
            rows.append(_row(work, task, place))


def _row(work: Learning, task: TaskConfig, place: Place) -> dict[str, Any]:
    request = Request(
        work.method,
        task,
        work.seed,
        work.size,
        work.trunk,
        work.weights,
        work.grid if work.method == WHOLE else "",
        cache=place.cache,
    )
    found = compute_row(request)
    added = found.pop("parameters_added")
    trunk = sum(stage_parameters(work.trunk, "block"))
    kept = ("validation", "test", "correct", "labels", "images", "cpu_seconds", "seconds", "chosen")
    return {
        **_named(work, task.name, found["data"], found["metric"]),
        **{key: found[key] for key in kept},
        "added_parameters": added,
        "active_parameters": added if work.method == WHOLE else added + trunk,
        "num_train": found["num_train"],
    }


def _named(work: Learning, task: str, data: str, metric: str) -> dict[str, Any]:
    first, stages = torch.zeros(1, 3, work.size, work.size), stage_modules(work.trunk, "block")
    return {
        "method": work.method,
        "seed": work.seed,
        "task": task,
        "asked": work.asked,
        "data": data,
        "metric": metric,
        "trunk_parameters": sum(stage_parameters(work.trunk, "block")),
        "multiply_adds": float(sum(one.multiply_adds for one in work_in(stages, first))),
    }


def _split_rows(work: Learning, place: Place, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The fixed split along the whole stream: quality right after each task, and after all of them."""
    folder = RunFolder(place.folder / "runs" / f"{work.method}-s{work.seed}")
    shutil.rmtree(
        folder.path, ignore_errors=True
    )  # one that was cut short is begun anew, so that its costs are whole
    config = make_config(
        work.stream,
        fixed_split.SPACE,
        seed=work.seed,
        overrides=fixed_split.settings(work.trunk, work.weights, work.size),
    )
    tasks, cache = {task.name: task for task in config.stream.tasks}, place.cache or folder.cache
    spent: dict[str, dict[str, float]] = {}
    begun = [0.0, 0.0]

    def hear(event: tell.Event) -> None:
        if isinstance(event, tell.TaskStarted):
            decode(tasks[event.name], config, cache)
            begun[:] = time.process_time(), time.perf_counter()
        elif isinstance(event, tell.TaskDone):
            cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
            spent[event.name] = {"cpu_seconds": round(cpu, 2), "seconds": round(wall, 2)}
            say(f"{event.name}: learned in {wall:.0f} s")

    run_search(folder, config, Options(cache=place.cache, trust_python=True), hear)
    model, cuts = load(folder.path), fixed_split.cuts_of(work.trunk)
    rows = []
    for name, task in tasks.items():
        splits, cost = open_splits(task, trust_python=True), model.state.answer(name).told.cost
        known, then = model.state.answered[name].brief, load(folder.path, after=name)
        head = cost.active_parameters - sum(stage_parameters(work.trunk, fixed_split.CUT))
        own = sum(stage_parameters(work.trunk, fixed_split.CUT)[cuts.own :])
        rows.append(
            {
                **_named(work, name, known.digest, known.metric),
                **spent[name],
                "val1": answered(known.metric, splits.test, then.route(name), then.shared)["test"],
                "images": known.num_train,
                "added_parameters": own + head,
                "shares": list(cuts.shares),
                "num_train": known.num_train,
                "chosen": {"stages": [cuts.common, cuts.own]},
                **answered(known.metric, splits.test, model.route(name), model.shared),
                "validation": answered(known.metric, splits.validation, model.route(name), model.shared)[
                    "test"
                ],
                "active_parameters": cost.active_parameters,
            }
        )
    return rows
