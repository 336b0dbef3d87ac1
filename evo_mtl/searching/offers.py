"""Offers: an archived task may get a route through newer components, if its validation images prove it better.

An offer chooses on one half of the task's validation images, drawn at random, and proves on the other: the
one candidate chosen is compared with the task's route once, on images that had no part in finding either the
candidate or the choice, so the level of the test holds however many candidates there were. (That the old
route was chosen on those images, too, favours the old one.) An offer is one event of the journal: a process that
dies loses only the offer in hand, and making it again gives the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.archive.timings import append_timing
from evo_mtl.engines.choice import engines, make_engine
from evo_mtl.engines.local import Engine
from evo_mtl.errors import DataError
from evo_mtl.evolution.candidate import Evaluation, OfTask, turn_address
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.looks import Look
from evo_mtl.evolution.offers import look_rules, offered, offered_lines
from evo_mtl.evolution.population import Founder
from evo_mtl.evolution.proof import halves, p_value
from evo_mtl.files import lock
from evo_mtl.network.route import Route
from evo_mtl.plain import plain
from evo_mtl.run import progress as tell
from evo_mtl.run.asked import check_finished, check_level, check_offline, check_pinned, with_data
from evo_mtl.run.events import Answer, Offered, Proof
from evo_mtl.run.folder import reopen
from evo_mtl.run.options import CACHE_BYTES
from evo_mtl.run.snapshot import Archive
from evo_mtl.searching.checks import check_places
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.incumbent import incumbent
from evo_mtl.searching.session import Brief, Session, found_route
from evo_mtl.searching.usage import in_use
from evo_mtl.seeding import generator
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import load_batch, open_task
from evo_mtl.training import metrics

LEVEL = 0.05

Told = Callable[[Mapping[str, Any]], None]
"""Hears of each task when its offer is decided: a row of what :func:`offer` returns."""


def offer(
    path: str | Path,
    tasks: Sequence[str] = (),
    level: float = LEVEL,
    workers: int = 1,
    engine: str = "local",
    cache: Path | None = None,
    told: Told = lambda row: None,
    trust_python: bool = False,
) -> list[dict[str, Any]]:
    """Offers archived tasks routes through components of tasks that were archived after them.

    Args:
        path: The run.
        tasks: Names; all archived ones when empty.
        level: Of the test: a route is taken only if ``p`` is below it.
        workers: Processes that try candidates.
        engine: What runs them, by name.
        cache: Folder of kept arrays; the run's own when ``None``.
        told: Called with each task's row as soon as it is known.
        trust_python: Whether functions that the run's ``python:`` tasks name may be called.

    Returns:
        A row a task: ``task``, ``newer`` (routes that it had not seen), ``line``, ``old`` and ``new`` (the
        task's metric on the images held back), ``num_examples``, ``won`` and ``lost`` images, ``p``, ``taken``.

    Raises:
        InputError: No run, no such task, an unfinished search, or data that are not what they were.
    """
    check_level(level)
    folder, config, state = reopen(path)
    check_offline(config, "an offer", folder.path)
    sources = with_data(tasks, state, config, folder.path, trust_python)
    check_finished(state, folder.path)
    check_pinned([source.name for source in sources], state, config, "an offer", folder.path)
    check_places(folder, cache)
    engines.get(engine, "--engine")
    rows = []
    with lock(folder.lock), Archive(folder.journal) as archive:
        ground = Ground(folder, config, archive, tell.silent, cache, CACHE_BYTES, trust_python)
        ground.store.sweep(in_use(ground.state))
        made = make_engine(engine, workers, ground.site)
        try:
            for source in sources:
                newer = _newer(ground, source.name)
                row = {**_NOTHING, "task": source.name, "newer": [founder.task for founder in newer]}
                if newer:
                    row |= _Offer(ground, made, source, newer, level).make()
                rows.append(row)
                told(row)
        finally:
            made.close()
        archive.snapshot()
    return rows


_NOTHING = {
    "line": None,
    "old": None,
    "new": None,
    "num_examples": 0,
    "won": 0,
    "lost": 0,
    "p": None,
    "taken": False,
}


def _newer(ground: Ground, name: str) -> tuple[Founder, ...]:
    """Routes that came after the task's own was last decided on, and whose components it did not know."""
    state = ground.state
    known = state.root_components | state.answer(name).components
    later = [
        one for one in ground.founders.without(name, state) if state.arrived[one.task] > state.seen[name]
    ]
    return tuple(one for one in later if not known.issuperset(one.genome.components))


@dataclass(frozen=True)
class _Answers:
    """Classes that the old and the new route give to all validation images, ``(N,)``."""

    old: np.ndarray
    new: np.ndarray


class _Offer:
    """One offer to one task."""

    def __init__(
        self, ground: Ground, engine: Engine, config: TaskConfig, newer: tuple[Founder, ...], level: float
    ) -> None:
        self.ground, self.level = ground, level
        self.task = open_task(config, ground.site.trust_python)
        name, state = config.name, ground.state
        if self.task.digest != state.answered[name].brief.digest:
            raise DataError(
                "the data are not those that the task's route was found on; put them back", f"task {name}"
            )
        self.number, self.pass_ = state.offers.get(name, 0) + 1, state.passes[name]
        self.own = state.answer(name)
        choose, self.prove = halves(self.task.validation.labels, self._generator("halves"))
        brief = Brief(self.pass_, newer, tuple(choose.tolist()))
        self.session = Session(ground, engine, config, self.task, brief)

    def _generator(self, purpose: str) -> np.random.Generator:
        address = turn_address(self.task.name, self.pass_, self.number)
        return generator(self.ground.config.seed, *address, purpose)

    def make(self) -> dict[str, Any]:
        """Looks, tries, chooses, proves, and commits what came of it in one event; gives its row."""
        session, start = self.session, time.monotonic()
        looks = self._look()
        made = session.generation(0, offered(session.world, self.number, looks), partial(self._record, looks))
        session.clear([made])
        seconds = round(time.monotonic() - start, 3)
        append_timing(self.ground.folder.timings, task=self.task.name, offer=self.number, seconds=seconds)
        if made.proof is None:
            return {}
        return {**plain(made.proof), "line": made.proof.line.task, "taken": made.answer is not None}

    def _look(self) -> list[Look]:
        """The first step: what looks say about the newer routes, at the size of the task's own."""
        world, size = self.session.world, self.own.way.genome.image_size
        asked = offered_lines(world, self.number, size)
        return self.session.trials.looks(asked, look_rules(world).max_images)

    def _record(self, looks: Sequence[Look], tried: Sequence[Evaluation]) -> Offered:
        """The event of the offer: what was seen and tried, and how the best of it held its own."""
        best = max((one for one in tried if one.ok), key=lambda one: one.score, default=None)
        proof, answer = self._decided(best)
        name = self.task.name
        return Offered(name, self.number, self.level, tuple(looks), tuple(tried), proof, answer)

    def _decided(self, best: Evaluation | None) -> tuple[Proof | None, Answer | None]:
        """How a route held its own, and the route if it was taken."""
        if best is None or not len(self.prove):
            return None, None
        found = found_route(self.ground, best)
        answers = _Answers(self._answers(self.own.way.route), self._answers(found.way.route))
        metric, labels = self.task.metric, self.task.validation.labels
        old, new = (given == labels for given in (answers.old, answers.new))
        held = self.prove
        p = p_value(metric, old[held], new[held], labels[held], self._generator("proof"))
        quality = metrics.score(metric, answers.new, labels)
        pricing = self.ground.pricing(self.task, self.pass_)
        objective, root = self.ground.space_of(self.task.name).objective, pricing.root()
        score = fitness(quality, best.cost, root, objective)
        before = incumbent(self.task.name, self.pass_, self.own, pricing, objective)
        known = fitness(metrics.score(metric, answers.old, labels), before.cost, root, objective)
        # It may be right more often, yet so large that its score is lower: no task's score may fall.
        taken = p < self.level and score >= known
        line = best.candidate.parent
        assert isinstance(line, OfTask)  # all that is offered stands on another task's route
        proof = Proof(
            line=line,
            old=metrics.score(metric, answers.old[held], labels[held]),
            new=metrics.score(metric, answers.new[held], labels[held]),
            num_examples=len(held),
            won=int((new & ~old)[held].sum()),
            lost=int((old & ~new)[held].sum()),
            p=p,
        )
        if not taken:
            return proof, None
        return proof, replace(found, told=replace(found.told, quality=quality, score=score))

    def _answers(self, route: Route) -> np.ndarray:
        batch = load_batch(self.task.validation, route.input)
        return self.ground.shared.logits([route], {route.input.size: batch})[0].numpy().argmax(1)
