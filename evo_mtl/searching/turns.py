"""One task's turn, new or resumed: looks, generations, and the route that is archived.

Each turn is asked for a generation, the engine tries it, the journal commits it whole. A crash loses at
most the generation in flight, and doing it again gives the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evo_mtl.answering.model import fingerprint
from evo_mtl.archive.state import components_of
from evo_mtl.archive.timings import append_timing
from evo_mtl.engines.local import Engine
from evo_mtl.errors import CandidateError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation, evaluation_from_json, turn_address
from evo_mtl.evolution.copies import Copies, known_copies
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.looks import Looks, look_from_json
from evo_mtl.evolution.outcome import Outcome
from evo_mtl.evolution.population import Founder
from evo_mtl.evolution.rejection import bars
from evo_mtl.evolution.turn import Turn, World
from evo_mtl.network.route import route_from_json
from evo_mtl.run import progress as tell
from evo_mtl.searching.first_looks import first_looks
from evo_mtl.searching.front import archived, told_front
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.incumbent import incumbent
from evo_mtl.searching.luck import corrected
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
    """Searches a task, from wherever the journal has it, and archives its best route.

    In a later pass its own route is the first member of its population, and stays unless something beats it.

    Raises:
        CandidateError: None of its candidates could be trained.
    """
    start = time.monotonic()
    known = ground.state.tasks.get(task.name)
    if known is None or known["digest"] != task.digest:
        root = ground.root_for(task)
        ground.commit(
            "task",
            name=task.name,
            root=root.digest,
            digest=task.digest,
            classes=list(task.classes),
            metric=task.metric,
            num_train=len(task.train),
            num_validation=len(task.validation),
            private=config.private,
        )
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
    for committed in ground.state.generations.get(task.name, ()):
        turn.tell(evaluation_from_json(data) for data in committed["evaluations"])
        _tell_generation(ground, turn, committed["number"], 0.0, replayed=True)
    if place.pass_ > 1 and turn.generation == 0:
        own = incumbent(task.name, place.pass_, ground.state.routes[task.name], pricing, space.objective)
        _commit_generation(ground, turn, [own], 0.0)
    while ground.state.stopped.get(task.name) != place.pass_ and (candidates := turn.ask()):
        _generation(ground, turn, candidates, trials, pricing)
        if place.deadline is not None and time.monotonic() > place.deadline:
            ground.commit("clock", task=task.name, number=turn.generation, **_said(place.pass_))
    if early_end := _early_end(ground, turn):
        ground.progress(tell.EndedEarly(task.name, **early_end["early_end"]))
    _archive(ground, turn, task)
    tell_done(ground, place, task.name, time.monotonic() - start, skipped=False)


def _said(pass_: int) -> dict[str, int]:
    """How events name their pass; the first goes unsaid."""
    return {} if pass_ == 1 else {"pass": pass_}


def _generation(
    ground: Ground, turn: Turn, candidates: tuple[Candidate, ...], trials: Trials, pricing: Pricing
) -> None:
    task, number = turn.world.task, turn.generation
    ground.progress(tell.GenerationStarted(task, number, len(candidates)))
    start = time.monotonic()
    outcomes = trials.generation(
        candidates,
        lambda one, seconds: ground.progress(tell.CandidateDone(task, number, one.child, seconds)),
        # Validations of one fit are no measure of what many are pooled to.
        () if pricing.folds else bars(candidates, turn.world, turn.population.evaluations),
        _copies(ground, turn) if pricing.folds else None,
    )
    evaluations = [
        evaluated(ground, candidate, outcome, pricing)
        for candidate, outcome in zip(candidates, outcomes, strict=True)
    ]
    _commit_generation(ground, turn, evaluations, time.monotonic() - start)


def _commit_generation(ground: Ground, turn: Turn, evaluations: Sequence[Evaluation], seconds: float) -> None:
    task, number, said = turn.world.task, turn.generation, _said(turn.world.pass_)
    decided = turn.tell(evaluations)
    told = [one.to_json() for one in decided]
    ground.commit("generation", task=task, number=number, evaluations=told, **said)
    append_timing(ground.folder.timings, task=task, generation=number, seconds=round(seconds, 3), **said)
    _tell_generation(ground, turn, number, seconds, replayed=False)


def _copies(ground: Ground, turn: Turn) -> Copies:
    former = trained_before(ground.state, turn.world.task)
    return known_copies(turn.population.evaluations, former)


def evaluated(ground: Ground, candidate: Candidate, outcome: Outcome, pricing: Pricing) -> Evaluation:
    """What came of a candidate, with its cost and score; its admission is not decided."""
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
    population, said = turn.population, {**_said(turn.world.pass_), **_early_end(ground, turn)}
    best = population.best
    if best is None:
        reasons = Counter(str(evaluation.status) for evaluation in population.evaluations)
        raise CandidateError(f"task {task.name}: no candidate could be trained ({dict(reasons)})")
    trained = written(ground.state.generations.get(task.name, ()))
    own = population.evaluations[0] if turn.world.pass_ > 1 else None
    if own is not None and best.score <= own.score:
        ground.commit("kept", task=task.name, score=own.score, **said)
    else:
        trained |= components_of(ground.state.routes.get(task.name, {}))
        trained |= ground.state.choosable.get(task.name, frozenset())
        keep = ground.space_of(task.name).objective.keep_front
        members = told_front(population, ground.root_of(task.name).layout, keep)
        more = {"front": members, **corrected(ground, population, task), **said}
        ground.commit("route", task=task.name, **found_route(ground, best), **more)
    ground.store.remove(sorted(trained - in_use(ground.state)))
    if ground.cache is None:  # of no use to the next task; a shared cache keeps to its bound
        ArrayCache(ground.folder.cache, 0).clear()


def found_route(ground: Ground, best: Evaluation) -> dict[str, Any]:
    """What the event of a route says of it: its components pinned, and the digest of its logits."""
    found = archived(best, ground.root_of(best.candidate.task).layout)
    return {**found, "fingerprint": fingerprint(route_from_json(found["route"]), ground.shared)}


def _early_end(ground: Ground, turn: Turn) -> dict[str, Any]:
    """After which generation the stop rule ended the search, and with what gain in prospect; nothing if it did not."""
    by_clock = ground.state.stopped.get(turn.world.task) == turn.world.pass_
    if turn.early_end is None or by_clock:
        return {}
    return {"early_end": {"generation": turn.generation - 1, "expected_gain": turn.early_end}}


def _world(ground: Ground, pass_: int, task: Task, pricing: Pricing, trials: Trials) -> World:
    founders = ground.founders.without(task.name, ground.state)
    looks = _looks(ground, pass_, task, founders, trials)
    space, facts = ground.space_of(task.name), ground.root_of(task.name).facts
    return World(task.name, ground.config.seed, space, facts, founders, pricing, looks, pass_)


def _looks(ground: Ground, pass_: int, task: Task, founders: Sequence[Founder], trials: Trials) -> Looks:
    """What cheap looks say of the task: as committed, or looked up now and committed."""
    space, facts = ground.space_of(task.name), ground.root_of(task.name).facts
    if task.name in ground.state.looks:
        looks = Looks(tuple(map(look_from_json, ground.state.looks[task.name]["looks"])))
        _tell_looks(ground, task.name, looks, 0.0, replayed=True)
        return looks
    if space.looks is None:
        return Looks()
    start = time.monotonic()
    rng = generator(ground.config.seed, *turn_address(task.name, pass_), "looks")
    looks, own = first_looks(space, facts, founders, ground.state.descriptors, trials, rng)
    told = {"descriptor": own} if own and not ground.state.tasks[task.name]["private"] else {}
    seen = [look.to_json() for look in looks.all]
    ground.commit("looks", task=task.name, looks=seen, **told, **_said(pass_))
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
    told = [e for e in turn.population.evaluations if e.candidate.generation == number]
    best = turn.population.best
    ground.progress(
        tell.GenerationDone(
            turn.world.task,
            number,
            sum(e.admitted for e in told),
            sum(not e.ok and not e.rejected for e in told),
            best.quality if best else 0.0,
            best.score if best else 0.0,
            seconds,
            replayed,
            sum(e.rejected for e in told),
        )
    )


def tell_done(ground: Ground, place: Place, name: str, seconds: float, skipped: bool) -> None:
    """A task's route is there, found now or before."""
    route = ground.state.routes[name]
    ground.progress(
        tell.TaskDone(
            name,
            place.number,
            place.num_turns,
            route["quality"],
            route["cost"]["added_parameters"],
            ground.root_of(name).num_parameters,
            seconds,
            skipped,
            place.pass_,
            kept=place.pass_ > 1 and route.get("pass", 1) < place.pass_,
        )
    )
