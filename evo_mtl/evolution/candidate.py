"""The records of a search: who is tried, what it costs, what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from evo_mtl.evolution.outcome import Notes, Status
from evo_mtl.genome.genome import Genome, genome_from_json
from evo_mtl.plain import plain, restore

OWN_ROUTE = "own route"
"""Origin of the first member of a later pass: the task's route as it is."""


@dataclass(frozen=True)
class Candidate:
    """A genome with its address and its parent.

    Attributes:
        task: Name of the task it is meant for.
        generation: Which it belongs to; 0 for the seed candidates.
        child: Its place in the generation.
        parent: ``"generation/child"`` of a parent of the same task, ``"task:NAME"`` of another task's
            route, ``None`` for a seed candidate, an independent draw or the task's own route.
        origin: Where it comes from, in words: a seed's name, how a child came about (``"child"``, ``"joined"``, …),
            ``"draw"``, ``OWN_ROUTE``.
        genome: What it inherits.
        mate: A second parent, named like the first: of the upper stages where the first gave the lower ones, or
            whose line runs beside the first's; ``None`` for candidates with one parent or none.
        pass_: Which visit of its task it belongs to, from 1.
        offer: Which offer to its task it belongs to, from 1; 0 for none.
    """

    task: str
    generation: int
    child: int
    parent: str | None
    origin: str
    genome: Genome
    mate: str | None = None
    pass_: int = 1
    offer: int = 0

    @property
    def address(self) -> tuple[str | int, ...]:
        """Where its randomness comes from."""
        turn = turn_address(self.task, self.pass_, self.offer)
        return (*turn, "generation", self.generation, "child", self.child)

    @property
    def id(self) -> str:
        """``"generation/child"``, unique in its task's turn."""
        return f"{self.generation}/{self.child}"

    def to_json(self) -> dict[str, Any]:
        """Plain data; :func:`candidate_from_json` reads it back. No mate, the first pass, no offer: they go unsaid."""
        data = {**asdict(self), "genome": self.genome.to_json(), "pass": self.pass_}
        unsaid = {"mate": None, "pass": 1, "pass_": self.pass_, "offer": 0}
        return {key: value for key, value in data.items() if key not in unsaid or value != unsaid[key]}


def turn_address(task: str, pass_: int, offer: int = 0) -> tuple[str | int, ...]:
    """Where the randomness of a task's turn, or of an offer to it, comes from; the first pass goes unsaid."""
    if offer:
        return ("task", task, "offer", offer)
    return ("task", task) if pass_ == 1 else ("task", task, "pass", pass_)


def candidate_from_json(data: Mapping[str, Any]) -> Candidate:
    """Reads what :meth:`Candidate.to_json` wrote."""
    fields = {key: value for key, value in data.items() if key != "pass"}
    return Candidate(**{**fields, "genome": genome_from_json(data["genome"]), "pass_": data.get("pass", 1)})


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

    images: int
    multiply_adds: float
    active_parameters: int
    added_parameters: int
    accounted_parameters: float
    inference: float


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
    quality: float
    score: float
    curve: tuple[float, ...]
    trained: Mapping[str, str]
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

    def to_json(self) -> dict[str, Any]:
        """Plain data; a score of ``-inf`` is ``None``."""
        return {
            **asdict(self),
            "status": plain(self.status),
            "candidate": self.candidate.to_json(),
            "score": self.score if math.isfinite(self.score) else None,
            "curve": list(self.curve),
            "notes": plain(self.notes),
        }


def evaluation_from_json(data: Mapping[str, Any]) -> Evaluation:
    """Reads what :meth:`Evaluation.to_json` wrote."""
    score = data["score"]
    changes = {
        "candidate": candidate_from_json(data["candidate"]),
        "score": -math.inf if score is None else score,
        "curve": tuple(data["curve"]),
        "cost": Cost(**data["cost"]),
        "status": restore(Status, data["status"]),
        "notes": restore(Notes, data["notes"]),
    }
    return Evaluation(**{**data, **changes})
