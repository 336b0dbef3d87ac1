"""What an archive holds, read from its files alone: no tensor is loaded, no data set opened."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo_mtl.archive.encoding import read_header
from evo_mtl.archive.store import ComponentStore
from evo_mtl.errors import CorruptionError
from evo_mtl.evolution.candidate import OWN_ROUTE, Evaluation, OfTask, OfTurn, Origin
from evo_mtl.evolution.outcome import Status
from evo_mtl.files import open_plain
from evo_mtl.genome.kinds import KINDS
from evo_mtl.network.route import on_newest
from evo_mtl.plain import plain
from evo_mtl.run.asked import check_archived
from evo_mtl.run.events import (
    Answer,
    Arrived,
    Chosen,
    Found,
    Generation,
    Happened,
    Offered,
    Round,
    history,
)
from evo_mtl.run.folder import open_run
from evo_mtl.run.state import ArchiveState
from evo_mtl.telling.hindsight import hindsight


def summarize(path: str | Path) -> dict[str, Any]:
    """Everything that ``show`` tells about a run: its trunks, and a row for each task.

    Raises:
        RunError: There is no run.
        CorruptionError: Something in it is not what was written.
    """
    folder, config, state = open_run(path)
    tried = _history(history(folder.journal))
    trunks = _trunks(state, folder.store())
    owners = _owners(state)
    rows = [_task_row(name, state, tried, trunks, owners) for name in state.routes]
    return {
        "run": folder.path.name,
        "space": config.space.name,
        "algorithm": config.space.algorithm,
        "seed": config.seed,
        "trunks": list(trunks.values()),
        "tasks": rows,
        "waiting": [task.name for task in config.stream.tasks if task.name not in state.routes],
        "total_parameters": _total(
            state, folder.store(), sum(trunk["parameters"] for trunk in trunks.values())
        ),
        "clock_bound": bool(state.stopped) or state.position.stopped,
    }


def task_details(path: str | Path, task: str) -> dict[str, Any]:
    """One task's row, with its route node by node, its hyperparameters and its lineage.

    Raises:
        InputError: No run, or no such task in it; suggests a near one.
    """
    folder, config, state = open_run(path)
    check_archived(task, state, config, folder.path)
    events = history(folder.journal)
    tried, owners = _history(events), _owners(state)
    store = folder.store()
    row = _task_row(task, state, tried, _trunks(state, store), owners)
    answer = state.answer(task)
    return {
        **row,
        "class_names": list(state.classes(task)),
        "nodes": _nodes(task, state, store, owners),
        "hyperparameters": dict(answer.way.genome.hyperparameters),
        "lineage": lineage(task, answer.told.candidate, tried, state),
        "hindsight": hindsight(events, task),
        "front": _front(answer),
    }


def _front(answer: Answer) -> list[dict[str, Any]]:
    """What was on the front of the search that found a route; nothing of an offer."""
    return [
        {
            "candidate": str(one.told.candidate),
            "validation_quality": one.told.quality,
            "score": one.told.score,
            "active_parameters": one.told.cost.active_parameters,
            "added_parameters": one.told.cost.added_parameters,
            "multiply_adds": one.told.cost.inference,
            "is_route": one.told.candidate == answer.told.candidate,
            "kept": one.way is not None or one.told.candidate == answer.told.candidate,
        }
        for one in answer.front
    ]


@dataclass(frozen=True)
class Step:
    """A candidate in the history of a task; ``when`` names the turn it is of, where that is not the last."""

    id: OfTurn
    when: str = ""

    def __str__(self) -> str:
        return f"{self.id} of {self.when}" if self.when else str(self.id)


@dataclass(frozen=True)
class Tried:
    """What the journal says of a candidate."""

    status: Status
    origin: Origin
    parent: Step | OfTask | None
    quality: float
    score: float | None
    mate: Step | OfTask | None = None


History = Mapping[str, Mapping[Step, Tried]]
"""Task to its candidates of the latest search."""


def _history(events: Iterable[Happened]) -> History:
    """Of the searches that led to each task's route; one that goes on now, or found nothing, is no history."""
    found: dict[str, dict[Step, Tried]] = {}
    running: dict[str, dict[Step, Tried]] = {}
    winners: dict[str, tuple[Step, str]] = {}
    for event in events:
        match event:
            case Arrived(task=task):
                running[task] = {}
            case Generation(task=task):
                before = running[task] if event.number else {}
                running[task] = before | _all_tried(event.evaluations)
            case Round():
                for race in event.races:
                    running[race.task] |= _all_tried(race.evaluations)
            case Found(task=task):
                if event.pass_ > 1:
                    running[task] |= _former(found[task], running[task], *winners[task])
                found[task] = running[task]
                winners[task] = _winner(event.answer)
            case Chosen(task=task):
                winners[task] = _winner(event.answer)
            case Offered(task=task) if event.answer is not None:
                now = _all_tried(event.evaluations)
                found[task] = now | _former(found[task], now, *winners[task])
                winners[task] = Step(event.answer.told.candidate), f"offer {event.number}"
    return found


