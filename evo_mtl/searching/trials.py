"""One task's jobs, given to the engine; their clock readings are written beside the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evo_mtl.archive.timings import append_timing
from evo_mtl.engines.jobs import Job, describe_job, look_job, sweep_job, trial_job
from evo_mtl.engines.local import MAX_ATTEMPTS, Engine
from evo_mtl.engines.plan import BenchPlan
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.copies import Copies
from evo_mtl.evolution.looks import Look, LookRequest
from evo_mtl.evolution.outcome import Outcome, failed
from evo_mtl.evolution.rejection import Bars
from evo_mtl.genome.genome import Genome
from evo_mtl.plain import restore
from evo_mtl.training.groups import stackable
from evo_mtl.training.sweeps import planned_sweeps

Told = Callable[[Candidate, float], None]
"""Hears a candidate that was tried, and the seconds it took."""


class Trials:
    """Tries the candidates of one task.

    Args:
        engine: Does the jobs.
        plan: The task's surroundings.
        timings: The file of clock readings.
        num_classes: Of the task.
        work: Planned multiply-adds of a candidate: several workers start with the most expensive, to end together.
    """

    def __init__(
        self,
        engine: Engine,
        plan: BenchPlan,
        timings: Path,
        num_classes: int,
        work: Callable[[Candidate], float],
    ) -> None:
        self._engine = engine
        self._plan = plan
        self._timings = timings
        self._num_classes = num_classes
        self._work = work

    def looks(self, requests: Sequence[LookRequest], max_images: int) -> list[Look]:
        """What closed-form heads say about the task; a look whose workers died says nothing."""
        jobs = [look_job(request, max_images) for request in requests]

        def about(index: int) -> Mapping[str, Any]:
            parent = requests[index].parent
            return {"parent": parent and str(parent), "image_size": requests[index].genome.image_size}

        return [restore(Look, result) for result in self._do(jobs, about) if result is not None]

    def descriptor(self, genome: Genome, max_images: int) -> str | None:
        """The task's descriptor from the root trunk, which was looked at before; ``None`` where there is none."""
        found: list[str | None] = self._do([describe_job(genome, max_images)], lambda index: {})
        return found[0]

    def generation(
        self,
        candidates: Sequence[Candidate],
        told: Told,
        bars: Sequence[Bars] = (),
        copies: Copies | None = None,
    ) -> list[Outcome]:
        """Outcomes of a generation, in the order of its candidates.

        Args:
            candidates: What is tried.
            told: Called for each.
            bars: For each what it must reach while it trains, or be given up; none if left out.
            copies: Where candidates are cross-validated, of components that the task has trained.
        """
        bars = bars or [()] * len(candidates)
        sweeps = [sweep_job(one, candidates) for one in planned_sweeps(candidates)]
        self._do(sweeps, lambda index: {"view": sweeps[index]["view"]})

        grouped: Sequence[tuple[int, ...]]
        if self._plan.folds:  # one by one: each is several fits already
            grouped = [(index,) for index in range(len(candidates))]
        else:
            grouped = stackable(candidates, self._plan.layout, self._num_classes)
        # With one worker the cheap ones come first, so that somebody watching has an answer early.
        sign = -1 if self._engine.num_workers > 1 else 1
        groups = sorted(grouped, key=lambda group: (sign * self._sum(candidates, group), group))

        def tell(index: int, seconds: float) -> None:
            for member in groups[index]:
                told(candidates[member], seconds)

        results = self._trials(candidates, bars, copies, groups, tell)
        alone = [
            (member,)
            for group, result in zip(groups, results, strict=True)
            for member in group
            if result is None and len(group) > 1
        ]
        if alone:  # what needed too much memory together may succeed one by one
            results += self._trials(candidates, bars, copies, alone, lambda index, seconds: None)
            groups += alone
        found = dict.fromkeys(range(len(candidates)), _DIED)
        for group, result in zip(groups, results, strict=True):
            if result is not None:
                found |= dict(zip(group, (restore(Outcome, one) for one in result), strict=True))
        return list(found.values())

    def _trials(
        self,
        candidates: Sequence[Candidate],
        bars: Sequence[Bars],
        copies: Copies | None,
        groups: Sequence[Sequence[int]],
        tell: Callable[[int, float], None],
    ) -> list[Any]:
        jobs = [
            trial_job([candidates[i] for i in group], [bars[i] for i in group], copies) for group in groups
        ]
        return self._do(
            jobs, lambda index: {"candidates": [str(candidates[i].id) for i in groups[index]]}, tell
        )

    def _sum(self, candidates: Sequence[Candidate], group: Sequence[int]) -> float:
        return sum(self._work(candidates[index]) for index in group)

    def _do(
        self,
        jobs: Sequence[Job],
        about: Callable[[int], Mapping[str, Any]],
        tell: Callable[[int, float], None] = lambda index, seconds: None,
    ) -> list[Any]:
        def done(index: int, seconds: float, spent: Mapping[str, float]) -> None:
            append_timing(
                self._timings,
                task=self._plan.task,
                kind=jobs[index]["kind"],
                seconds=round(seconds, 3),
                spent=dict(spent),
                **about(index),
            )
            tell(index, seconds)

        return self._engine.run(self._plan, jobs, done)


_DIED = Outcome(failed(f"its worker died {MAX_ATTEMPTS} times"))
