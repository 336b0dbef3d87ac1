"""What the rows say: points that each change gained, and what lies between what was chosen and the best there was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from search.drawing import Draw
from search.intervals import Interval, Pair, over_tasks

from evo_mtl.learners.answers import unpack
from evo_mtl.seeding import generator
from points.asked import AS_IT_IS, FINE_TUNING

Row = Mapping[str, Any]


class Found:
    """Rows by task, seed and name; only of tasks and seeds that have all of them.

    Args:
        rows: All there are.
        names: In their order.
    """

    def __init__(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        known = {(row["task"], row["seed"], row["row"]): row for row in rows}
        pairs = dict.fromkeys((row["task"], row["seed"]) for row in rows)
        self.names = list(names)
        self.whole = {
            (task, seed): {name: known[task, seed, name] for name in names}
            for task, seed in pairs
            if all((task, seed, name) in known for name in names)
        }
        self.tasks = list(dict.fromkeys(task for task, _ in self.whole))

    def mean(self, name: str, key: str) -> float:
        """Of a figure over tasks, each the mean of its seeds."""
        return float(np.mean([np.mean(self._of(task, name, key)) for task in self.tasks]))

    def gain(self, name: str, task: str) -> float:
        """Points over the candidate as it is, mean over seeds."""
        return 100 * float(
            np.mean(self._of(task, name, "held_out")) - np.mean(self._of(task, AS_IT_IS, "held_out"))
        )

    def interval(self, name: str) -> Interval:
        """The same in shares over all tasks, with its 95 %, from the images that were answered otherwise."""
        pairs = []
        for task in self.tasks:
            both = [(rows[name], rows[AS_IT_IS]) for (of, _), rows in self.whole.items() if of == task]
            pairs.append([Pair(unpack(a)[0], unpack(b)[0], unpack(b)[1]) for a, b in both])
        metric = next(iter(self.whole.values()))[AS_IT_IS]["metric"]
        return over_tasks(pairs, metric, generator(0, "points", name))

    def choice(self) -> tuple[float, float]:
        """Mean held-out quality of the best by validation among all but fine-tuning, and of the best there was."""
        chosen, best = [], []
        for rows in self.whole.values():
            own = [row for name, row in rows.items() if name != FINE_TUNING]
            chosen.append(max(own, key=lambda row: row["validation"])["held_out"])
            best.append(max(row["held_out"] for row in own))
        return float(np.mean(chosen)), float(np.mean(best))

    def _of(self, task: str, name: str, key: str) -> list[float]:
        return [rows[name][key] for (of, _), rows in self.whole.items() if of == task]


def everything(found: Found, draw: Draw) -> str:
    """The table, and a line about choice."""
    if not found.whole:
        return "no task has all its rows yet"
    head = ["", "held out", "points gained (95 %)", *found.tasks, "added", "work", "processor s"]
    lines = []
    for name in found.names:
        gained = ["", *([""] * len(found.tasks))]
        if name != AS_IT_IS:
            one = found.interval(name)
            gained = [f"{100 * one.mean:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"]
            gained += [f"{found.gain(name, task):+.1f}" for task in found.tasks]
        costs = [f"{100 * found.mean(name, 'added_share'):.0f} %", f"{found.mean(name, 'work_share'):.2f}"]
        seconds = f"{found.mean(name, 'cpu_seconds'):.0f}"
        lines.append([name, f"{found.mean(name, 'held_out'):.4f}", *gained, *costs, seconds])
    chosen, best = found.choice()
    seeds = len(found.whole) / len(found.tasks)
    return (
        f"{len(found.tasks)} tasks, {seeds:g} seeds each; work: of one answer, over the trunk's\n\n"
        f"{draw(head, lines)}\n\n"
        f"choice: the best by validation has {chosen:.4f}, the best there was {best:.4f}: "
        f"{100 * (best - chosen):.1f} points lie between them"
    )
