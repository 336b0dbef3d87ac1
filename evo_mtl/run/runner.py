"""The search, new or resumed by the same code: what the journal has is replayed, what it lacks is done.

Each task's turn is asked for a generation, the engine tries it, the journal commits it whole. A crash
loses at most the generation in flight, and doing it again gives the same.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo_mtl.archive.snapshot import MOST_UNCOVERED, Archive
from evo_mtl.archive.state import ArchiveState, components_of
from evo_mtl.archive.timings import append_timing
from evo_mtl.engines.local import Engine, ProcessEngine, SerialEngine
from evo_mtl.engines.workbench import BenchPlan, set_threads
from evo_mtl.errors import CandidateError, InputError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation, evaluation_from_json
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.looks import Looks, look_from_json, planned_looks
from evo_mtl.evolution.population import Founder, Population, settled
from evo_mtl.evolution.turn import Turn, World
from evo_mtl.files import TEMPORARY_SUFFIX, lock, make_folder, remove
from evo_mtl.genome.space import TrunkFacts, check_against_trunk
from evo_mtl.network.assembly import assemble
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.run import progress as tell
from evo_mtl.run.beginning import Planned, begin, checked
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.founders import Founders
from evo_mtl.run.model import fingerprint
from evo_mtl.run.root import read_root, write_root
from evo_mtl.run.trials import Trials
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task
from evo_mtl.training.pricing import Pricing

CACHE_BYTES = 6 * 2**30


@dataclass(frozen=True)
class Options:
    """How a search is carried out; nothing here changes what comes of it, save a limit by the clock.

    Attributes:
        workers: Processes that try candidates.
        cache: Folder of kept arrays; the run's own when ``None``.
        cache_bytes: Its bound.
        minutes: Clock limit for the whole search, shared evenly by the tasks that are left.
        research: Search a task again whose data changed after it was archived, instead of refusing it.
    """

    workers: int = 1
    cache: Path | None = None
    cache_bytes: int = CACHE_BYTES
    minutes: float | None = None
    research: bool = False


def run_search(
    folder: RunFolder, config: RunConfig, options: Options, progress: tell.Progress = tell.silent
) -> ArchiveState:
    """Searches every task of the stream that has no route yet.

    Args:
        folder: New, empty, or a run of this very configuration (its stream may have grown).
        config: What is searched.
        options: How.
        progress: Hears what happens.

    Returns:
        The archive when all is done.

    Raises:
        RunError: The folder is no run, or another configuration's, or in use.
        InputError: Data or trunk cannot be used.
    """
    if options.workers < 1:
        raise InputError(f"expected at least one worker, met {options.workers}", "--workers")
    tasks = checked(folder, config, options.research)
    make_folder(folder.path)
    with lock(folder.lock), begin(folder, config, tasks) as archive:
        return _Search(folder, config, options, progress, archive, tasks).all_tasks()


class _Search:
    """One process's work on one run, the lock held."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        options: Options,
        progress: tell.Progress,
        archive: Archive,
        tasks: list[Planned],
    ) -> None:
        self.folder, self.config, self.options = folder, config, options
        self.progress, self.archive, self.tasks = progress, archive, tasks
        self.store = folder.store()
        self.state = archive.state
        self.founders = Founders()
        self.layout, self.facts = self._root()
        tokens = (self.layout.kind, self.layout.num_prefix_tokens)
        self.shared = SharedRoutes(Modules(self.store.read, device=config.device), tokens)
        self.deadline = None if options.minutes is None else time.monotonic() + 60 * options.minutes

    def _commit(self, kind: str, **payload: Any) -> None:
        """Writes an event and takes it in; what is not in the journal has not happened."""
        self.archive.append(kind, **payload)
        self.state = self.archive.state

    def _root(self) -> tuple[TrunkLayout, TrunkFacts]:
        set_threads(self.config.threads)
        payload = self.state.root
        if payload is None:
            payload = write_root(self.config.space.trunk, self.store)
            check_against_trunk(self.config.space, read_root(payload)[1], self.config.space.name)
            self._commit("root", **payload)
        return read_root(payload)

    def all_tasks(self) -> ArchiveState:
        engine: Engine = SerialEngine() if self.options.workers == 1 else ProcessEngine(self.options.workers)
        self.store.sweep(self._in_use())  # what crashes left, here and beside the journal
        for stray in self.folder.path.glob(f".*{TEMPORARY_SUFFIX}"):
            remove(stray)
        try:
            for place, planned in enumerate(self.tasks):
                if not self._is_done(planned):
                    self.tasks[place] = replace(planned, opened=None)  # its data may go after its turn
                    self._turn(place, planned.config, planned.open(), engine)
                    self.archive.snapshot(MOST_UNCOVERED)
                else:
                    self._tell_done(place, planned.config.name, 0.0, skipped=True)
        finally:
            engine.close()
        self.archive.snapshot()
        return self.state

    def _is_done(self, planned: Planned) -> bool:
        """Whether the task has a route that was found on these data, and not on older ones."""
        return self.state.answered.get(planned.config.name, {}).get("digest") == planned.digest

    def _turn(self, place: int, config: TaskConfig, task: Task, engine: Engine) -> None:
        start = time.monotonic()
        state = self.state
        known = state.tasks.get(task.name)
        if known is None or known["digest"] != task.digest:
            self._commit(
                "task",
                name=task.name,
                digest=task.digest,
                classes=list(task.classes),
                metric=task.metric,
                num_train=len(task.train),
                num_validation=len(task.validation),
                private=config.private,
            )
            state = self.state
        pricing = self._pricing(task, state)
        trials = Trials(
            engine,
            self._plan(config, task),
            self.folder.timings,
            len(task.classes),
            lambda candidate: pricing.cost(candidate.genome).multiply_adds,
        )
        budget = self.config.space.budget
        self.progress(
            tell.TaskStarted(
                task.name,
                place,
                len(self.tasks),
                len(task.train),
                len(task.validation),
                len(task.classes),
                budget.generations,
            )
        )
        world = self._world(task, state, pricing, trials)
        turn = Turn(world, algorithms.get(self.config.space.algorithm))
        for committed in state.generations.get(task.name, ()):
            turn.tell(evaluation_from_json(data) for data in committed["evaluations"])
            self._tell_generation(task.name, turn, committed["number"], 0.0, replayed=True)
        deadline = self._share_of_clock(place)
        while task.name not in self.state.stopped and (candidates := turn.ask()):
            self._generation(turn, candidates, trials, pricing)
            if deadline is not None and time.monotonic() > deadline:
                self._commit("clock", task=task.name, number=turn.generation)
        self._archive(turn.population, task)
        self._tell_done(place, task.name, time.monotonic() - start, skipped=False)

    def _generation(
        self, turn: Turn, candidates: tuple[Candidate, ...], trials: Trials, pricing: Pricing
    ) -> None:
        task, number = turn.world.task, turn.generation
        self.progress(tell.GenerationStarted(task, number, len(candidates)))
        start = time.monotonic()
        outcomes = trials.generation(
            candidates,
            lambda one, seconds: self.progress(tell.CandidateDone(task, number, one.child, seconds)),
        )
        evaluations = [
            self._evaluation(candidate, outcome, pricing)
            for candidate, outcome in zip(candidates, outcomes, strict=True)
        ]
        decided = turn.tell(evaluations)
        self._commit("generation", task=task, number=number, evaluations=[one.to_json() for one in decided])
        seconds = time.monotonic() - start
        append_timing(self.folder.timings, task=task, generation=number, seconds=round(seconds, 3))
        self._tell_generation(task, turn, number, seconds, replayed=False)

    def _evaluation(self, candidate: Candidate, outcome: dict[str, Any], pricing: Pricing) -> Evaluation:
        cost = pricing.cost(candidate.genome)
        ok = outcome["status"] == "ok"
        score = fitness(
            outcome["quality"] if ok else float("nan"), cost, pricing.root(), self.config.space.objective
        )
        return Evaluation(
            candidate=candidate,
            status=outcome["status"],
            quality=outcome["quality"],
            score=score,
            curve=tuple(outcome["curve"]),
            trained=outcome["trained"],
            cost=cost,
            admitted=False,
            notes=outcome["notes"],
        )

    def _archive(self, population: Population, task: Task) -> None:
        best = population.best
        if best is None:
            reasons = Counter(evaluation.status for evaluation in population.evaluations)
            raise CandidateError(f"task {task.name}: no candidate could be trained ({dict(reasons)})")
        genome = settled(best)
        route = assemble(genome, self.layout.mean, self.layout.std)
        closed = replace(route, nodes=tuple(replace(node, open=False) for node in route.nodes))
        written = _written(self.state.generations.get(task.name, ()))
        self._commit(
            "route",
            task=task.name,
            candidate=best.candidate.id,
            genome=genome.to_json(),
            route=closed.to_json(),
            quality=best.quality,
            score=best.score,
            cost=best.to_json()["cost"],
            temperature=best.notes["temperature"],
            fingerprint=fingerprint(closed, self.shared),
        )
        self.store.remove(sorted(written - self._in_use()))
        if self.options.cache is None:  # of no use to the next task; a shared cache keeps to its bound
            shutil.rmtree(self.folder.cache, ignore_errors=True)

    def _in_use(self) -> set[str]:
        """Components of the root, of every route, and of unfinished turns: what candidates wrote or started from."""
        in_use = {*(self.state.root["components"] if self.state.root else ()), *self.state.users}
        turns = self.state.generations.values()
        return in_use.union(*map(_written, turns), *map(_inherited, turns))

    def _world(self, task: Task, state: ArchiveState, pricing: Pricing, trials: Trials) -> World:
        founders = self.founders.without(task.name, state)
        looks = self._looks(task, state, founders, trials)
        return World(task.name, self.config.seed, self.config.space, self.facts, founders, pricing, looks)

    def _looks(self, task: Task, state: ArchiveState, founders: Sequence[Founder], trials: Trials) -> Looks:
        """What cheap looks say of the task: as committed, or looked up now and committed."""
        space = self.config.space
        if task.name in state.looks:
            looks = Looks(tuple(map(look_from_json, state.looks[task.name]["looks"])))
            self._tell_looks(task.name, looks, 0.0, replayed=True)
            return looks
        requests = planned_looks(space, self.facts, founders, self.config.seed, task.name)
        if space.looks is None or not requests:
            return Looks()
        start = time.monotonic()
        looks = Looks(tuple(trials.looks(requests, space.looks.max_images)))
        self._commit("looks", task=task.name, looks=[look.to_json() for look in looks.all])
        seconds = round(time.monotonic() - start, 3)
        append_timing(self.folder.timings, task=task.name, looks=len(looks.all), seconds=seconds)
        self._tell_looks(task.name, looks, seconds, replayed=False)
        return looks

    def _pricing(self, task: Task, state: ArchiveState) -> Pricing:
        return Pricing(
            layout=self.layout,
            num_train=len(task.train),
            num_validation=len(task.validation),
            num_classes=len(task.classes),
            users=num_users(state, without=task.name),
            image_size=int(self.config.space.default("image_size")),
            validations=self.config.space.validations,
        )

    def _plan(self, config: TaskConfig, task: Task) -> BenchPlan:
        cache = self.options.cache or self.folder.cache
        return BenchPlan(
            folder=str(self.folder.path.absolute()),
            cache=str(cache.expanduser().absolute()),
            cache_bytes=self.options.cache_bytes,
            seed=self.config.seed,
            layout=self.layout,
            task=config,
            digest=task.digest,
            validations=self.config.space.validations,
            sizes=self.config.space.image_sizes,
            threads=self.config.threads,
            device=self.config.device,
        )

    def _share_of_clock(self, place: int) -> float | None:
        if self.deadline is None:
            return None
        now = time.monotonic()
        return now + (self.deadline - now) / (len(self.tasks) - place)

    def _tell_looks(self, task: str, looks: Looks, seconds: float, replayed: bool) -> None:
        size = looks.image_size()
        if size is not None:
            best = max(look.quality for look in looks.of_root)
            self.progress(tell.Looked(task, len(looks.all), size, best, looks.parent(), seconds, replayed))

    def _tell_generation(self, task: str, turn: Turn, number: int, seconds: float, replayed: bool) -> None:
        told = [e for e in turn.population.evaluations if e.candidate.generation == number]
        best = turn.population.best
        self.progress(
            tell.GenerationDone(
                task,
                number,
                sum(e.admitted for e in told),
                sum(not e.ok for e in told),
                best.quality if best else 0.0,
                best.score if best else 0.0,
                seconds,
                replayed,
            )
        )

    def _tell_done(self, place: int, name: str, seconds: float, skipped: bool) -> None:
        route = self.state.routes[name]
        self.progress(
            tell.TaskDone(
                name,
                place,
                len(self.tasks),
                route["quality"],
                route["cost"]["added_parameters"],
                sum(self.facts.parameters),
                seconds,
                skipped,
            )
        )


def _written(generations: Iterable[Mapping[str, Any]]) -> set[str]:
    """Components that the candidates of some generations wrote."""
    return {
        component
        for generation in generations
        for evaluation in generation["evaluations"]
        for component in evaluation["trained"].values()
    }


def _inherited(generations: Iterable[Mapping[str, Any]]) -> set[str]:
    """Components that the candidates of some generations started from; their route may have been replaced since."""
    return {
        gene["component"]
        for generation in generations
        for evaluation in generation["evaluations"]
        for kind in ("stages", "adapters")
        for gene in evaluation["candidate"]["genome"][kind]
        if gene["component"] is not None
    }


def num_users(state: ArchiveState, without: str = "") -> Counter[str]:
    """How many routes use each component, the root trunk's own route counted as one."""
    users: Counter[str] = Counter(state.users)
    users.update(state.root["components"] if state.root else ())
    if without in state.routes:
        users.subtract(components_of(state.routes[without]))
    return users
