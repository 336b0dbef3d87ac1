"""The records of a search: who is tried, what it costs, what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field, PlainSerializer

from evo_mtl.evolution.outcome import Notes, Status
from evo_mtl.genome.checks import CheckedGenome
from evo_mtl.genome.genome import Genome
from evo_mtl.plain import Count, Digest, Share, Work

Visit = Annotated[int, Field(ge=1, le=2**62, alias="pass")]
"""Which pass over the tasks, from 1."""
Score = Annotated[
    float,
    BeforeValidator(lambda score: -math.inf if score is None else score),
    PlainSerializer(lambda score: score if math.isfinite(score) else None),
]
"""Higher is better; ``-inf``, which is written as nothing, for what has none."""


@dataclass(frozen=True, order=True)
class OfTurn:
    """A candidate of a task's turn, by the generation that it is of and its place there."""

    generation: Count
    child: Count

    def __str__(self) -> str:
        return f"{self.generation}/{self.child}"


@dataclass(frozen=True, order=True)
class OfTask:
    """The route of another task."""

    task: str

    def __str__(self) -> str:
        return f"task:{self.task}"


ParentName = OfTurn | OfTask
"""How a child names a parent."""


class How(StrEnum):
    """How a candidate came about."""

    SEED = "seed"
    CHILD = "child"
    JOINED = "joined"
    MULTIPATH = "multipath"
    DRAW = "draw"
    OWN_ROUTE = "own route"


@dataclass(frozen=True)
class Origin:
    """How a candidate came about.

    Attributes:
        how: In a word.
        seed: Name of the seed candidate that it is; empty for the others.
    """

    how: How
    seed: str = ""

    def __str__(self) -> str:
        return self.seed or str(self.how)


CHILD, JOINED, MULTIPATH, DRAW = map(Origin, (How.CHILD, How.JOINED, How.MULTIPATH, How.DRAW))
OWN_ROUTE = Origin(How.OWN_ROUTE)
"""Of the first member of a later pass: the task's route as it is."""


@dataclass(frozen=True)
class Candidate:
    """A genome with its address and its parents.

    Attributes:
        task: Name of the task it is meant for.
        generation: Which it belongs to; 0 for the seed candidates.
        child: Its place in the generation.
        parent: ``None`` for a seed candidate on the root trunk, an independent draw or the task's own route.
        origin: How it came about.
        genome: What it inherits.
        mate: A second parent: of the upper stages where the first gave the lower ones, or whose line runs beside
            the first's; ``None`` for candidates with one parent or none.
        pass_: Which visit of its task it belongs to, from 1.
        offer: Which offer to its task it belongs to, from 1; 0 for none.
    """

    task: str
    generation: Count
    child: Count
    parent: ParentName | None
    origin: Origin
    genome: CheckedGenome
    mate: ParentName | None = None
    pass_: Visit = 1
    offer: Count = 0

    @property
    def address(self) -> tuple[str | int, ...]:
        """Where its randomness comes from."""
        turn = turn_address(self.task, self.pass_, self.offer)
        return (*turn, "generation", self.generation, "child", self.child)

    @property
    def id(self) -> OfTurn:
        """Unique in its task's turn."""
        return OfTurn(self.generation, self.child)


def turn_address(task: str, pass_: int, offer: int = 0) -> tuple[str | int, ...]:
    """Where the randomness of a task's turn, or of an offer to it, comes from."""
    if offer:
        return ("task", task, "offer", offer)
    return ("task", task) if pass_ == 1 else ("task", task, "pass", pass_)


@dataclass(frozen=True)
class Cost:
    """What a candidate is charged, planned from its genome alone.

    Attributes:
        images: Images presented to it: training, validation, closed-form looks.
        multiply_adds: Planned multiply-adds: frozen stages once for each image and view, open ones three
            times for a training image and once for a validation image, and a head's closed form.
        active_parameters: Parameters its route runs.
        added_parameters: Parameters that only its route has.
        accounted_parameters: Parameters, each divided by the number of routes that would use it.
        inference: Multiply-adds of one image through its route.
    """

    images: Count
    multiply_adds: Work
    active_parameters: Count
    added_parameters: Count
    accounted_parameters: Work
    inference: Work


class CostModel(Protocol):
    """Prices genomes: all that the search knows about networks and data."""

    def cost(self, genome: Genome) -> Cost:
        """The cost of trying a genome and of keeping it."""

    def root(self) -> tuple[int, float]:
        """Parameters of the root trunk, and multiply-adds of one image at the space's default size."""

    def pass_of_root(self) -> float:
        """Multiply-adds of one pass of the root trunk over the training images at that size."""


@dataclass(frozen=True)
class Evaluation:
    """What came of a candidate; the journal keeps it.

    Attributes:
        candidate: As it was before training.
        status: How its trial ended.
        quality: The task's metric on its validation split; higher is better; 0 when failed, the best so
            far when rejected.
        score: Quality with the size and compute factors; ``-inf`` when failed or rejected.
        curve: Quality at each validation, the first before any training.
        trained: Slot to digest of the components it wrote.
        cost: What it was charged.
        admitted: Whether it joined the population.
        notes: What its trial noted.
    """

    candidate: Candidate
    status: Status
    quality: Share
    score: Score
    curve: tuple[Share, ...]
    trained: Mapping[str, Digest]
    cost: Cost
    admitted: bool
    notes: Notes

    @property
    def ok(self) -> bool:
        """Whether it was trained to its end."""
        return self.status.ok

    @property
    def rejected(self) -> bool:
        """Whether it was given up while it trained."""
        return self.status.rejected
