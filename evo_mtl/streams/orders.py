"""In which order an online stream shows its examples: functions of counts and a seed, no data at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_mtl.seeding import generator


@dataclass(frozen=True, eq=False)
class Order:
    """Batches of a whole stream.

    Attributes:
        tasks: ``(N,)`` int64, of each example in the order of the stream, the number of its task.
        places: ``(N,)`` int64, and its place among that task's examples.
        cuts: ``(B + 1,)`` int64; batch ``b`` is ``[cuts[b], cuts[b + 1])``.
    """

    tasks: np.ndarray
    places: np.ndarray
    cuts: np.ndarray

    def __len__(self) -> int:
        """Batches."""
        return len(self.cuts) - 1

    def batch(self, number: int) -> list[tuple[int, np.ndarray]]:
        """Tasks of a batch, ascending, each with the places ``(n,)`` of its examples in the order of the stream."""
        inside = slice(self.cuts[number], self.cuts[number + 1])
        tasks, places = self.tasks[inside], self.places[inside]
        return [(int(task), places[tasks == task]) for task in np.unique(tasks)]

    def last(self) -> dict[int, list[int]]:
        """Batches after which tasks have no more examples, and those tasks, ascending."""
        reverse, first = np.unique(self.tasks[::-1], return_index=True)
        batches = np.searchsorted(self.cuts, len(self.tasks) - 1 - first, side="right") - 1
        ends: dict[int, list[int]] = {}
        for task, batch in zip(reverse.tolist(), batches.tolist(), strict=True):
            ends.setdefault(batch, []).append(task)
        return ends


def shuffled(name: str, count: int, seed: int) -> np.ndarray:
    """A task's own order ``(count,)``; no other task, and no other order of the stream, changes it."""
    return generator(seed, "experience", name).permutation(count)


def sequential(names: Sequence[str], counts: Sequence[int], batch_size: int, seed: int) -> Order:
    """One task after another; no batch has two tasks, and a task's last batch may be short.

    Tasks that are added later do not change the batches of these.
    """
    starts = np.cumsum([0, *counts])
    cuts = [np.arange(start, start + count, batch_size) for start, count in zip(starts, counts, strict=False)]
    return Order(*_one_after_another(names, counts, seed), np.concatenate([*cuts, starts[-1:]]))


def mixed(names: Sequence[str], counts: Sequence[int], batch_size: int, seed: int) -> Order:
    """Each batch is drawn at random from what is left of all tasks; only the stream's last one may be short."""
    tasks, places = _one_after_another(names, counts, seed)
    drawn = generator(seed, "experience", "order", "mixed").permutation(len(tasks))
    return Order(tasks[drawn], places[drawn], _cuts(len(tasks), batch_size))


def _one_after_another(
    names: Sequence[str], counts: Sequence[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    tasks = np.repeat(np.arange(len(counts)), counts)
    places = [shuffled(name, count, seed) for name, count in zip(names, counts, strict=True)]
    return tasks, np.concatenate(places)


def _cuts(count: int, batch_size: int) -> np.ndarray:
    return np.append(np.arange(0, count, batch_size), count)
