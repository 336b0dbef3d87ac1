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


def blurry(names: Sequence[str], counts: Sequence[int], batch_size: int, seed: int, overlap: float) -> Order:
    """Tasks in order, but for a share of each that comes in the places of other tasks.

    Of a task's ``n`` places in the sequential order, ``round(overlap * n)`` are drawn at random; their examples are
    dealt at random to such places of other tasks. So as many come too early or too late as there are strangers among
    a task's own, and no task is longer or shorter for it. A task that would move more examples than all others
    together moves only as many as those. Batches may have several tasks; only the stream's last one may be short.
    """
    tasks, places = _one_after_another(names, counts, seed)
    moved = _exchanged(tasks, overlap, generator(seed, "experience", "order", "blurry"))
    return Order(tasks[moved], places[moved], _cuts(len(tasks), batch_size))


def sessions(
    name: str,
    labels: np.ndarray,
    batch_size: int,
    seed: int,
    num_sessions: int,
    disjoint: float,
    blurriness: float,
) -> Order:
    """One task cut by its classes into sessions, as in i-Blurry (Koh 2022) and Si-Blurry (Moon 2023).

    ``round(disjoint * K)`` of the ``K`` classes are disjoint: all their examples are in one session. So are those of
    the other, blurry classes at first; then of each session's ``n`` examples of blurry classes, ``round(blurriness *
    n)`` are exchanged at random with other sessions', as tasks do in :func:`blurry`. Both kinds of classes are dealt
    to sessions at random and as evenly as can be. (The published sampler leaves out classes that do not divide evenly,
    and deals some exchanged examples back to their own session, a share ``1 / num_sessions`` of them.)

    Args:
        name: Of the task.
        labels: ``(N,)``, of all its examples.
        batch_size: Batches go over the ends of sessions; only the last one may be short.
        seed: The run's.
        num_sessions: At most as many as classes.
        disjoint: Share of the classes.
        blurriness: Share of the examples of blurry classes.
    """
    rng = generator(seed, "experience", "order", "sessions", name)
    num_classes = len(np.unique(labels))
    kinds = np.split(rng.permutation(np.unique(labels)), [_rounded(disjoint * num_classes)])
    session = np.empty(int(labels.max()) + 1, dtype=np.int64)
    # the first kind fills sessions from the front, the second from where that ended: none is two classes richer
    session[np.concatenate(kinds)] = np.arange(num_classes) % num_sessions
    places = shuffled(name, len(labels), seed)
    places = places[np.argsort(session[labels[places]], kind="stable")]
    group = session[labels[places]]
    of_blurry = np.flatnonzero(np.isin(labels[places], kinds[1]))
    places[of_blurry] = places[of_blurry][_exchanged(group[of_blurry], blurriness, rng)]
    for number in range(num_sessions):
        places[group == number] = rng.permutation(places[group == number])
    return Order(np.zeros(len(labels), dtype=np.int64), places, _cuts(len(labels), batch_size))


def _exchanged(groups: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which example comes in each place ``(N,)`` once groups have exchanged a share of theirs, none with itself."""
    numbers, counts = np.unique(groups, return_counts=True)
    if len(numbers) < 2:
        return np.arange(len(groups))
    wanted = np.array([_rounded(share * count) for count in counts])
    largest = int(wanted.argmax())
    wanted[largest] = min(wanted[largest], wanted.sum() - wanted[largest])
    chosen = [
        rng.choice(np.flatnonzero(groups == number), count, replace=False)
        for number, count in zip(numbers, wanted, strict=True)
    ]
    slots = np.sort(np.concatenate(chosen))
    dealt = rng.permutation(slots)
    for at in np.flatnonzero(groups[slots] == groups[dealt]):
        own = groups[slots[at]]
        if groups[dealt[at]] == own:  # an earlier exchange may have helped this one too
            other = rng.choice(np.flatnonzero((groups[slots] != own) & (groups[dealt] != own)))
            dealt[[at, other]] = dealt[[other, at]]
    out = np.arange(len(groups))
    out[slots] = dealt
    return out


def _rounded(number: float) -> int:
    return int(np.floor(number + 0.5))


def _one_after_another(
    names: Sequence[str], counts: Sequence[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    tasks = np.repeat(np.arange(len(counts)), counts)
    places = [shuffled(name, count, seed) for name, count in zip(names, counts, strict=True)]
    return tasks, np.concatenate(places)


def _cuts(count: int, batch_size: int) -> np.ndarray:
    return np.append(np.arange(0, count, batch_size), count)
