"""The front of a task's candidates: recorded with its route, kept if the space says so, and chosen from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from evo_mtl.answering.model import fingerprint, fitting, load
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.pareto import front
from evo_mtl.evolution.population import Population, settled
from evo_mtl.files import lock
from evo_mtl.network.assembly import assemble
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.plain import plain
from evo_mtl.run.asked import choosable
from evo_mtl.run.events import Chosen, Member, Told, Way
from evo_mtl.run.folder import open_run
from evo_mtl.run.snapshot import Archive


def told(evaluation: Evaluation) -> Told:
    """What the journal records of a candidate on the front, kept or not."""
    one = evaluation.candidate
    return Told(one.pass_, one.id, evaluation.quality, evaluation.score, evaluation.cost)


def way(evaluation: Evaluation, layout: TrunkLayout) -> Way:
    """All that the route of a candidate that was trained needs to answer and to be a parent."""
    genome, notes = settled(evaluation), evaluation.notes
    route = assemble(genome, layout, notes.views)
    closed = replace(route, nodes=tuple(replace(node, open=False) for node in route.nodes))
    assert notes.temperature is not None  # it was calibrated when it had been trained
    return Way(genome, closed, notes.temperature, notes.pooled)


def told_front(population: Population, layout: TrunkLayout, keep: bool) -> tuple[Member, ...]:
    """The front of a finished search, the best quality first.

    The best by score is among them even if it is dominated: its score accounts for what is shared, and of
    equals it is the newest.

    Args:
        population: All that was tried.
        layout: Of the root trunk.
        keep: Whether every one of them may be chosen later, and not only the best.
    """
    best, members = population.best, front(population.evaluations)
    if best is not None and best not in members:
        members = tuple(sorted((*members, best), key=lambda one: -one.quality))
    return tuple(Member(told(one), way(one, layout) if keep else None) for one in members)


def choose(path: str | Path, task: str, candidate: str) -> dict[str, Any]:
    """Makes the route of a kept candidate its task's route; the former one stays choosable.

    Args:
        path: The run.
        task: Whose route.
        candidate: Generation and child, as in ``"2/1"``.

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
        former = state.answer(task)
        if chosen.told.candidate != former.told.candidate:
            assert chosen.way is not None
            with fitting(folder.path):
                answers = fingerprint(chosen.way.route, load(folder.path).shared)
            # What is told of the former one's luck says nothing of this one's.
            now = replace(former, told=chosen.told, way=chosen.way, fingerprint=answers, corrected=None)
            archive.append(Chosen(task, now))
            archive.snapshot()
    return {
        "run": folder.path.name,
        "task": task,
        "former": str(former.told.candidate),
        "candidate": str(chosen.told.candidate),
        "quality": chosen.told.quality,
        "score": chosen.told.score,
        "cost": plain(chosen.told.cost),
    }
