"""What an archive holds, read from its files alone: no tensor is loaded, no data set opened."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo_mtl.archive.encoding import read_header
from evo_mtl.archive.journal import Event, read_journal
from evo_mtl.archive.state import ArchiveState
from evo_mtl.archive.store import ComponentStore
from evo_mtl.errors import CorruptionError
from evo_mtl.evolution.candidate import OWN_ROUTE
from evo_mtl.evolution.outcome import Status
from evo_mtl.files import open_plain
from evo_mtl.genome.genome import genome_from_json
from evo_mtl.genome.kinds import KINDS
from evo_mtl.network.route import route_from_json
from evo_mtl.plain import restore
from evo_mtl.run.asked import check_archived
from evo_mtl.run.folder import open_run
from evo_mtl.telling.hindsight import hindsight


def summarize(path: str | Path) -> dict[str, Any]:
    """Everything that ``show`` tells about a run: its trunks, and a row for each task.

    Raises:
        RunError: There is no run.
        CorruptionError: Something in it is not what was written.
    """
    folder, config, state = open_run(path)
    history = _history(read_journal(folder.journal) if folder.journal.exists() else ())
    trunks = _trunks(state, folder.store())
    owners = _owners(state)
    rows = [_task_row(name, state, history, trunks, owners) for name in state.routes]
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
        "clock_bound": bool(state.stopped),
    }


def task_details(path: str | Path, task: str) -> dict[str, Any]:
    """One task's row, with its route node by node, its hyperparameters and its lineage.

    Raises:
        InputError: No run, or no such task in it; suggests a near one.
    """
    folder, config, state = open_run(path)
    check_archived(task, state, config, folder.path)
    events = read_journal(folder.journal)
    history, owners = _history(events), _owners(state)
    store = folder.store()
    row = _task_row(task, state, history, _trunks(state, store), owners)
    event = state.routes[task]
    return {
        **row,
        "class_names": list(state.answered[task]["classes"]),
        "nodes": _nodes(task, state, store, owners),
        "hyperparameters": dict(event["genome"]["hyperparameters"]),
        "lineage": lineage(task, event["candidate"], history, state),
        "hindsight": hindsight(events, task),
        "front": _front(event),
    }


def _front(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was on the front of the search that found a route; nothing where an older version found it."""
    return [
        {
            "candidate": one["candidate"],
            "validation_quality": one["quality"],
            "score": one["score"],
            "active_parameters": one["cost"]["active_parameters"],
            "added_parameters": one["cost"]["added_parameters"],
            "multiply_adds": one["cost"]["inference"],
            "is_route": one["candidate"] == event["candidate"],
            "kept": "route" in one or one["candidate"] == event["candidate"],
        }
        for one in event.get("front", ())
    ]


@dataclass(frozen=True)
class Tried:
    """What the journal says of a candidate."""

    status: Status
    origin: str
    parent: str | None
    quality: float
    score: float | None
    mate: str | None = None


History = Mapping[str, Mapping[str, Tried]]
"""Task to its candidates, by id, of the latest search."""


def _history(events: Iterable[Event]) -> History:
    """Of the searches that led to each task's route; one that goes on now, or found nothing, is no history."""
    found: dict[str, dict[str, Tried]] = {}
    running: dict[str, dict[str, Tried]] = {}
    winners: dict[str, tuple[str, str]] = {}
    for event in events:
        if event.kind == "task":
            running[event.payload["name"]] = {}
        elif event.kind == "generation":
            if event.payload["number"] == 0:
                running[event.payload["task"]] = {}
            for one in event.payload["evaluations"]:
                made = one["candidate"]
                running[event.payload["task"]][f"{made['generation']}/{made['child']}"] = _tried(one)
        elif event.kind == "route":
            task = event.payload["task"]
            if event.payload.get("pass", 1) > 1:
                running[task] |= _former(found[task], running[task], *winners[task])
            found[task] = running[task]
            winners[task] = event.payload["candidate"], f"pass {event.payload.get('pass', 1)}"
        elif event.kind == "choice":
            task = event.payload["task"]
            winners[task] = event.payload["candidate"], f"pass {event.payload.get('pass', 1)}"
        elif event.kind == "offer" and event.payload["taken"]:
            task = event.payload["task"]
            now = {f"0/{i}": _tried(one) for i, one in enumerate(event.payload["evaluations"])}
            found[task] = now | _former(found[task], now, *winners[task])
            winners[task] = event.payload["candidate"], f"offer {event.payload['number']}"
    return found


def _tried(one: Mapping[str, Any]) -> Tried:
    made = one["candidate"]
    return Tried(
        restore(Status, one["status"]),
        made["origin"],
        made["parent"],
        one["quality"],
        one["score"],
        made.get("mate"),
    )


