"""What the rows say: means, paired differences, the best baseline; every figure knows what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_mtl.learners.answers import unpack
from evo_mtl.learners.comparison import LEARNERS
from evo_mtl.seeding import generator
from search.intervals import Interval, Pair, over_images_and_seeds, over_seeds
from search.learning import FIXED_SPLIT
from search.rows import Row

NO_SEARCH = "no search"
BEST_BASELINE = "best baseline"
BASELINES = (*LEARNERS, FIXED_SPLIT)

Cell = tuple[int, str]
"""Seed and task."""


@dataclass(frozen=True)
class Difference:
    """A paired difference of mean test quality over tasks, and how many tasks it covers."""

    interval: Interval
    num_tasks: int


class Results:
    """Rows by method, seed and task.

    Args:
        rows: As the file has them.
        tasks: Names in the order of the stream; rows of others are left out.
        main: The search that the others are compared with. What its best seed candidates reached is a
            method of its own, ``no search``; so is, in each cell, the baseline that was best on validation.
    """

    def __init__(self, rows: Iterable[Row], tasks: Sequence[str], main: str) -> None:
        self.tasks, self.main = tuple(tasks), main
        found: dict[str, dict[Cell, Row]] = {}
        for row in rows:
            if row["task"] in self.tasks:
                found.setdefault(row["method"], {})[row["seed"], row["task"]] = row
        started = {
            cell: {**row, **row["no_search"]} for cell, row in found.get(main, {}).items() if row["no_search"]
        }
        baselines = [name for name in BASELINES if name in found]
        best = (
            {
                cell: max((found[name][cell] for name in baselines), key=lambda row: row["validation"])
                for cell in sorted(set.intersection(*(set(found[name]) for name in baselines)))
            }
            if baselines
            else {}
        )
        extra = {NO_SEARCH: started, BEST_BASELINE: best}
        self._cells = found | {name: cells for name, cells in extra.items() if cells}

    @property
    def methods(self) -> tuple[str, ...]:
        """Those that have a row, the main one first."""
        return tuple(sorted(self._cells, key=lambda name: name != self.main))

    def seeds(self, method: str, task: str | None = None) -> tuple[int, ...]:
        """Seeds with a row for a task; for every task when ``None``."""
        cells = self._cells.get(method, {})
        wanted = self.tasks if task is None else (task,)
        return tuple(sorted(s for s in {seed for seed, _ in cells} if all((s, t) in cells for t in wanted)))

    def rows(self, method: str, task: str | None = None) -> list[Row]:
        """A method's rows, of one task or of all."""
        cells = self._cells.get(method, {})
        return [row for (_, name), row in sorted(cells.items()) if task in (None, name)]

    def row(self, method: str, cell: Cell) -> Row:
        """The row of a cell."""
        return self._cells[method][cell]

    def mean(self, method: str, key: str, task: str | None = None) -> float:
        """A field's mean over seeds and tasks; not a number where no row has it.

        Over all tasks only seeds count that have every task; where none has, all rows there are.
        """
        seeds = self.seeds(method, task)
        cells = self._cells.get(method, {})
        chosen = [
            row
            for (seed, name), row in cells.items()
            if task in (None, name) and (not seeds or seed in seeds)
        ]
        values = [row[key] for row in chosen if row.get(key) is not None]
        return float(np.mean(values)) if values else float("nan")

    def added_share(self, method: str, task: str | None = None) -> float:
        """Mean of parameters added by a task, as a share of the trunk's."""
        return self.mean(method, "added_parameters", task) / self.mean(method, "trunk_parameters", task)

    def difference(self, first: str, second: str) -> Difference:
        """First minus second, each seed's mean over tasks, with an interval over seeds.

        Seeds count in which both have every task; while there is none, the tasks that both have in all of
        their common seeds.
        """
        a, b = self._cells.get(first, {}), self._cells.get(second, {})
        common = set(a) & set(b)
        seeds = sorted({seed for seed, _ in common})
        whole = [seed for seed in seeds if all((seed, task) in common for task in self.tasks)]
        seeds = whole or seeds
        tasks = [task for task in self.tasks if seeds and all((seed, task) in common for seed in seeds)]
        if not tasks:
            return Difference(over_seeds([]), 0)
        means = [
            float(np.mean([a[seed, task]["test"] - b[seed, task]["test"] for task in tasks]))
            for seed in seeds
        ]
        return Difference(over_seeds(means), len(tasks))

    def on_task(self, first: str, second: str, task: str) -> Interval:
        """First minus second on a task: paired bootstrap over test images and common seeds."""
        a, b = self._cells.get(first, {}), self._cells.get(second, {})
        cells = sorted(cell for cell in set(a) & set(b) if cell[1] == task)
        pairs, metric = [], "accuracy"
        for cell in cells:
            (right, labels), (other, again) = unpack(a[cell]), unpack(b[cell])
            if not np.array_equal(labels, again):
                raise ValueError(
                    f"{first} and {second} were tested on other images of {task}, seed {cell[0]}"
                )
            pairs.append(Pair(right, other, labels))
            metric = a[cell]["metric"]
        return over_images_and_seeds(pairs, metric, generator(0, "paired bootstrap", first, second, task))

    def chosen_baselines(self, task: str) -> Mapping[str, int]:
        """How often each baseline was the best on validation."""
        names = [str(row["method"]) for row in self.rows(BEST_BASELINE, task)]
        return {name: names.count(name) for name in sorted(set(names))}


def finite(value: Any) -> bool:
    """Whether there is a number."""
    return value is not None and bool(np.isfinite(value))
