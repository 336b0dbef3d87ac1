"""What a search would cost, before it: candidates, images, multiply-adds, and about how long."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

import torch

from evo_mtl.engines.workbench import set_threads
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.looks import root_looks
from evo_mtl.evolution.outcome import OK, Notes
from evo_mtl.evolution.turn import Turn, World, seed_candidates
from evo_mtl.genome.space import SearchSpace
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.pooling import main_tensor
from evo_mtl.network.trunks import stage_modules
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.root import Root, read_root
from evo_mtl.run.state import ArchiveState
from evo_mtl.searching.beginning import continued
from evo_mtl.searching.checks import check_device, check_images, check_root
from evo_mtl.searching.usage import uncounted
from evo_mtl.streams.experience import open_experience
from evo_mtl.streams.task import Task, open_task
from evo_mtl.training.looks import look_work
from evo_mtl.training.pricing import Pricing

IMAGES, BATCH = 64, 32
QUALITY = 0.9
"""What every candidate is taken to reach; the cost is the same whatever it is."""


def estimate(folder: RunFolder, config: RunConfig, workers: int = 1) -> dict[str, Any]:
    """What ``--dry-run`` tells; writes nothing. The stream is one that the user handed in.

    Each task's turn is played through with candidates that are all equally good, on the root trunk
    alone. Activations that are kept and shared make the real search cheaper, decoding and solving
    heads dearer.

    Args:
        folder: Of the run; it need not exist. Passes that it has made are left out.
        config: What would be searched.
        workers: Processes that would try candidates.

    Raises:
        InputError: What would stop the search, too.
    """
    state = ArchiveState()
    if folder.exists():
        _, old, state = open_run(folder.path)
        config = continued(old, config, state, folder)
    done = state.passes
    archived = {task.name for task in config.stream.tasks if done.get(task.name, 0) >= config.passes}
    check_device(config.device)
    if config.stream.regime == "online":
        here, rows = _streamed(config, archived)
    else:
        here, rows = _searched(config, archived, done, state)
    rate = multiply_adds_per_second(config, here.layout) * min(workers, os.cpu_count() or 1)
    rows = [{**row, "seconds": row["multiply_adds"] / rate} for row in rows]
    return {
        "run": str(folder.path),
        "space": config.space.name,
        "algorithm": config.space.algorithm,
        "trunk": {
            "name": here.layout.name,
            "stages": here.facts.num_stages,
            "parameters": here.num_parameters,
        },
        "archived": [task.name for task in config.stream.tasks if task.name in archived],
        "tasks": rows,
        **{
            key: sum(row[key] for row in rows) for key in ("candidates", "images", "multiply_adds", "seconds")
        },
        "multiply_adds_per_second": rate,
    }


def _root(task: Task, config: RunConfig, state: ArchiveState) -> Root:
    """What a task is searched on: that of the space asked for, if it is new."""
    known = state.tasks.get(task.name)
    if known is None:
        return check_root(config.space, task.form)
    return read_root(state.roots[known.brief.root])


def _searched(
    config: RunConfig, archived: set[str], done: Mapping[str, int], state: ArchiveState
) -> tuple[Root, list[dict[str, Any]]]:
    """The root of the space, and a row for each task whose examples stay."""
    tasks = [open_task(task, trust_python=True) for task in config.stream.tasks if task.name not in archived]
    for task in tasks:
        check_images(task)
    here = check_root(config.space, tasks[0].form if tasks else None)
    rows = [_task_row(task, done.get(task.name, 0), config, _root(task, config, state)) for task in tasks]
    return here, rows


def _streamed(config: RunConfig, archived: set[str]) -> tuple[Root, list[dict[str, Any]]]:
    """The same where each example comes once: a population of seed candidates learns from all of them."""
    tasks = open_experience(config.stream, config.seed, trust_python=True).tasks
    waiting = [task for task in tasks if task.name not in archived]
    here = check_root(config.space, waiting[0].form if waiting else None)
    rows = []
    for task in waiting:
        root, space = check_root(config.space, task.form), config.space
        pricing = Pricing(
            layout=root.layout,
            num_train=task.num_examples or 0,
            num_validation=0,
            num_classes=len(task.classes),
            users=Counter(root.facts.components),
            image_size=space.image_size,
            validations=space.validations,
            uncounted=uncounted(space, root.facts),
            online=True,
        )
        seeds = seed_candidates(World(task.name, config.seed, space, root.facts, (), pricing))
        costs = [pricing.cost(one.genome) for one in islice(cycle(seeds), space.race.population)]
        rows.append(
            {
                "name": task.name,
                "classes": len(task.classes),
                "num_train": task.num_examples or 0,
                "num_validation": 0,
                "candidates": len(costs),
                "images": sum(cost.images for cost in costs),
                "multiply_adds": sum(cost.multiply_adds for cost in costs),
            }
        )
    return here, rows


def _task_row(task: Task, done: int, config: RunConfig, root: Root) -> dict[str, Any]:
    space = config.space_of(root.space) or config.space
    work = [
        planned_work(task, space, config.seed, root, pass_) for pass_ in range(done + 1, config.passes + 1)
    ]
    candidates, images, multiply_adds = (sum(column) for column in zip(*work, strict=True))
    return {
        "name": task.name,
        "classes": len(task.classes),
        "num_train": len(task.train),
        "num_validation": len(task.validation),
        "candidates": candidates,
        "images": images,
        "multiply_adds": multiply_adds,
    }


def planned_work(
    task: Task, space: SearchSpace, seed: int, root: Root, pass_: int = 1
) -> tuple[int, int, float]:
    """Candidates, images presented and multiply-adds of a turn in which all candidates are equally good."""
    layout, facts = root.layout, root.facts
    pricing = Pricing(
        layout=layout,
        num_train=len(task.train),
        num_validation=len(task.validation),
        num_classes=len(task.classes),
        users=Counter(facts.components),
        image_size=space.image_size,
        validations=space.validations,
        uncounted=uncounted(space, facts),
        folds=space.folds(len(task.validation), pass_),
    )
    whole = space.model_copy(update={"stop": None})  # how much is gained is not known yet
    world = World(task.name, seed, whole, facts, (), pricing, pass_=pass_)
    turn = Turn(world, algorithms.get(space.algorithm))
    if pass_ > 1:  # its own route takes the place of the seed candidates, and costs nothing
        own = _equally_good(turn.ask()[0], pricing, space)
        turn.tell([replace(own, cost=replace(own.cost, images=0, multiply_adds=0.0))])
    while candidates := turn.ask():
        turn.tell(_equally_good(candidate, pricing, space) for candidate in candidates)
    tried = turn.population.evaluations if pass_ == 1 else turn.population.evaluations[1:]
    costs = [evaluation.cost for evaluation in tried]
    num_train = min(len(task.train), space.looks.max_images) if space.looks else 0
    looks = [
        look_work(request.genome, num_train, len(task.validation), layout)
        for request in root_looks(space, facts)
    ]
    images = sum(cost.images for cost in costs) + sum(images for images, _ in looks)
    return len(costs), images, sum(cost.multiply_adds for cost in costs) + sum(work for _, work in looks)


def _equally_good(candidate: Candidate, pricing: Pricing, space: SearchSpace) -> Evaluation:
    cost = pricing.cost(candidate.genome)
    score = fitness(QUALITY, cost, pricing.root(), space.objective)
    trained: Mapping[str, str] = {}
    return Evaluation(candidate, OK, QUALITY, score, (), trained, cost, admitted=False, notes=Notes())


def multiply_adds_per_second(config: RunConfig, layout: TrunkLayout) -> float:
    """Speed of a short burst of training the whole trunk, counted as multiply-adds are planned."""
    set_threads(config.threads)
    size = config.space.image_size
    device = torch.device(config.device)
    stages = [
        stage.to(device).to(memory_format=torch.channels_last).train().requires_grad_(True)
        for stage in stage_modules(layout.name, layout.cut)
    ]
    source = layout.input.at(size)
    first = source.first(torch.from_numpy(source.probes(BATCH)).to(device))
    _burst(stages, first)
    start = time.perf_counter()
    for _ in range(IMAGES // BATCH):
        _burst(stages, first)
    seconds = time.perf_counter() - start
    pricing = Pricing(layout, 1, 1, 2, {}, size, 1)
    return 3 * IMAGES * pricing.root()[1] / seconds


def _burst(stages: list[torch.nn.Module], first: torch.Tensor) -> None:
    """Forward and backward of a batch through every stage."""
    activation = first
    for stage in stages:
        activation = stage(activation)
    total = main_tensor(activation).float().mean()
    total.backward()
    total.item()