def _former(tried: Mapping[str, Tried], now: Mapping[str, Tried], winner: str, when: str) -> dict[str, Tried]:
    """Candidates of former passes under longer names, and the winner among them as parent of what it became."""

    def named(id: str | None) -> str | None:
        return id if id is None or " " in id or id.startswith("task:") else f"{id} of {when}"

    former = {str(named(id)): replace(one, parent=named(one.parent)) for id, one in tried.items()}
    own = {id: replace(one, parent=named(winner)) for id, one in now.items() if one.origin == OWN_ROUTE}
    return former | own


def lineage(task: str, candidate: str | None, history: History, state: ArchiveState) -> list[dict[str, Any]]:
    """A candidate and its ancestors, the youngest first, back to a seed candidate or a draw.

    Of two parents, the one that gave the lower stages is followed, the other is named.
    A parent of another task means that task's winner as it is now.
    """
    steps: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    while candidate is not None and (task, candidate) not in seen:
        seen.add((task, candidate))
        tried = history.get(task, {}).get(candidate)
        if tried is None:
            break
        steps.append(
            {
                "task": task,
                "candidate": candidate,
                "origin": tried.origin,
                "parent": tried.parent,
                "mate": tried.mate,
                "validation_quality": tried.quality,
                "score": tried.score,
            }
        )
        candidate = tried.parent
        if candidate is not None and candidate.startswith("task:"):
            task = candidate.removeprefix("task:")
            candidate = state.routes[task]["candidate"] if task in state.routes else None
    return steps


def _task_row(
    name: str, state: ArchiveState, history: History, trunks: Mapping[str, Mapping[str, Any]], owners: Owners
) -> dict[str, Any]:
    known, event = state.answered[name], state.routes[name]
    genome, cost = genome_from_json(event["genome"]), event["cost"]
    tried = history[name]
    winner = tried[event["candidate"]]
    own, trunk = owners[name] - state.root_components, trunks[known["root"]]
    return {
        "name": name,
        "classes": len(known["classes"]),
        "num_train": known["num_train"],
        "num_validation": known["num_validation"],
        "metric": known["metric"],
        "validation_quality": event["quality"],
        "corrected": event.get("corrected"),
        "pooled": event.get("pooled"),
        "score": event["score"],
        "depth": genome.depth,
        "trunk": trunk["name"],
        "trunk_depth": trunk["stages"],
        "boundary": genome.boundary,
        "open_stages": [i for i, gene in enumerate(genome.stages) if gene.open],
        "adapters": [gene.stage for gene in genome.adapters],
        "taps": [[tap.stage, tap.grid] for tap in genome.taps],
        "head": genome.head.kind,
        "paths": len(genome.paths) + 1,
        "image_size": genome.image_size,
        "active_parameters": cost["active_parameters"],
        "added_parameters": cost["added_parameters"],
        "added_share": cost["added_parameters"] / trunk["parameters"],
        "multiply_adds": cost["inference"],
        "shared_with": [task for task, parts in owners.items() if task != name and parts & own],
        "candidates_tried": sum(one.origin != OWN_ROUTE for one in tried.values()),
        "candidates_failed": sum(one.status.failed for one in tried.values()),
        "candidates_rejected": sum(one.status.rejected for one in tried.values()),
        "early_end": event.get("early_end"),
        "candidate": event["candidate"],
        "origin": winner.origin,
        "parent": winner.parent,
    }


def _total(state: ArchiveState, store: ComponentStore, trunk: int) -> int:
    if not state.replaced:
        return trunk + sum(event["cost"]["added_parameters"] for event in state.routes.values())
    # Of a route that was replaced, others may still use parts; no route says that it added them.
    own = set(state.users) - state.root_components
    return trunk + sum(num_learnable(store, component) for component in own)


Owners = Mapping[str, set[str]]
"""Task to the components of its route."""


def _owners(state: ArchiveState) -> Owners:
    return {name: set(route_from_json(event["route"]).components) for name, event in state.routes.items()}


def _trunks(state: ArchiveState, store: ComponentStore) -> dict[str, dict[str, Any]]:
    """The root trunks by digest, in order of arrival."""
    return {
        name: {
            "root": name,
            "name": root["layout"]["name"],
            "weights": root["weights"],
            "stages": len(root["components"]),
            "parameters": sum(num_learnable(store, component) for component in root["components"]),
        }
        for name, root in state.roots.items()
    }


def _nodes(task: str, state: ArchiveState, store: ComponentStore, owners: Owners) -> list[dict[str, Any]]:
    layout = state.roots[state.answered[task]["root"]]["layout"]["stage_names"]
    nodes = []
    for i, node in enumerate(route_from_json(state.routes[task]["route"]).nodes):
        place = node.slot.partition(":")[2]
        nodes.append(
            {
                "node": i,
                "operation": node.operation,
                "inputs": list(node.inputs),
                "slot": node.slot,
                "stage_name": layout[int(place)] if node.operation == "stage" else "",
                "grid": node.grid,
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
