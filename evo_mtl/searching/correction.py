"""What the event of a route tells beside its validation quality: how much of it was luck."""

from __future__ import annotations

import numpy as np

from evo_mtl.evolution.candidate import turn_address
from evo_mtl.evolution.optimism import Corrected, corrected_quality
from evo_mtl.evolution.population import Population
from evo_mtl.searching.ground import Ground
from evo_mtl.seeding import generator
from evo_mtl.streams.task import Task
from evo_mtl.training.folds import answered_labels


def corrected(ground: Ground, population: Population, task: Task) -> Corrected | None:
    """The winner's quality less its luck; nothing where it is not known what it answered."""
    best = population.best
    if best is None or best.notes.right is None:
        return None
    folds = best.notes.pooled.folds if best.notes.pooled is not None else 0
    labels = answered_labels(task, folds, ground.config.seed)
    classes = labels if task.metric == "balanced_accuracy" else np.zeros_like(labels)
    rng = generator(ground.config.seed, *turn_address(task.name, best.candidate.pass_), "winner's luck")
    objective = ground.space_of(task.name).objective
    root = ground.pricing(task, best.candidate.pass_).root()
    return corrected_quality(population.evaluations, root, objective, classes, rng)
