"""One task's turn, new or resumed, first visit or later pass: looks, generations, and the route that is archived.

A turn is asked for a generation, the engine tries it, and the journal commits it whole. A crash loses at
most the generation in flight, and doing it again gives the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from evo_mtl.archive.timings import append_timing
from evo_mtl.engines.local import Engine
from evo_mtl.errors import CandidateError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.copies import known_copies
from evo_mtl.evolution.rejection import bars
from evo_mtl.evolution.turn import Turn
from evo_mtl.run import progress as tell
from evo_mtl.run.events import Arrived, Data, EarlyEnd, Found, Generation, Kept, Stopped
from evo_mtl.searching.correction import corrected
from evo_mtl.searching.first_looks import look
from evo_mtl.searching.front import told_front
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.incumbent import incumbent
from evo_mtl.searching.session import Brief, Session, found_route
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task
from evo_mtl.training.arrays import ArrayCache


@dataclass(frozen=True)
class Place:
    """Where in the search a turn is, and until when it may take.

    Attributes:
        number: Of the turn, from 0.
        num_turns: Tasks of the stream, each counted once a pass.
        pass_: Which visit of its task it is, from 1.
        deadline: By the monotonic clock; ``None`` for no limit.
    """

    number: int
    num_turns: int
    pass_: int = 1
    deadline: float | None = None

    def ends_within(self, seconds: float) -> bool:
        """Whether its time is up so soon."""
        return self.deadline is not None and time.monotonic() + seconds > self.deadline


def take_turn(ground: Ground, place: Place, config: TaskConfig, task: Task, engine: Engine) -> None:
    """Searches a task, going on from where the journal is, and archives its best route.

    In a later pass its own route is the first member of its population, and stays unless something beats it.

    Raises:
        CandidateError: None of its candidates could be trained.
    """
    start = time.monotonic()
    _arrive(ground, config, task)
    brief = Brief(place.pass_, ground.founders.without(task.name, ground.state))
    session = Session(ground, engine, config, task, brief)
    ground.progress(
        tell.TaskStarted(
            task.name,
            place.number,
            place.num_turns,
            len(task.train),
            len(task.validation),
            len(task.classes),
            session.space.budget.generations,
            place.pass_,
        )
    )
    world = replace(session.world, looks=look(session))
    turn = Turn(world, algorithms.get(session.space.algorithm))
    for committed in ground.state.turn(task.name):
        turn.tell(committed.evaluations)
        _tell_generation(ground, turn, committed.number, 0.0, replayed=True)
    if place.pass_ > 1 and turn.generation == 0:
        _begin_with_own(session, turn)
    seconds = None
    while ground.state.stopped.get(task.name) != place.pass_ and (candidates := turn.ask()):
        # A generation is taken to last as long as the one before.
        if seconds is not None and place.ends_within(seconds):
            ground.commit(Stopped(task.name, place.pass_, turn.generation))
        else:
            seconds = _generation(session, turn, candidates)
    if early_end := _early_end(ground, turn):
        ground.progress(tell.EndedEarly(task.name, early_end.generation, early_end.expected_gain))
    _archive(session, turn)
    tell_done(ground, place, task.name, time.monotonic() - start, skipped=False)


def _arrive(ground: Ground, config: TaskConfig, task: Task) -> None:
    """Commits that a task came, or came again with other data."""
    known = ground.state.tasks.get(task.name)
    if known is None or known.brief.digest != task.digest:
        root = ground.root_for(task)
        sizes = len(task.classes), len(task.train), len(task.validation)
        data = Data(root.digest, task.digest, task.metric, *sizes, config.private)
        ground.commit(Arrived(task.name, data, tuple(task.classes)))


def _begin_with_own(session: Session, turn: Turn) -> None:
    """The generation that a later pass begins with: the task's own route, for which nothing is tried."""
    ground, world = session.ground, turn.world
    route = ground.state.answer(world.task)
    own = incumbent(world.task, world.pass_, route, session.pricing, world.space.objective)
    ground.commit(_record(turn, [own]))
    _close_generation(ground, turn, 0.0)


