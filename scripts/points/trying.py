"""One row: a candidate trained on a part of a task's training images and scored on the part that was held out."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.archive.store import ComponentStore
from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import DRAW, Candidate
from evo_mtl.evolution.fitness import work_price
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import SeedCandidate
from evo_mtl.learners.answers import pack
from evo_mtl.learners.comparison import task_data
from evo_mtl.learners.fine_tuning import fine_tuning
from evo_mtl.learners.learner import Settings
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.trunks import build_trunk, trunk_name
from evo_mtl.run.root import read_root, write_root
from evo_mtl.searching.front import way
from evo_mtl.searching.session import evaluated
from evo_mtl.streams.task import Split, Task, load_batch, part_of
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.folds import folds_of
from evo_mtl.training.images import TaskImages
from evo_mtl.training.metrics import score
from evo_mtl.training.pricing import Pricing
from evo_mtl.training.trial import Bench, try_candidate
from points.asked import FINE_TUNING, Asked

CACHE_BYTES = 4 * 2**30


def divided(task: Task, parts: int, seed: int) -> tuple[Task, Split]:
    """The task with fewer training images, and those that it lacks: one of so many stratified parts."""
    fold = folds_of(task, parts, seed)[0]
    return replace(task, train=part_of(task.train, fold.kept)), part_of(task.train, fold.left)


def row(asked: Asked, whole: Task, seed: int, name: str) -> dict[str, Any]:
    """Trains, then opens what was held out.

    Processor seconds are those of training and choosing, frozen stages included: nothing is kept from row to row.

    Raises:
        CandidateError: It could not be trained.
    """
    task, held_out = divided(whole, asked.parts, seed)
    try_it = _fine_tuned if name == FINE_TUNING else _tried
    found, answers = try_it(asked, task, held_out, seed, name)
    return {
        "row": name,
        "task": task.name,
        "seed": seed,
        "asked": asked.digest(name),
        "data": whole.digest,
        "metric": task.metric,
        "num_train": len(task.train),
        "held_out": score(task.metric, answers, held_out.labels),
        **found,
        **pack(answers, held_out.labels),
    }


def _tried(
    asked: Asked, task: Task, held_out: Split, seed: int, name: str
) -> tuple[dict[str, Any], np.ndarray]:
    space, folder = asked.space, asked.out / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    bench, pricing, genome = _ground(asked, task, seed, folder, asked.candidates[name])
    candidate = Candidate(task.name, 0, 0, None, DRAW, genome)
    bench.images.train(genome, 0)  # decoding is not counted
    bench.images.validation(genome)
    started = time.process_time()
    outcome = try_candidate(candidate, bench)
    spent = time.process_time() - started
    if not outcome.status.ok:
        raise CandidateError(f"{name}, task {task.name}, seed {seed}: {outcome.status}")
    told = evaluated(candidate, outcome, pricing, space.objective)
    route = way(told, bench.layout).route
    batch = load_batch(held_out, route.input)
    answers = bench.shared.logits([route], {route.input.size: batch})[0].numpy().argmax(1)
    shutil.rmtree(folder, ignore_errors=True)
    root, work = pricing.root()
    return {
        "validation": outcome.quality,
        "cpu_seconds": round(spent, 1),
        "added_share": told.cost.added_parameters / root,
        "work_share": told.cost.inference / work,
        "views": list(outcome.notes.views),
        "ridge_share": outcome.notes.ridge_share,
    }, answers


def _ground(
    asked: Asked, task: Task, seed: int, folder: Path, seed_candidate: SeedCandidate
) -> tuple[Bench, Pricing, Any]:
    space, store = asked.space, ComponentStore(folder / "components")
    root = read_root(write_root(space.trunk, store))
    cache = ArrayCache(folder / "cache", CACHE_BYTES)
    shared, images = SharedRoutes(Modules(store.read)), TaskImages(task, seed, cache)
    folds = space.folds(len(task.validation))
    counts = len(task.train), len(task.validation), len(task.classes)
    users = dict.fromkeys(root.facts.components, 1)
    pricing = Pricing(root.layout, *counts, users, space.image_size, space.validations, folds=folds)
    bench = Bench(
        seed,
        root.layout,
        shared,
        store.write,
        images,
        cache,
        space.validations,
        folds=folds,
        work_price=work_price(space.objective, pricing.root()[1]),
    )
    return bench, pricing, seed_genome(seed_candidate, space, root.facts)


def _fine_tuned(
    asked: Asked, task: Task, held_out: Split, seed: int, name: str
) -> tuple[dict[str, Any], np.ndarray]:
    """A whole copy of the trunk, its grid chosen on validation images, at the space's image size."""
    choice = asked.space.trunk
    trunk = build_trunk(trunk_name(choice.name, task.form), choice.weights)
    source = trunk.input.at(asked.space.image_size)
    data, settings = task_data(task, source), Settings(seed, asked.grid, "cpu", None, lambda line: None)
    started = time.process_time()
    learned = fine_tuning(data, trunk, settings)
    spent = time.process_time() - started
    return {
        "validation": learned.validation,
        "cpu_seconds": round(spent, 1),
        "added_share": 1.0,
        "work_share": 1.0,
        "views": ["whole"],
        "ridge_share": None,
    }, learned.predict(load_batch(held_out, source))
