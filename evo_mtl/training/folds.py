"""Parts of a small task's training images that are left out in turn; the same for all its candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evo_mtl.seeding import generator
from evo_mtl.streams.task import Task


@dataclass(frozen=True)
class Fold:
    """One part.

    Attributes:
        number: Its place among the parts.
        kept: ``(N,)``, training images that a copy is fitted on, in order.
        left: ``(M,)``, those that it answers.
    """

    number: int
    kept: np.ndarray
    left: np.ndarray


def folds_of(task: Task, count: int, seed: int) -> tuple[Fold, ...]:
    """Cuts a task's training images into stratified parts, drawn at the task's address.

    No copy is fitted without any image of a class: the only image of a class is never left out. Parts differ in
    size by at most one image.

    Args:
        task: Its training labels and its name are read.
        count: Parts wanted; none is empty, so there may be fewer.
        seed: The run's seed.
    """
    labels = task.train.labels
    rng = generator(seed, "task", task.name, "folds")
    part = np.full(len(labels), -1)
    dealt = 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            part[members] = (dealt + np.arange(len(members))) % count
            dealt += len(members)
    used = [number for number in range(count) if (part == number).any()]
    return tuple(Fold(i, np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in used)


def answered_labels(task: Task, count: int, seed: int) -> np.ndarray:
    """Classes ``(N,)`` of the images that a candidate's quality is pooled over, in the order of its answers:
    the validation images, then each part's.

    Args:
        task: Its labels and its name are read.
        count: Parts; 0 where only validation images are answered.
        seed: The run's seed.
    """
    parts = [task.train.labels[fold.left] for fold in folds_of(task, count, seed)] if count else []
    return np.concatenate([task.validation.labels, *parts])
