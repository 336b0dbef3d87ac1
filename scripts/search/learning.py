"""A learner's rows: learned on a task, or along the stream, chosen on validation, then scored on test images."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from evo_mtl.engines.workbench import set_threads
from evo_mtl.learners.answers import pack
from evo_mtl.learners.comparison import Request, compute_row, task_data
from evo_mtl.learners.fixed_split import SplitNetwork
from evo_mtl.network.cost import stage_parameters
from evo_mtl.network.trunks import build_trunk, stage_modules, work_in
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import load_batch, open_task, open_test
from evo_mtl.training.metrics import score
from search.rows import Rows
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
            for row in _split_rows(work, say):
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


def _split_rows(work: Learning, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The fixed split along the whole stream: quality right after each task, and after all of them."""
    set_threads(1)
    trunk = build_trunk(work.trunk, work.weights, "half")
    network, source = SplitNetwork(trunk), trunk.input.at(work.size)
    tests, rows = {}, []
    for config in work.tasks:
        task = open_task(config, trust_python=True)
        data = task_data(task, source)
        cpu, wall = time.process_time(), time.perf_counter()
        added = network.learn(data, work.seed)
        spent = {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
        test = open_test(config, trust_python=True)
        tests[task.name] = (load_batch(test, source), test.labels, data)
        right_after = network.answer(task.name, tests[task.name][0])
        say(f"{task.name}: learned in {spent['seconds']:.0f} s")
        rows.append(
            {
                **_named(work, task.name, task.digest, task.metric),
                **{key: round(value, 2) for key, value in spent.items()},
                "val1": score(task.metric, right_after, test.labels),
                "images": len(task.train),
                "added_parameters": added,
                "shares": list(network.cuts.shares),
                "num_train": len(task.train),
                "chosen": {"stages": [network.cuts.common, network.cuts.own]},
            }
        )
    for row in rows:
        images, labels, data = tests[row["task"]]
        answers = network.answer(row["task"], images)
        frozen_and_common = row["trunk_parameters"] * (1 - row["shares"][2])
        row |= {
            "test": score(row["metric"], answers, labels),
            "validation": data.validation_score(network.answer(row["task"], data.validation_images)),
            "active_parameters": int(np.round(frozen_and_common)) + row["added_parameters"],
            **pack(answers, labels),
        }
    return rows
