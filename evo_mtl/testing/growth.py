"""A run with any number of archived tasks, made without searching each of them.

Two tasks are searched for real; the others are their copies under other names, with data, a head and
journal lines of their own, so that the run opens, answers and goes on like one that grew.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from evo_mtl.archive.journal import Event, read_journal
from evo_mtl.archive.snapshot import Archive
from evo_mtl.archive.store import ComponentStore
from evo_mtl.files import digest, lock
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import CHUNK, SharedRoutes
from evo_mtl.network.route import Route, route_from_json
from evo_mtl.run.config import RunConfig, make_config, to_yaml
from evo_mtl.run.folder import RunFolder
from evo_mtl.searching.beginning import begin, checked
from evo_mtl.searching.runner import Options, run_search
from evo_mtl.streams import stamps
from evo_mtl.testing.worlds import write_space, write_stream

SEARCHED = ("t0", "t01")
BLOCK = 50
"""Copies whose fingerprints are computed together: all but the heads is run once for them."""


def fabricate(folder: Path, num_tasks: int, num_waiting: int = 1) -> RunFolder:
    """Makes ``stream.yaml``, ``space.yaml``, the data and ``run/`` in a folder.

    Args:
        folder: Where; created if missing, and empty.
        num_tasks: Archived tasks, at least two: ``t0``, ``t01``, then ``t002``, ``t003`` and so on.
        num_waiting: Tasks at the end of the stream that are not searched yet.

    Returns:
        The run; ``open_run``, ``evaluate`` and ``run_search`` with :func:`configuration` work on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_space(folder)
    run = RunFolder(folder / "run")
    write_stream(folder, SEARCHED)
    run_search(run, configuration(folder), Options())
    copies = [f"t{i:03d}" for i in range(2, num_tasks)]
    waiting = [f"w{i}" for i in range(num_waiting)]
    for i, name in enumerate(copies):
        shutil.copyfile(folder / f"{SEARCHED[i % 2]}.npz", folder / f"{name}.npz")
    write_stream(folder, [*SEARCHED, *copies, *waiting])
    run.config.write_bytes(to_yaml(configuration(folder)))
    with lock(run.lock), Archive(run.journal) as archive:
        _append(run, archive, copies)
        archive.snapshot()
    time.sleep(stamps.SETTLED / 1e9)  # the search trusts no file that was written a moment ago
    with lock(run.lock):
        begin(run, configuration(folder), checked(run, configuration(folder), research=False)).close()
    return run


def configuration(folder: Path) -> RunConfig:
    """What is searched in a folder that :func:`fabricate` made."""
    return make_config(folder / "stream.yaml", str(folder / "space.yaml"))


def _append(run: RunFolder, archive: Archive, copies: Sequence[str]) -> None:
    """A turn for each copy, as the search would have written it."""
    turns = [_turn(read_journal(run.journal), name) for name in SEARCHED]
    store = run.store()
    for start in range(0, len(copies), BLOCK):
        made: list[tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]] = []
        for i, name in enumerate(copies[start : start + BLOCK], start):
            *before, last = turns[i % 2]
            head = last.payload["route"]["nodes"][-1]["component"]
            new, added = _own_head(store, head, i + 1)
            route = _renamed(last.payload, last.payload["task"], name)
            route["cost"] = {**route["cost"], "added_parameters": added}
            lines = [(event.kind, _renamed(event.payload, last.payload["task"], name)) for event in before]
            made.append((lines, _with(route, head, new)))
        routes = [route_from_json(payload["route"]) for _, payload in made]
        prints = _fingerprints(SharedRoutes(Modules(store.read)), routes)
        for (lines, payload), found in zip(made, prints, strict=True):
            for kind, content in [*lines, ("route", {**payload, "fingerprint": found})]:
                archive.append(kind, **content)


def _turn(events: Sequence[Event], task: str) -> list[Event]:
    """The events of a task, its route last."""
    return [event for event in events if task in (event.payload.get("task"), event.payload.get("name"))]


def _renamed(payload: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """An event of one task as that of another."""
    found: dict[str, Any] = {
        key: new if key in ("task", "name") and value == old else value for key, value in payload.items()
    }
    if "evaluations" in found:
        found["evaluations"] = [
            {**one, "candidate": {**one["candidate"], "task": new}} for one in found["evaluations"]
        ]
    return found


def _with(value: Any, old: str, new: str) -> Any:
    """Plain data with one component in the place of another."""
    if isinstance(value, dict):
        return {key: _with(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(inner, old, new) for inner in value]
    return new if value == old else value


def _own_head(store: ComponentStore, head: str, number: int) -> tuple[str, int]:
    """A head that gives the same answers and has bytes of its own, and its parameters.

    The logits of all classes are raised by as much.
    """
    tensors, spec = store.read(head)
    tensors["linear.bias"] = tensors["linear.bias"] + number / 64
    return store.write(tensors, spec), tensors["linear.weight"].numel() + tensors["linear.bias"].numel()


def _fingerprints(shared: SharedRoutes, routes: Sequence[Route]) -> list[str]:
    """As the search computes them, for many routes at once."""
    probes = {route.input.size: route.input.probes(CHUNK) for route in routes}
    logits: list[Tensor] = shared.logits(routes, probes)
    return [digest(one.numpy().tobytes()) for one in logits]