def _winner(answer: Answer) -> tuple[Step, str]:
    return Step(answer.told.candidate), f"pass {answer.told.pass_}"


def _all_tried(evaluations: Iterable[Evaluation]) -> dict[Step, Tried]:
    return {Step(one.candidate.id): _tried(one) for one in evaluations}


def _tried(one: Evaluation) -> Tried:
    made = one.candidate
    parent, mate = (Step(name) if isinstance(name, OfTurn) else name for name in (made.parent, made.mate))
    score = one.score if math.isfinite(one.score) else None
    return Tried(one.status, made.origin, parent, one.quality, score, mate)


def _former(
    tried: Mapping[Step, Tried], now: Mapping[Step, Tried], winner: Step, when: str
) -> dict[Step, Tried]:
    """Candidates of former turns under longer names, and the winner among them as parent of what it became."""

    def named(step: Step) -> Step:
        return step if step.when else replace(step, when=when)

    def renamed(one: Tried) -> Tried:
        return replace(one, parent=named(one.parent)) if isinstance(one.parent, Step) else one

    former = {named(step): renamed(one) for step, one in tried.items()}
    own = {step: replace(one, parent=named(winner)) for step, one in now.items() if one.origin == OWN_ROUTE}
    return former | own


def lineage(task: str, candidate: OfTurn, history: History, state: ArchiveState) -> list[dict[str, Any]]:
    """A candidate and its ancestors, the youngest first, back to a seed candidate or a draw.

    Of two parents, the one that gave the lower stages is followed, the other is named.
    A parent of another task means that task's winner as it is now.
    """
    steps: list[dict[str, Any]] = []
    seen: set[tuple[str, Step]] = set()
    here: Step | None = Step(candidate)
    while here is not None and (task, here) not in seen:
        seen.add((task, here))
        tried = history.get(task, {}).get(here)
        if tried is None:
            break
        steps.append(
            {
                "task": task,
                "candidate": str(here),
                "origin": str(tried.origin),
                "parent": tried.parent and str(tried.parent),
                "mate": tried.mate and str(tried.mate),
                "validation_quality": tried.quality,
                "score": tried.score,
            }
        )
        if isinstance(tried.parent, OfTask):
            task = tried.parent.task
            here = Step(state.routes[task].brief.candidate) if task in state.routes else None
        else:
            here = tried.parent
    return steps


