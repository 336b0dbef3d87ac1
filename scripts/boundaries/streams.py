"""Sequential streams of batches out of sets, and what a detector makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from boundaries.detectors import Detector
from boundaries.sets import Rows

Stream = Iterator[tuple[np.ndarray, np.ndarray, int]]
"""Features, labels and the number of the task, batch by batch."""


@dataclass
class Found:
    """What was found in streams: counts of batches, of boundaries and of false alarms; delays in batches."""

    batches: int = 0
    boundaries: int = 0
    false: int = 0
    delays: list[int] = field(default_factory=list)

    @property
    def missed(self) -> int:
        return self.boundaries - len(self.delays)

    def watch(self, detector: Detector, stream: Stream) -> None:
        """A task's first alarm counts as its boundary found, any other as a false one."""
        task, since, open_boundary = -1, 0, False
        for features, labels, number in stream:
            if number != task:
                open_boundary = task >= 0
                self.boundaries += open_boundary
                task, since = number, 0
            if detector.see(features, labels):
                if open_boundary:
                    self.delays.append(since)
                else:
                    self.false += 1
                open_boundary = False
            since += 1
            self.batches += 1


def sequential(tasks: Sequence[Rows], images: int, size: int, rng: np.random.Generator) -> Stream:
    """Tasks one after the other, each shuffled; those with fewer images have some of them again."""
    for number, task in enumerate(tasks):
        count = len(task.labels)
        order = rng.choice(count, images, replace=True) if count < images else rng.permutation(count)[:images]
        yield from _batches(task, order, size, number)


def by_class(tasks: Sequence[Rows], images: int, size: int, rng: np.random.Generator) -> Stream:
    """The same with each task sorted by class, its first class first."""
    for number, task in enumerate(tasks):
        order = rng.permutation(len(task.labels))[:images]
        yield from _batches(task, order[np.argsort(task.labels[order], kind="stable")], size, number)


def endless(task: Rows, batches: int, size: int, rng: np.random.Generator) -> Stream:
    """One task alone, drawn with replacement."""
    yield from _batches(task, rng.integers(0, len(task.labels), batches * size), size, 0)


def cut_by_classes(task: Rows, parts: int, rng: np.random.Generator) -> list[Rows]:
    """Tasks of one set: its classes dealt into parts of equal number, at least two classes each."""
    classes = rng.permutation(int(task.labels.max()) + 1)
    share = max(2, len(classes) // parts)
    return [task.of_classes(classes[i : i + share]) for i in range(0, len(classes) - share + 1, share)][
        :parts
    ]


def _batches(task: Rows, order: np.ndarray, size: int, number: int) -> Stream:
    for start in range(0, len(order) - size + 1, size):
        rows = order[start : start + size]
        yield task.features[rows], task.labels[rows], number
