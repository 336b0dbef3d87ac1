"""A search row: one run over the stream, its routes and its best seed candidates scored on test images.

A listener of the run reads the processor's clock, keeps the weights of the best candidate of generation 0
(the search drops them), and writes a task's row when its route is archived. Nothing flows back.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.answering.evaluation import trunk_parameters
from evo_mtl.answering.model import Model, load
from evo_mtl.archive.store import ComponentStore
from evo_mtl.archive.timings import append_timing, read_timings
from evo_mtl.errors import RunError
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.population import Population
from evo_mtl.files import lock
from evo_mtl.genome.genome import Genome, HeadGene
from evo_mtl.learners.answers import pack
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.route import Route
from evo_mtl.plain import plain
from evo_mtl.run import progress as tell
from evo_mtl.run.config import RunConfig, make_config
from evo_mtl.run.events import Generation, Looked, Stopped, history
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import CACHE_BYTES, Options
from evo_mtl.run.snapshot import Archive
from evo_mtl.searching.front import way
from evo_mtl.searching.runner import run_search
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Split, load_batch, open_splits, open_task
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.images import TaskImages
from evo_mtl.training.metrics import score
from search.rows import Rows
from search.work import Place, Search


class _Enough(Exception):
    """A task has had its seconds; ``number`` generations are committed."""

    def __init__(self, task: str, number: int) -> None:
        super().__init__(task)
        self.task, self.number = task, number


def do(work: Search, place: Place, say: Callable[[str], None]) -> None:
    """Searches, or goes on, until every task has a row.

    Raises:
        OutOfTime: The benchmark's time was over before the next task began.
    """
    config = make_config(
        work.stream, work.space, seed=work.seed, algorithm=work.algorithm, overrides=work.overrides
    )
    folder = RunFolder(place.folder / "runs" / work.name)
    listener = _Listener(work, place, config, folder, say)
    while True:
        try:
            run_search(folder, config, Options(cache=place.cache, trust_python=True), listener)
        except _Enough as enough:
            with lock(folder.lock), Archive(folder.journal) as archive:
                archive.append(Stopped(enough.task, 1, enough.number))
        else:
            return


class _Listener:
    """Hears a run, reads the clock, writes the rows."""

    def __init__(
        self, work: Search, place: Place, config: RunConfig, folder: RunFolder, say: Callable[[str], None]
    ) -> None:
        self.work, self.place, self.config, self.folder, self.say = work, place, config, folder, say
        self.tasks = {task.name: task for task in config.stream.tasks}
        self.rows = Rows(place.folder)
        self.there = self.rows.there(work.method, work.seed, work.asked)
        self.clock = place.folder / "clocks" / f"{work.name}.jsonl"
        self.seeds = place.folder / "seeds" / work.name
        self.clock.parent.mkdir(parents=True, exist_ok=True)
        self._reset()

    def __call__(self, event: tell.Event) -> None:
        if isinstance(event, tell.TaskStarted):
            decode(self.tasks[event.name], self.config, self.place.cache or self.folder.cache)
            self._reset()
        elif isinstance(event, tell.Looked) and not event.replayed:
            self._read(event.task, 0)
        elif isinstance(event, tell.GenerationDone):
            self._generation(event)
        elif isinstance(event, tell.TaskDone):
            if not event.skipped:
                self._read(event.name, None)
            if event.name not in self.there:
                self._row(event.name)
                self.place.check_time()

    def _generation(self, event: tell.GenerationDone) -> None:
        if not event.replayed:
            self._read(event.task, event.number)
        if event.number == 0:
            self._keep_seed(event.task)
        self._reset()
        if not event.replayed and self.work.seconds is not None:
            readings = self._readings(event.task)
            spent = sum(one["cpu"] for one in readings)
            last = readings[-1]["cpu"] if event.number else 0.0
            if spent + last / 2 >= self.work.seconds:  # the end that is nearest to the limit
                raise _Enough(event.task, event.number + 1)

    def _reset(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def _read(self, task: str, generation: int | None) -> None:
        """Writes what passed since the last reading; looks count for generation 0, archiving for none."""
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        append_timing(self.clock, task=task, generation=generation, cpu=round(cpu, 3), wall=round(wall, 3))
        self._reset()

    def _readings(self, task: str) -> list[Mapping[str, Any]]:
        return [one for one in read_timings(self.clock) if one.get("task") == task]

    def _keep_seed(self, task: str) -> None:
        """Copies what the best seed candidate trained: the run drops it when the task's turn ends."""
        committed = self.folder.read_state().turn(task)[0]
        best = _best(committed.evaluations)
        side = ComponentStore(self.seeds / task)
        for component in best.trained.values() if best else ():
            side.write(*self.folder.store().read(component))

    def _row(self, name: str) -> None:
        row = self._found(self.tasks[name])
        self.rows.append(row)
        self.there.add(name)
        shutil.rmtree(self.seeds / name, ignore_errors=True)
        self.say(f"{name}: validation {row['validation']:.4f}, {row['cpu_seconds']:.0f} s of the processor")

    def _found(self, task: TaskConfig) -> dict[str, Any]:
        model = load(self.folder.path)
        answer, known = model.state.answer(task.name), model.state.answered[task.name].brief
        splits = open_splits(task, trust_python=True)
        if splits.digest != known.digest:
            raise RunError(f"the data of task {task.name!r} is not what it was searched on", model.place)
        told = history(self.folder.journal)
        looks = [
            look for one in told if isinstance(one, Looked) and one.task == task.name for look in one.looks
        ]
        generations = [
            one.evaluations for one in told if isinstance(one, Generation) and one.task == task.name
        ]
        tried = [one for generation in generations for one in generation]
        chosen = next(one for one in tried if one.candidate.id == answer.told.candidate)
        clock = self._readings(task.name)
        search = {
            "validation": answer.told.quality,
            **answered(known.metric, splits.test, model.route(task.name), model.shared),
            **_costs(chosen),
            **_spent(looks, tried, clock),
        }
        best = _best(generations[0])
        no_search = None
        if best is not None:
            started = [one for one in tried if one.candidate.generation == 0]
            no_search = {
                "validation": best.quality,
                **answered(known.metric, splits.test, *self._seed_route(best, model, task.name)),
                **_costs(best),
                **_spent(looks, started, [one for one in clock if one["generation"] == 0]),
            }
        return {
            "method": self.work.method,
            "seed": self.work.seed,
            "task": task.name,
            "asked": self.work.asked,
            "data": splits.digest,
            "metric": known.metric,
            "num_train": known.num_train,
            "trunk_parameters": trunk_parameters(model),
            **search,
            "corrected": answer.corrected and plain(answer.corrected),
            "no_search": no_search,
        }

    def _seed_route(self, best: Evaluation, model: Model, task: str) -> tuple[Route, SharedRoutes]:
        store, side, kept = self.folder.store(), ComponentStore(self.seeds / task), set(best.trained.values())
        modules = Modules(lambda name, check=None: (side if name in kept else store).read(name, check))
        return way(best, model.root(task).layout).route, SharedRoutes(modules)


