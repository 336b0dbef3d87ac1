"""What the rows say: means, and paired differences with their uncertainty over sets and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from search.intervals import DRAWS, LEVEL, Interval

from evo_mtl.learners.rows import Row
from evo_mtl.seeding import generator
from online.methods import OFFLINE

IDENTITY = ("method", "order", "permutation", "seed")
KEYS = (*IDENTITY, "asked", "sets", "forgetting", "cpu_seconds", "peak_memory")
"""What every row has."""

Repeat = tuple[int, int]
"""Permutation of the sets, and seed."""


class Results:
    """Rows by method, order and repeat.

    Args:
        rows: As the file has them; of one identity the last counts.
        sets: Names in order; only rows that have them all count.
        main: The method that the others are compared with.
    """

    def __init__(self, rows: Iterable[Row], sets: Sequence[str], main: str) -> None:
        self.sets, self.main = tuple(sets), main
        self._cells: dict[tuple[str, str], dict[Repeat, Row]] = {}
        for row in rows:
            if set(sets) <= set(row["sets"]):
                cells = self._cells.setdefault((row["method"], row["order"]), {})
                cells[row["permutation"], row["seed"]] = row

    @property
    def orders(self) -> tuple[str, ...]:
        """Orders of which there are rows; ``offline`` where there are no others."""
        found = dict.fromkeys(order for _, order in self._cells)
        return tuple(order for order in found if order != OFFLINE) or tuple(found)

    def methods(self, order: str) -> tuple[str, ...]:
        """Those that have a row in that order, the main one first; an offline one belongs to every order."""
        found = dict.fromkeys(name for name, its in self._cells if its in (order, OFFLINE))
        return tuple(sorted(found, key=lambda name: name != self.main))

    def is_offline(self, method: str) -> bool:
        """Whether its examples stay, so that it has one row for all orders."""
        return (method, OFFLINE) in self._cells

    def rows(self, method: str, order: str) -> Mapping[Repeat, Row]:
        """Rows by repeat; of an offline method the same for every permutation."""
        found = self._cells.get((method, order), {})
        if not self.is_offline(method):
            return found
        offline = self._cells[method, OFFLINE]
        repeats = {repeat for (_, its), cells in self._cells.items() if its == order for repeat in cells}
        shared = {(p, seed): offline[0, seed] for p, seed in sorted(repeats) if (0, seed) in offline}
        return shared or offline

    def mean(self, method: str, order: str, key: str) -> float:
        """A figure of a row, averaged over repeats; not a number where none has it."""
        return _mean([row.get(key) for row in self.rows(method, order).values()])

    def on_sets(self, method: str, order: str, key: str) -> np.ndarray:
        """A figure of each set, ``(repeats, sets)``; not a number where there is none."""
        rows = [self.rows(method, order)[repeat] for repeat in sorted(self.rows(method, order))]
        values = [[row["sets"][name].get(key) for name in self.sets] for row in rows]
        return np.array(values, dtype=np.float64).reshape(len(rows), len(self.sets))

    def worst(self, method: str, order: str) -> float:
        """The lowest mean accuracy of any permutation of the sets, each averaged over its seeds."""
        by_permutation: dict[int, list[float]] = {}
        for (permutation, _), row in self.rows(method, order).items():
            accuracy = float(np.mean([row["sets"][name]["accuracy"] for name in self.sets]))
            by_permutation.setdefault(permutation, []).append(accuracy)
        return min((float(np.mean(some)) for some in by_permutation.values()), default=float("nan"))

    def difference(self, first: tuple[str, str], second: tuple[str, str]) -> Interval:
        """Mean accuracy of the first minus that of the second, each a method and an order, over their common repeats."""
        a, b = self.rows(*first), self.rows(*second)
        common = sorted(set(a) & set(b))
        gains = [
            [a[one]["sets"][name]["accuracy"] - b[one]["sets"][name]["accuracy"] for name in self.sets]
            for one in common
        ]
        rng = generator(0, "bootstrap over sets and seeds", *first, *second)
        return over_sets_and_seeds(np.array(gains).reshape(len(common), len(self.sets)), rng)


def over_sets_and_seeds(gains: np.ndarray, rng: np.random.Generator, draws: int = DRAWS) -> Interval:
    """Paired bootstrap of the mean of differences, percentiles: each draw takes repeats anew and sets anew, crossed.

    What there is one of stays as it is; with one repeat of one set there is no interval. A few sets or seeds
    make an interval that is rather too narrow.

    Args:
        gains: ``(repeats, sets)``, what one method has above another.
        rng: Where the draws come from.
        draws: How many.
    """
    count, sets = gains.shape
    if not gains.size:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    if gains.size == 1:
        return Interval(float(gains[0, 0]), float("nan"), float("nan"), 1)
    weights = [rng.multinomial(size, np.full(size, 1 / size), draws) / size for size in (count, sets)]
    drawn = np.einsum("dr,rs,ds->d", weights[0], gains, weights[1])
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(gains.mean()), float(low), float(high), count)


def _mean(values: Sequence[Any]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else float("nan")
