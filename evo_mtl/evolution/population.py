"""The candidates of a task that may become parents now: a value, rebuilt from what was told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from evo_mtl.evolution.candidate import Evaluation, OfTask, ParentName
from evo_mtl.genome.genome import Genome, settle


@dataclass(frozen=True)
class Founder:
    """A route of another task, ready to be a parent: shared and frozen, without its head."""

    task: str
    genome: Genome

    @property
    def id(self) -> OfTask:
        """How children name it."""
        return OfTask(self.task)


@dataclass(frozen=True)
class Population:
    """Evaluations of the active task, in the order they were committed."""

    evaluations: tuple[Evaluation, ...] = ()

    def admit(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation with its ``admitted`` decided.

        A failed candidate, or one without a finite score, is never admitted. A child of a parent of this task is
        admitted only if it scores at least as high (Gesmundo 2022): of two parents, as the better one.
        """
        candidate = evaluation.candidate
        parents = [found for id in (candidate.parent, candidate.mate) if (found := self.find(id))]
        scored = evaluation.ok and math.isfinite(evaluation.score)
        admitted = scored and all(evaluation.score >= parent.score for parent in parents)
        return replace(evaluation, admitted=admitted)

    def tell(self, evaluations: Iterable[Evaluation]) -> Population:
        """The population after more evaluations, whose admission is decided."""
        return Population((*self.evaluations, *evaluations))

    def find(self, id: ParentName | None) -> Evaluation | None:
        """The evaluation of that id; ``None`` if there is none (the id of a founder, or no id)."""
        return next((e for e in self.evaluations if e.candidate.id == id), None)

    @property
    def members(self) -> tuple[Evaluation, ...]:
        """Admitted ones, best score first; of equal scores the newest first (Gesmundo 2022)."""
        admitted = [e for e in reversed(self.evaluations) if e.admitted]
        return tuple(sorted(admitted, key=lambda e: -e.score))

    @property
    def best(self) -> Evaluation | None:
        """The first member."""
        return next(iter(self.members), None)

    def near_best(self, margin: float | None) -> tuple[Evaluation, ...]:
        """Members whose score is below the best's by at most a share of it, the best first; all without a margin."""
        if margin is None or self.best is None:
            return self.members
        least = (1 - margin) * self.best.score
        return tuple(member for member in self.members if member.score >= least)

    def num_children(self) -> Counter[ParentName]:
        """Children each parent has had for this task, by the parent's id; a child of two parents counts for both."""
        parents = (id for e in self.evaluations for id in (e.candidate.parent, e.candidate.mate))
        return Counter(id for id in parents if id is not None)


def settled(evaluation: Evaluation) -> Genome:
    """A member's genome with the weights it has after training, ready to be a parent."""
    return settle(evaluation.candidate.genome, evaluation.trained)


Parent = Evaluation | Founder
"""An evaluated candidate of the task, or another task's route."""


def name(parent: Parent) -> ParentName:
    """How children name a parent."""
    return parent.id if isinstance(parent, Founder) else parent.candidate.id


def inherited(parent: Parent, restart: bool = False) -> Genome:
    """What children inherit of a parent: its genome, with the weights it has now, or with those that it began with.

    Args:
        parent: Another task's route has but one set of weights.
        restart: Whether a child goes back to where its parent's training began.
    """
    if isinstance(parent, Founder):
        return parent.genome
    return parent.candidate.genome if restart else settled(parent)