def _best(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The best by score of a committed generation."""
    return Population(tuple(evaluations)).best


def decode(task: TaskConfig, config: RunConfig, cache: Path) -> None:
    """Decodes before the clock runs, since with a shared cache only one run would pay for it."""
    images = TaskImages(
        open_task(task, trust_python=True),
        config.seed,
        ArrayCache(cache.expanduser().absolute(), CACHE_BYTES),
        config.space.image_sizes,
    )
    plain = Genome(  # only what it says of pixels is read
        root="",
        boundary=0,
        stages=(),
        adapters=(),
        taps=(),
        head=HeadGene("ridge"),
        hyperparameters=tuple(sorted(config.space.defaults().items())),
    )
    images.train(plain, 0)
    images.validation(plain)


def answered(metric: str, test: Split, route: Route, shared: SharedRoutes) -> dict[str, Any]:
    """Quality on the test split and which images were answered rightly."""
    batch = load_batch(test, route.input)
    answers = shared.logits([route], {route.input.size: batch})[0].numpy().argmax(1)
    return {"test": score(metric, answers, test.labels), **pack(answers, test.labels)}


def _costs(chosen: Evaluation) -> dict[str, Any]:
    return {
        "added_parameters": chosen.cost.added_parameters,
        "active_parameters": chosen.cost.active_parameters,
        "multiply_adds": chosen.cost.inference,
        "chosen": {
            "candidate": str(chosen.candidate.id),
            "origin": str(chosen.candidate.origin),
            "parent": chosen.candidate.parent and str(chosen.candidate.parent),
        },
    }


def _spent(
    looks: Sequence[Any], tried: Sequence[Evaluation], clock: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "images": sum(one.images for one in looks) + sum(one.cost.images for one in tried),
        "planned_multiply_adds": sum(one.multiply_adds for one in looks)
        + sum(one.cost.multiply_adds for one in tried),
        "candidates": len(tried),
        "rejected": sum(one.rejected for one in tried),
        "failed": sum(one.status.failed for one in tried),
        "cpu_seconds": round(float(np.sum([one["cpu"] for one in clock])), 2),
        "seconds": round(float(np.sum([one["wall"] for one in clock])), 2),
    }
