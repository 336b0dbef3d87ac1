"""A run with any number of archived tasks, made without searching each of them.

Two tasks are searched for real; the others are their copies under other names, with data, a head and
journal lines of their own, so that the run opens, answers and goes on like one that grew.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from evo_mtl.archive.store import ComponentStore
from evo_mtl.files import digest, lock
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import CHUNK, SharedRoutes
from evo_mtl.network.route import Route
from evo_mtl.plain import plain, restore
from evo_mtl.run.config import RunConfig, make_config, to_yaml
from evo_mtl.run.events import Found, Generation, Happened, OfRun, history
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.snapshot import Archive
from evo_mtl.searching.beginning import begin, checked
from evo_mtl.searching.runner import run_search
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
    turns = [_turn(history(run.journal), name) for name in SEARCHED]
    store = run.store()
    for start in range(0, len(copies), BLOCK):
        made: list[tuple[list[Happened], Found]] = []
        for i, name in enumerate(copies[start : start + BLOCK], start):
            *before, last = turns[i % 2]
            assert isinstance(last, Found)
            head = last.answer.way.route.components[-1]
            new, added = _own_head(store, head, i + 1)
            route = _with(_renamed(last, name), head, new)
            made.append(([_renamed(event, name) for event in before], _priced(route, added)))
        routes = [found.answer.way.route for _, found in made]
        prints = _fingerprints(SharedRoutes(Modules(store.read)), routes)
        for (events, found), fingerprint in zip(made, prints, strict=True):
            for event in [*events, replace(found, answer=replace(found.answer, fingerprint=fingerprint))]:
                archive.append(event)


def _turn(events: Iterable[Happened], task: str) -> list[Happened]:
    """What happened to a task, its route last."""
    return [event for event in events if not isinstance(event, OfRun) and event.task == task]


def _renamed(event: Happened, task: str) -> Happened:
    """An event of one task as that of another."""
    assert not isinstance(event, OfRun)
    if isinstance(event, Generation):
        tried = tuple(replace(one, candidate=replace(one.candidate, task=task)) for one in event.evaluations)
        return replace(event, task=task, evaluations=tried)
    return replace(event, task=task)


def _with(event: Happened, old: str, new: str) -> Found:
    """A route with one component in the place of another."""
    return restore(Found, json.loads(json.dumps(plain(event)).replace(old, new)))


def _priced(found: Found, added: int) -> Found:
    """A route that adds so many parameters."""
    told = found.answer.told
    told = replace(told, cost=replace(told.cost, added_parameters=added))
    return replace(found, answer=replace(found.answer, told=told))


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
