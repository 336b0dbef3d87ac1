"""One task's turn, new or resumed: looks, generations, and the route that is archived.

A turn is asked for a generation, the engine tries it, and the journal commits it whole. A crash loses at
most the generation in flight, and doing it again gives the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evo_mtl.answering.model import fingerprint
from evo_mtl.archive.timings import append_timing
from evo_mtl.engines.local import Engine
from evo_mtl.errors import CandidateError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation, turn_address
from evo_mtl.evolution.copies import Copies, known_copies
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.looks import Looks
from evo_mtl.evolution.outcome import Outcome
from evo_mtl.evolution.population import Founder
from evo_mtl.evolution.rejection import bars
from evo_mtl.evolution.turn import Turn, World
from evo_mtl.run import progress as tell
from evo_mtl.run.events import (
    Answer,
    Arrived,
    Data,
    EarlyEnd,
    Found,
    Generation,
    Kept,
    Looked,
    Stopped,
)
from evo_mtl.searching.correction import corrected
from evo_mtl.searching.first_looks import first_looks
from evo_mtl.searching.front import told, told_front, way
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.incumbent import incumbent
from evo_mtl.searching.trials import Trials
from evo_mtl.searching.usage import in_use, trained_before, written
from evo_mtl.seeding import generator
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.pricing import Pricing


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


def take_turn(ground: Ground, place: Place, config: TaskConfig, task: Task, engine: Engine) -> None:
    """Searches a task, going on from where the journal is, and archives its best route.

    In a later pass its own route is the first member of its population, and stays unless something beats it.

    Raises:
        CandidateError: None of its candidates could be trained.
    """
    start = time.monotonic()
    known = ground.state.tasks.get(task.name)
    if known is None or known.brief.digest != task.digest:
        root = ground.root_for(task)
        sizes = len(task.classes), len(task.train), len(task.validation)
        data = Data(root.digest, task.digest, task.metric, *sizes, config.private)
        ground.commit(Arrived(task.name, data, tuple(task.classes)))
    space, pricing = ground.space_of(task.name), ground.pricing(task, place.pass_)
    trials = Trials(
        engine,
        ground.plan(config, task, place.pass_),
        ground.folder.timings,
        len(task.classes),
        lambda candidate: pricing.cost(candidate.genome).multiply_adds,
    )
    ground.progress(
        tell.TaskStarted(
            task.name,
            place.number,
            place.num_turns,
            len(task.train),
            len(task.validation),
            len(task.classes),
            space.budget.generations,
            place.pass_,
        )
    )
    turn = Turn(_world(ground, place.pass_, task, pricing, trials), algorithms.get(space.algorithm))
    for committed in ground.state.turn(task.name):
        turn.tell(committed.evaluations)
        _tell_generation(ground, turn, committed.number, 0.0, replayed=True)
    if place.pass_ > 1 and turn.generation == 0:
        own = incumbent(task.name, place.pass_, ground.state.answer(task.name), pricing, space.objective)
        _commit_generation(ground, turn, [own], 0.0)
    while ground.state.stopped.get(task.name) != place.pass_ and (candidates := turn.ask()):
        _generation(ground, turn, candidates, trials, pricing)
        if place.deadline is not None and time.monotonic() > place.deadline:
            ground.commit(Stopped(task.name, place.pass_, turn.generation))
    if early_end := _early_end(ground, turn):
        ground.progress(tell.EndedEarly(task.name, early_end.generation, early_end.expected_gain))
    _archive(ground, turn, task)
    tell_done(ground, place, task.name, time.monotonic() - start, skipped=False)


def _generation(
    ground: Ground, turn: Turn, candidates: tuple[Candidate, ...], trials: Trials, pricing: Pricing
) -> None:
    task, number = turn.world.task, turn.generation
    ground.progress(tell.GenerationStarted(task, number, len(candidates)))
    start = time.monotonic()
    outcomes = trials.generation(
        candidates,
        lambda one, seconds: ground.progress(tell.CandidateDone(task, number, one.child, seconds)),
        # Validations of one fit cannot be compared with pooled ones.
        () if pricing.folds else bars(candidates, turn.world, turn.population.evaluations),
        _copies(ground, turn) if pricing.folds else None,
    )
    evaluations = [
        evaluated(ground, candidate, outcome, pricing)
        for candidate, outcome in zip(candidates, outcomes, strict=True)
    ]
    _commit_generation(ground, turn, evaluations, time.monotonic() - start)


def _commit_generation(ground: Ground, turn: Turn, evaluations: Sequence[Evaluation], seconds: float) -> None:
    task, pass_, number = turn.world.task, turn.world.pass_, turn.generation
    ground.commit(Generation(task, pass_, number, turn.tell(evaluations)))
    about = {"task": task, "pass": pass_, "generation": number}
    append_timing(ground.folder.timings, **about, seconds=round(seconds, 3))
    _tell_generation(ground, turn, number, seconds, replayed=False)


def _copies(ground: Ground, turn: Turn) -> Copies:
    former = trained_before(ground.state, turn.world.task)
    return known_copies(turn.population.evaluations, former)


def evaluated(ground: Ground, candidate: Candidate, outcome: Outcome, pricing: Pricing) -> Evaluation:
    """What became of a candidate, with its cost and score; its admission is not decided yet."""
    status = outcome.status
    cost = pricing.cost(candidate.genome, len(outcome.curve) - 1 if status.rejected else None)
    quality = outcome.quality if status.ok else float("nan")
    score = fitness(quality, cost, pricing.root(), ground.space_of(candidate.task).objective)
    return Evaluation(
        candidate=candidate,
        status=status,
        quality=outcome.quality,
        score=score,
        curve=outcome.curve,
        trained=outcome.trained,
        cost=cost,
        admitted=False,
        notes=outcome.notes,
    )


def _archive(ground: Ground, turn: Turn, task: Task) -> None:
    population, pass_, early_end = turn.population, turn.world.pass_, _early_end(ground, turn)
    best = population.best
    if best is None:
        reasons = Counter(str(evaluation.status) for evaluation in population.evaluations)
        raise CandidateError(f"task {task.name}: no candidate could be trained ({dict(reasons)})")
    state = ground.state
    trained = written(state.turn(task.name))
    own = population.evaluations[0] if pass_ > 1 else None
    if own is not None and best.score <= own.score:
        ground.commit(Kept(task.name, pass_, own.score, early_end))
    else:
        trained |= state.answer(task.name).components if task.name in state.routes else set()
        trained |= state.choosable.get(task.name, frozenset())
        keep = ground.space_of(task.name).objective.keep_front
        answer = replace(
            found_route(ground, best),
            corrected=corrected(ground, population, task),
            front=told_front(population, ground.root_of(task.name).layout, keep),
            early_end=early_end,
        )
        ground.commit(Found(task.name, pass_, answer))
    ground.store.remove(sorted(trained - in_use(ground.state)))
    if ground.cache is None:  # of no use to the next task; a shared cache keeps within its bound
        ArrayCache(ground.folder.cache, 0).clear()


def found_route(ground: Ground, best: Evaluation) -> Answer:
    """A candidate's route as an answer: its components pinned, and the digest of its logits."""
    its = way(best, ground.root_of(best.candidate.task).layout)
    answers = fingerprint(its.route, ground.shared)
    return Answer(told(best), its, answers, corrected=None, front=(), early_end=None)


