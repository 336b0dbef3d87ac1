"""How well an archived network does: what ``evaluate`` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evo_mtl.answering.model import Model, load
from evo_mtl.errors import RunError
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.network.route import Route
from evo_mtl.plain import plain
from evo_mtl.run.asked import check_offline, check_task_id, ends, with_data
from evo_mtl.run.root import read_root
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.experience import open_tested
from evo_mtl.streams.task import Split, load_batch, open_splits
from evo_mtl.training import continual, metrics
from evo_mtl.training.calibration import apply as softmax

AVERAGE, FORGETTING = "average_accuracy/lopez_paz2017", "forgetting/avalanche"
DEFINITIONS = {
    "accuracy": "share of examples whose most probable class is the true one",
    "balanced_accuracy": "mean over the classes that occur of the share of their examples answered rightly",
    "average_accuracy": f"{AVERAGE}: mean over tasks of each task's own metric",
    "forgetting": f"{FORGETTING}: mean over all tasks but the one archived last of validation quality when archived "
    "minus validation quality now",
    "prequential": "of an online stream: share of the task's examples that the leader of the moment answered rightly "
    "before anybody had learned from them",
    "pooled": "where labels are few: validation quality is over validation images and left-out training images",
    "corrected": "validation quality after a correction for having been chosen among so many candidates "
    "(Tsamardinos 2018)",
    "expected_calibration_error": "15 equal bins of confidence (Guo 2017)",
    "added_parameters": "parameters that only this task's route had when it was archived",
    "follows": "stages of the route that answer with the newest version that a task has trained of them",
    "quality_when_archived": "of an online stream: the task's metric on the same examples with the versions that its "
    "route was archived with",
    "versions_behind": "how many versions of them came since the route was archived",
    "multiply_adds": "of one image through the route",
}


def evaluate(
    path: str | Path,
    tasks: Sequence[str] | None = None,
    split: Literal["test", "validation"] = "test",
    task_id: Literal["given", "inferred"] = "given",
    trust_python: bool = False,
    after: str | None = None,
) -> dict[str, Any]:
    """Evaluates a run's archived routes; nothing else of a run decodes test images.

    Args:
        path: The run.
        tasks: Names; all archived ones when ``None``.
        split: Which images.
        task_id: Whether the task of an image is given.
        trust_python: Whether functions that the run's ``python:`` tasks name may be called.
        after: A task: everything is as it was when that had been archived, later tasks unknown; as it is now when
            ``None``.

    Returns:
        The object that ``evaluate --json`` prints.

    Raises:
        InputError: No run, no such task, or data that is not what the task was searched on.
    """
    check_task_id(task_id)
    model = load(path, after)
    if split == "validation":
        check_offline(model.config, "--split validation", model.place)
    rows, then, now = [], {}, {}
    answering = ends(tasks, model.state, model.config, model.place)
    for config in with_data(tasks, model.state, model.config, model.place, trust_python):
        row, then[config.name], now[config.name] = _evaluate_task(
            model, config, answering[config.name], split, trust_python
        )
        rows.append(row)
    in_order = sorted(then, key=lambda name: model.state.arrived[answering[name]])
    average = continual.figure(AVERAGE, _record({row["name"]: row[row["metric"]] for row in rows}))
    forgetting = continual.figure(FORGETTING, _record({name: now[name] for name in in_order}, then))
    return {
        "run": model.place.name,
        "after": after,
        "split": split,
        "tasks": rows,
        "average_accuracy": average.value,
        "forgetting": forgetting.value,
        "undefined": {} if forgetting.undefined is None else {"forgetting": forgetting.undefined},
        "total_parameters": total_parameters(model),
        "trunk_parameters": trunk_parameters(model),
        "task_id": task_id,
        "definitions": DEFINITIONS,
    }


def _evaluate_task(
    model: Model, config: TaskConfig, name: str, split: str, trust_python: bool
) -> tuple[dict[str, Any], float, float]:
    """The row of a task that the archived one of a name answers for, and its validation quality when it was archived and now."""
    known, answer = model.state.answered[name].brief, model.state.answer(name)
    splits = None if model.config.stream.regime == "online" else open_splits(config, trust_python)
    if splits is None:
        digest, images = open_tested(config, trust_python)
    else:
        digest, images = splits.digest, splits.validation if split == "validation" else splits.test
    if name == config.name and known.digest != digest:  # of a task that was found nobody knows
        raise RunError(f"the data of task {name!r} is not what it was searched on", model.place)
    behind = model.state.versions_behind(name)
    routes = [model.route(name), *([model.archived_route(name)] if splits is None and behind else [])]
    logits, *before = _logits(model, routes, images)
    answers, told, pooled = logits.argmax(1), answer.told, answer.way.pooled
    row: dict[str, Any] = {
        "name": config.name,
        "answered_by": name,
        "accuracy": metrics.accuracy(answers, images.labels),
        "balanced_accuracy": metrics.balanced_accuracy(answers, images.labels),
        "metric": known.metric,
        "num_examples": len(images),
        "validation_quality": told.quality,
        "quality_when_archived": None,
        "prequential": answer.streamed and answer.streamed.prequential,
        "corrected": answer.corrected and plain(answer.corrected),
        "pooled": pooled and plain(pooled),
        "expected_calibration_error": metrics.expected_calibration_error(softmax(logits, 1.0), images.labels),
        "logits_unchanged": model.fingerprint(name) == answer.fingerprint,
        "route": list(model.route(name).components),
        "follows": len(answer.versions),
        "versions_behind": behind,
        "active_parameters": told.cost.active_parameters,
        "added_parameters": told.cost.added_parameters,
        "multiply_adds": told.cost.inference,
    }
    if splits is None:
        # What it answered then is asked now of what was archived, if that answers to the bit as it did.
        quality = float(row[known.metric])
        then = metrics.score(known.metric, before[0].argmax(1), images.labels) if before else quality
        then = then if row["logits_unchanged"] else math.nan
        row["quality_when_archived"] = None if math.isnan(then) else then
        return row, then, quality
    validation = (
        logits if split == "validation" else _logits(model, [model.route(name)], splits.validation)[0]
    )
    now = metrics.score(known.metric, validation.argmax(1), splits.validation.labels)
    return row, told.quality if pooled is None else pooled.validation, now


def _record(now: Mapping[str, float], then: Mapping[str, float] | None = None) -> continual.Record:
    """Tasks' quality after the last of them, and, of each, when it was archived; in between nothing was measured."""
    matrix = np.full((len(now), len(now)), np.nan)
    if then is not None:
        np.fill_diagonal(matrix, [then[name] for name in now])
    matrix[-1] = list(now.values())
    return continual.Record(matrix=matrix)


def _logits(model: Model, routes: Sequence[Route], split: Split) -> list[np.ndarray]:
    """Calibrated logits ``(N, K)`` of routes that read the same input; what they share is run once."""
    rows = load_batch(split, routes[0].input)
    return [found.numpy() for found in model.answer(routes, {routes[0].input.size: rows})]


def trunk_parameters(model: Model) -> int:
    """Parameters of all root trunks."""
    return sum(read_root(root).num_parameters for root in model.state.roots.values())


def total_parameters(model: Model) -> int:
    """Parameters of the whole network: of every component that a root trunk or a route has, once."""
    if not model.state.replaced and not model.state.lines:
        added = sum(stored.brief.cost.added_parameters for stored in model.state.routes.values())
        return trunk_parameters(model) + added
    # Of a route that was replaced, others may still use parts; no route says that it added them.
    # Of what follows one version answers for all; the older ones are kept, but answer for nobody.
    used = [model.route(name).components for name in model.tasks]
    components = model.state.root_components.union(*used)
    return sum(num_parameters(model.shared.modules.fresh(component)) for component in sorted(components))
