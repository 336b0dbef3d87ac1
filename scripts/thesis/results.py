"""What the rows say, in points of accuracy, and paired differences between them; the thesis' own table is rows too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from online.results import over_sets_and_seeds
from search.intervals import Interval, over_seeds

from evo_mtl.documents import read_yaml
from evo_mtl.learners.rows import Row
from evo_mtl.seeding import generator
from thesis.asked import SETS, Cell

Pair = tuple[Cell, Cell]
"""The first is compared with the second."""

FIGURES = ("val1", "val2", "forgotten")
"""Accuracy right after a task; after all; the first minus the second, of all tasks but the last."""


class Results:
    """Rows by cell and seed.

    Args:
        rows: On one trunk; of one cell and seed the last counts.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._cells: dict[Cell, dict[int, Row]] = {}
        for row in rows:
            self._cells.setdefault(_cell(row), {})[row["seed"]] = row

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Those of which there are rows."""
        return tuple(self._cells)

    def seeds(self, cell: Cell) -> tuple[int, ...]:
        """Of which a cell has rows."""
        return tuple(sorted(self._cells.get(cell, ())))

    def points(self, cell: Cell, figure: str, seeds: Sequence[int] | None = None) -> np.ndarray:
        """A figure of each set in points of 100, ``(seeds, sets)``; the last set forgets nothing and is left out.

        Raises:
            KeyError: In mixed order, where all tasks end together, there is no other figure than ``val2``.
        """
        rows = [self._cells[cell][seed] for seed in (self.seeds(cell) if seeds is None else seeds)]
        if figure == "forgotten":
            first, last = (self.points(cell, name, seeds) for name in ("val1", "val2"))
            lost: np.ndarray = (first - last)[:, :-1]
            return lost
        return np.array([[100 * row["sets"][name][figure] for name in SETS] for row in rows]).reshape(
            len(rows), len(SETS)
        )

    def gains(self, pairs: Sequence[Pair], figure: str, sets: Sequence[str] = SETS) -> np.ndarray:
        """What the first cells of pairs have above the second, ``(seeds, pairs * sets)``, over seeds that all have.

        Pairs of which a cell has no rows are left out.
        """
        there = [pair for pair in pairs if all(self.seeds(cell) for cell in pair)]
        common = [set(self.seeds(cell)) for pair in there for cell in pair]
        seeds = sorted(set.intersection(*common)) if common else []
        names = SETS[:-1] if figure == "forgotten" else SETS
        columns = [i for i, name in enumerate(names) if name in sets]
        parts = [
            (self.points(a, figure, seeds) - self.points(b, figure, seeds))[:, columns] for a, b in there
        ]
        return np.concatenate(parts, axis=1) if parts and seeds else np.zeros((0, 0))


def interval(gains: np.ndarray) -> Interval:
    """The mean of paired differences and where it lies at 95 %.

    Student's t over seeds, each the mean of its pairs; of one seed a bootstrap over its pairs, which knows nothing of
    others.

    Args:
        gains: ``(seeds, pairs)``.
    """
    if len(gains) == 1:
        return over_sets_and_seeds(gains, generator(0, "bootstrap over pairs"))
    return over_seeds(gains.mean(1)) if gains.size else over_seeds([])


def _cell(row: Row) -> Cell:
    return Cell(row["order"], row["split"], row["batch"], row["rate"], row["norm"])


def published() -> dict[str, Any]:
    """What the thesis says: its table, its figures of Setting 2, where it contradicts itself."""
    found: dict[str, Any] = read_yaml(Path(__file__).with_name("published.yaml")).data
    return found


def published_results() -> Results:
    """Table 1 of the thesis, as rows of one seed."""
    told = published()
    return Results(
        {
            "order": "sequential",
            "split": split,
            "batch": int(batch),
            "rate": 1e-5,
            "norm": "train",
            "seed": 0,
            "sets": _shares(told["sets"], values),
        }
        for split, batches in told["table"].items()
        for batch, values in batches.items()
    )


def _shares(sets: Sequence[str], values: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    return {name: {key: values[key][i] / 100 for key in ("val1", "val2")} for i, name in enumerate(sets)}