def _early_end(ground: Ground, turn: Turn) -> EarlyEnd | None:
    """After which generation the stop rule ended the search, and with what expected gain; nothing if it did not."""
    by_clock = ground.state.stopped.get(turn.world.task) == turn.world.pass_
    if turn.early_end is None or by_clock:
        return None
    return EarlyEnd(turn.generation - 1, turn.early_end)


def _world(ground: Ground, pass_: int, task: Task, pricing: Pricing, trials: Trials) -> World:
    founders = ground.founders.without(task.name, ground.state)
    looks = _looks(ground, pass_, task, founders, trials)
    space, facts = ground.space_of(task.name), ground.root_of(task.name).facts
    return World(task.name, ground.config.seed, space, facts, founders, pricing, looks, pass_)


def _looks(ground: Ground, pass_: int, task: Task, founders: Sequence[Founder], trials: Trials) -> Looks:
    """What looks say about the task: as committed, or looked up now and committed."""
    space, facts = ground.space_of(task.name), ground.root_of(task.name).facts
    if task.name in ground.state.looks:
        looks = Looks(ground.state.looked(task.name).looks)
        _tell_looks(ground, task.name, looks, 0.0, replayed=True)
        return looks
    if space.looks is None:
        return Looks()
    start = time.monotonic()
    rng = generator(ground.config.seed, *turn_address(task.name, pass_), "looks")
    looks, own = first_looks(space, facts, founders, ground.state.descriptors, trials, rng)
    descriptor = None if ground.state.tasks[task.name].brief.private else own
    ground.commit(Looked(task.name, pass_, looks.all, descriptor))
    seconds = round(time.monotonic() - start, 3)
    append_timing(ground.folder.timings, task=task.name, looks=len(looks.all), seconds=seconds)
    _tell_looks(ground, task.name, looks, seconds, replayed=False)
    return looks


def _tell_looks(ground: Ground, task: str, looks: Looks, seconds: float, replayed: bool) -> None:
    size = looks.image_size()
    if size is not None:
        best = max(look.quality for look in looks.of_root)
        ground.progress(tell.Looked(task, len(looks.all), size, best, looks.parent(), seconds, replayed))


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
