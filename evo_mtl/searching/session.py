"""A session on one task: what a first visit, a later pass and an offer have in common.

Each looks, tries candidates and commits what came of them; how they differ is a :class:`Brief`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from evo_mtl.answering.model import fingerprint
from evo_mtl.engines.local import Engine
from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.copies import Copies
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import Outcome
from evo_mtl.evolution.population import Founder
from evo_mtl.evolution.rejection import Bars
from evo_mtl.evolution.turn import World
from evo_mtl.genome.sections import Objective
from evo_mtl.run import progress as tell
from evo_mtl.run.events import Answer, Generation, Offered
from evo_mtl.searching.front import told, way
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.trials import Trials
from evo_mtl.searching.usage import in_use, trained_before, written
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task, with_validation
from evo_mtl.training.pricing import Pricing

R = TypeVar("R", Generation, Offered)


@dataclass(frozen=True)
class Brief:
    """How a first visit of a task, a later pass over it and an offer to it differ.

    Attributes:
        pass_: Which visit of the task it is, from 1; an offer is made in the latest.
        founders: Routes of other tasks that it may build on.
        shown: Indices of the validation examples that trials see, the rest being held back. All are seen when
            ``None``, and candidates are cross-validated where the space says so.
    """

    pass_: int
    founders: tuple[Founder, ...]
    shown: tuple[int, ...] | None = None


class Session:
    """One session; its task has arrived.

    Args:
        ground: The run.
        engine: Does the jobs.
        config: The task's.
        task: Its data, all of them.
        brief: What is asked for.

    Attributes:
        space: By which the task is searched.
        pricing: Prices genomes for what trials see.
        trials: Gives jobs to the engine.
        world: What candidates are made from, before any look.
        before: Components that the task trained in earlier sessions and may still use.
    """

    def __init__(self, ground: Ground, engine: Engine, config: TaskConfig, task: Task, brief: Brief) -> None:
        self.ground, self.task, self.brief = ground, task, brief
        self.space = ground.space_of(task.name)
        plan = ground.plan(config, task, brief.pass_)
        pricing = ground.pricing(task, brief.pass_)
        if brief.shown is not None:
            plan = replace(plan, validation=brief.shown, folds=0)
            pricing = replace(ground.pricing(with_validation(task, brief.shown), brief.pass_), folds=0)
        self.pricing = pricing
        self.trials = Trials(
            engine,
            plan,
            ground.folder.timings,
            len(task.classes),
            lambda candidate: pricing.cost(candidate.genome).multiply_adds,
        )
        self.world = World(
            task.name,
            ground.config.seed,
            self.space,
            ground.facts_of(task.name),
            brief.founders,
            pricing,
            pass_=brief.pass_,
        )
        self.before = trained_before(ground.state, task.name)

    def generation(
        self,
        number: int,
        candidates: Sequence[Candidate],
        record: Callable[[Sequence[Evaluation]], R],
        bars: Sequence[Bars] = (),
        copies: Copies | None = None,
    ) -> R:
        """Tries a generation and commits it whole; a crash before that loses no more than the generation.

        Args:
            number: Of the generation.
            candidates: What is tried.
            record: The event that tells of their evaluations.
            bars: For each candidate what it must reach while it trains, or be given up; none if left out.
            copies: Where candidates are cross-validated, of components that the task has trained.

        Returns:
            The event.
        """
        ground, name = self.ground, self.task.name
        ground.progress(tell.GenerationStarted(name, number, len(candidates)))
        outcomes = self.trials.generation(
            candidates,
            lambda one, seconds: ground.progress(tell.CandidateDone(name, number, one.child, seconds)),
            bars,
            copies,
        )
        happened = record(
            [
                evaluated(candidate, outcome, self.pricing, self.space.objective)
                for candidate, outcome in zip(candidates, outcomes, strict=True)
            ]
        )
        ground.commit(happened)
        return happened

    def clear(self, records: Iterable[Generation | Offered]) -> None:
        """Removes components that nobody names when the session is over.

        Args:
            records: What the session committed; besides what it wrote, the task's former route and front may go.
        """
        gone = written(records) | self.before
        self.ground.store.remove(sorted(gone - in_use(self.ground.state)))


def evaluated(candidate: Candidate, outcome: Outcome, pricing: Pricing, objective: Objective) -> Evaluation:
    """What became of a candidate, with its cost and score; its admission is not decided yet."""
    status = outcome.status
    until = len(outcome.curve) - 1 if status.rejected else None
    cost = pricing.cost(candidate.genome, until, len(outcome.notes.views))
    quality = outcome.quality if status.ok else float("nan")
    return Evaluation(
        candidate=candidate,
        status=status,
        quality=outcome.quality,
        score=fitness(quality, cost, pricing.root(), objective),
        curve=outcome.curve,
        trained=outcome.trained,
        cost=cost,
        admitted=False,
        notes=outcome.notes,
    )


def found_route(ground: Ground, best: Evaluation) -> Answer:
    """A candidate's route as an answer: its components pinned, and the digest of its logits."""
    its = way(best, ground.root_of(best.candidate.task).layout)
    answers = fingerprint(its.route, ground.shared)
    return Answer(told(best), its, answers, corrected=None, front=(), early_end=None)