def _task_row(
    name: str, state: ArchiveState, history: History, trunks: Mapping[str, Mapping[str, Any]], owners: Owners
) -> dict[str, Any]:
    data, answer = state.answered[name].brief, state.answer(name)
    told, way, genome, cost = answer.told, answer.way, answer.way.genome, answer.told.cost
    tried = history.get(name, {})
    winner = tried.get(Step(told.candidate))
    if winner is None:
        raise CorruptionError(f"task {name!r}: candidate {told.candidate}, its route, was never tried")
    own, trunk = owners[name] - state.root_components, trunks[data.root]
    return {
        "name": name,
        "classes": data.num_classes,
        "num_train": data.num_train,
        "num_validation": data.num_validation,
        "metric": data.metric,
        "validation_quality": told.quality,
        "prequential": answer.streamed and answer.streamed.prequential,
        "origins": answer.streamed and dict(answer.streamed.origins),
        "corrected": answer.corrected and plain(answer.corrected),
        "pooled": way.pooled and plain(way.pooled),
        "score": told.score,
        "depth": genome.depth,
        "trunk": trunk["name"],
        "trunk_depth": trunk["stages"],
        "boundary": genome.boundary,
        "open_stages": [i for i, gene in enumerate(genome.stages) if gene.open],
        "following_stages": [i for i, gene in enumerate(genome.stages) if gene.follows],
        "adapters": [gene.stage for gene in genome.adapters],
        "taps": [[tap.stage, tap.grid] for tap in genome.taps],
        "head": genome.head.kind,
        "paths": len(genome.paths) + 1,
        "image_size": genome.image_size,
        "answer_views": list(way.route.views),
        "active_parameters": cost.active_parameters,
        "added_parameters": cost.added_parameters,
        "added_share": cost.added_parameters / trunk["parameters"],
        "multiply_adds": cost.inference,
        "shared_with": [task for task, parts in owners.items() if task != name and parts & own],
        "candidates_tried": sum(one.origin != OWN_ROUTE for one in tried.values()),
        "candidates_failed": sum(one.status.failed for one in tried.values()),
        "candidates_rejected": sum(one.status.rejected for one in tried.values()),
        "early_end": answer.early_end and plain(answer.early_end),
        "candidate": str(told.candidate),
        "origin": str(winner.origin),
        "parent": winner.parent and str(winner.parent),
    }


def _total(state: ArchiveState, store: ComponentStore, trunk: int) -> int:
    if not state.replaced and not state.lines:
        return trunk + sum(stored.brief.cost.added_parameters for stored in state.routes.values())
    # Of a route that was replaced, others may still use parts; no route says that it added them.
    # Of what follows one version answers for all; the older ones are kept, but answer for nobody.
    used = [
        on_newest(state.answer(name).way.route, state.newest(state.answered[name].brief.root)).components
        for name in state.routes
    ]
    own = frozenset[str]().union(*used) - state.root_components
    return trunk + sum(num_learnable(store, component) for component in own)


Owners = Mapping[str, frozenset[str]]
"""Task to the components of its route."""


def _owners(state: ArchiveState) -> Owners:
    return {name: state.answer(name).components for name in state.routes}


def _trunks(state: ArchiveState, store: ComponentStore) -> dict[str, dict[str, Any]]:
    """The root trunks by digest, in order of arrival."""
    return {
        name: {
            "root": name,
            "name": rooted.layout.name,
            "weights": rooted.weights,
            "stages": len(rooted.components),
            "parameters": sum(num_learnable(store, component) for component in rooted.components),
        }
        for name, rooted in state.roots.items()
    }


def _nodes(task: str, state: ArchiveState, store: ComponentStore, owners: Owners) -> list[dict[str, Any]]:
    names = state.roots[state.answered[task].brief.root].layout.stage_names
    nodes = []
    for i, node in enumerate(state.answer(task).way.route.nodes):
        nodes.append(
            {
                "node": i,
                "operation": node.operation,
                "inputs": list(node.inputs),
                "slot": node.slot,
                "stage_name": names[node.stage] if node.operation == "stage" else "",
                "grid": node.grid,
                "view": node.view,
                "component": node.component,
                "of_trunk": node.component in state.root_components,
                "shared_with": [t for t, parts in owners.items() if t != task and node.component in parts],
                "parameters": num_learnable(store, node.component) if node.component else 0,
            }
        )
    return nodes


def num_learnable(store: ComponentStore, component: str) -> int:
    """Parameters of a component from its header: buffers (statistics, standardisation) are not counted."""
    path = store.path(component)
    try:
        with open_plain(path) as file:
            header = read_header(file, path.stat().st_size)
        spec = json.loads(header.pop("__metadata__")["spec"])
        sizes = {name: math.prod(entry["shape"]) for name, entry in header.items()}
    except FileNotFoundError:
        raise CorruptionError(f"{path}: missing") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptionError(f"{path}: {error}") from error
    kind = spec.get("kind")
    if kind not in KINDS:
        raise CorruptionError(f"{path}: a component of unknown kind {kind!r:.60}")
    buffers = KINDS.get(kind).buffers
    return sum(size for name, size in sizes.items() if name.rpartition(".")[2] not in buffers)
