"""How long a search will still take, from what it has done so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from evo_mtl.genome.space import SearchSpace
from evo_mtl.run.progress import (
    CandidateDone,
    Event,
    GenerationDone,
    GenerationStarted,
    TaskDone,
    TaskStarted,
)


@dataclass(frozen=True)
class Plan:
    """How many candidates a task's search is going to try.

    Attributes:
        seeds: Seed candidates.
        generations: Generations after them.
        children: Candidates of each.
    """

    seeds: int
    generations: int
    children: int

    @property
    def candidates(self) -> int:
        """All of a task."""
        return self.seeds + self.generations * self.children

    def after(self, generation: int) -> int:
        """Candidates tried by the end of a generation (0 is the seeds)."""
        return self.seeds + generation * self.children


def plan_of(space: SearchSpace) -> Plan:
    """The plan of a search space; a budget in images may end a search before."""
    return Plan(len(space.seeds), space.budget.generations, space.budget.children)


class Pace:
    """Measures how fast candidates are tried, each counted as as much work as its task has images.

    Args:
        plan: What a task's search is going to try.
        minutes: Clock limit of the search, if any.
        minutes_per_task: Of each of its tasks.
        clock: Gives seconds that never decrease.
    """

    def __init__(
        self,
        plan: Plan,
        minutes: float | None = None,
        minutes_per_task: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._clock = plan, clock
        self._begin = clock()
        self._deadline = None if minutes is None else self._begin + 60 * minutes
        self._per_task = math.inf if minutes_per_task is None else 60 * minutes_per_task
        self._task_began = self._begin
        self._first: float | None = None
        self._work = 0.0
        self._sizes: list[int] = []
        self._later = 0
        self._running = False
        self.tried = 0

    def hear(self, event: Event) -> None:
        """Takes in what happened."""
        match event:
            case TaskStarted():
                self._sizes.append(event.num_train + event.num_validation)
                self._later = event.num_tasks - event.place - 1
                self.tried, self._running, self._task_began = 0, True, self._clock()
            case GenerationStarted():
                if self._first is None:
                    self._first = self._clock()
            case CandidateDone():
                self.tried += 1
                self._work += self._sizes[-1]
            case GenerationDone():
                self.tried = self._plan.after(event.number)
            case TaskDone():
                self._later = event.num_tasks - event.place - 1
                self._running = False

    @property
    def elapsed(self) -> float:
        """Seconds since this was made."""
        return self._clock() - self._begin

    def left(self) -> float | None:
        """Seconds to go; ``None`` while nothing has been measured."""
        if self._first is None or not self._work:
            return None
        now = self._clock()
        rate = (now - self._first) / self._work
        here = max(0, self._plan.candidates - self.tried) * self._sizes[-1] if self._running else 0
        each = self._plan.candidates * sum(self._sizes) / len(self._sizes)
        left_here = min(rate * here, max(0.0, self._task_began + self._per_task - now))
        left = left_here + self._later * min(rate * each, self._per_task)
        return left if self._deadline is None else min(left, max(0.0, self._deadline - now))