def _generation(session: Session, turn: Turn, candidates: tuple[Candidate, ...]) -> float:
    """Tries and commits a generation; the seconds that it took."""
    start, done = time.monotonic(), turn.population.evaluations
    pooled = session.pricing.folds
    session.generation(
        turn.generation,
        candidates,
        partial(_record, turn),
        # Validations of one fit cannot be compared with pooled ones.
        () if pooled else bars(candidates, turn.world, done),
        known_copies(done, session.before) if pooled else None,
    )
    seconds = time.monotonic() - start
    _close_generation(session.ground, turn, seconds)
    return seconds


def _record(turn: Turn, evaluations: Sequence[Evaluation]) -> Generation:
    """The event of a generation, which the turn is told."""
    number = turn.generation
    return Generation(turn.world.task, turn.world.pass_, number, turn.tell(evaluations))


def _close_generation(ground: Ground, turn: Turn, seconds: float) -> None:
    """Reports the generation that was committed last."""
    world, number = turn.world, turn.generation - 1
    about = {"task": world.task, "pass": world.pass_, "generation": number}
    append_timing(ground.folder.timings, **about, seconds=round(seconds, 3))
    _tell_generation(ground, turn, number, seconds, replayed=False)


def _archive(session: Session, turn: Turn) -> None:
    ground, task, pass_ = session.ground, session.task, turn.world.pass_
    population, early_end = turn.population, _early_end(ground, turn)
    best = population.best
    if best is None:
        reasons = Counter(str(evaluation.status) for evaluation in population.evaluations)
        raise CandidateError(f"task {task.name}: no candidate could be trained ({dict(reasons)})")
    generations = ground.state.turn(task.name)
    own = population.evaluations[0] if pass_ > 1 else None
    if own is not None and best.score <= own.score:
        ground.commit(Kept(task.name, pass_, own.score, early_end))
    else:
        answer = replace(
            found_route(ground, best),
            corrected=corrected(ground, population, task),
            front=told_front(
                population, ground.root_of(task.name).layout, session.space.objective.keep_front
            ),
            early_end=early_end,
        )
        ground.commit(Found(task.name, pass_, answer))
    session.clear(generations)
    if ground.cache is None:  # of no use to the next task; a shared cache keeps within its bound
        ArrayCache(ground.folder.cache, 0).clear()


def _early_end(ground: Ground, turn: Turn) -> EarlyEnd | None:
    """After which generation the stop rule ended the search, and with what expected gain; nothing if it did not."""
    by_clock = ground.state.stopped.get(turn.world.task) == turn.world.pass_
    if turn.early_end is None or by_clock:
        return None
    return EarlyEnd(turn.generation - 1, turn.early_end)


def _tell_generation(ground: Ground, turn: Turn, number: int, seconds: float, replayed: bool) -> None:
    those = [e for e in turn.population.evaluations if e.candidate.generation == number]
    best = turn.population.best
    ground.progress(
        tell.GenerationDone(
            turn.world.task,
            number,
            sum(e.admitted for e in those),
            sum(e.status.failed for e in those),
            best.quality if best else 0.0,
            best.score if best else 0.0,
            seconds,
            replayed,
            sum(e.rejected for e in those),
        )
    )


def tell_done(ground: Ground, place: Place, name: str, seconds: float, skipped: bool) -> None:
    """Reports that a task has its route, found now or before."""
    route = ground.state.routes[name].brief
    ground.progress(
        tell.TaskDone(
            name,
            place.number,
            place.num_turns,
            route.quality,
            route.cost.added_parameters,
            ground.root_of(name).num_parameters,
            seconds,
            skipped,
            place.pass_,
            kept=route.pass_ < place.pass_,
        )
    )
