"""The front of a task's candidates: told with its route, kept where the space says so, and chosen from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from evo_mtl.answering.model import fingerprint, load
from evo_mtl.archive.snapshot import Archive
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.pareto import front
from evo_mtl.evolution.population import Population, settled
from evo_mtl.files import lock
from evo_mtl.network.assembly import assemble
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import route_from_json
from evo_mtl.plain import plain
from evo_mtl.run.asked import choosable
from evo_mtl.run.folder import open_run

ITS_OWN = ("corrected", "pooled")
"""What only some routes tell of their quality; another candidate's says nothing of this one's."""


def described(evaluation: Evaluation) -> dict[str, Any]:
    """What the journal tells of a candidate on the front, kept or not."""
    told = evaluation.to_json()
    return {
        "candidate": evaluation.candidate.id,
        "quality": told["quality"],
        "score": told["score"],
        "cost": told["cost"],
    }


def archived(evaluation: Evaluation, layout: TrunkLayout) -> dict[str, Any]:
    """What it tells of one that is kept: all that its route needs to answer and to be a parent."""
    genome = settled(evaluation)
    route = assemble(genome, layout)
    closed = replace(route, nodes=tuple(replace(node, open=False) for node in route.nodes))
    return {
        **described(evaluation),
        "genome": genome.to_json(),
        "route": closed.to_json(),
        "temperature": evaluation.notes.temperature,
        **({"pooled": plain(evaluation.notes.pooled)} if evaluation.notes.pooled else {}),
    }


def told_front(population: Population, layout: TrunkLayout, keep: bool) -> list[dict[str, Any]]:
    """The front of a finished search, the best quality first.

    The best by score is among them even where it is dominated: its score knows what is shared, and of
    equals it is the newest.

    Args:
        population: All that was tried.
        layout: Of the root trunk.
        keep: Whether every one of them may be chosen later, and not only the best.
    """
    best, members = population.best, front(population.evaluations)
    if best is not None and best not in members:
        members = tuple(sorted((*members, best), key=lambda one: -one.quality))
    return [archived(one, layout) if keep else described(one) for one in members]


def choose(path: str | Path, task: str, candidate: str) -> dict[str, Any]:
    """Makes the route of a kept candidate its task's route; the former one stays choosable.

    Returns:
        The candidate's ``"quality"``, ``"score"`` and ``"cost"``, and which one it was before (``"former"``).

    Raises:
        InputError: No such task or candidate, one that was not kept, or a task that is being searched.
        CorruptionError: A component is not what was written; nothing was changed.
    """
    folder, config, _ = open_run(path)
    folder.check_own()
    with lock(folder.lock), Archive(folder.journal) as archive:
        state = archive.state
        chosen = choosable(state, config, task, candidate, folder.path)
        route = state.routes[task]
        if chosen is not route:
            event = {key: value for key, value in route.items() if key not in ITS_OWN}
            answers = fingerprint(route_from_json(chosen["route"]), load(folder.path).shared)
            archive.append("choice", **{**event, **chosen, "fingerprint": answers})
            archive.snapshot()
    return {
        "run": folder.path.name,
        "task": task,
        "former": route["candidate"],
        **{name: chosen[name] for name in ("candidate", "quality", "score", "cost")},
    }
