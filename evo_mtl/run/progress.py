"""What a search reports while it runs; the terminal and the log are two ways to show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evo_mtl.evolution.candidate import OfTask


@dataclass(frozen=True)
class TaskStarted:
    """A task's turn begins."""

    name: str
    place: int
    num_tasks: int
    num_train: int
    num_validation: int
    num_classes: int
    num_generations: int
    pass_: int = 1


@dataclass(frozen=True)
class Looked:
    """Looks are done; ``quality`` is the best that a ridge head reached on the root trunk, at ``image_size``."""

    task: str
    count: int
    image_size: int
    quality: float
    parent: OfTask | None
    seconds: float
    replayed: bool


@dataclass(frozen=True)
class GenerationStarted:
    """A generation was asked for."""

    task: str
    number: int
    num_candidates: int


@dataclass(frozen=True)
class CandidateDone:
    """A trial ended."""

    task: str
    generation: int
    child: int
    seconds: float


@dataclass(frozen=True)
class GenerationDone:
    """A generation is committed; ``best_*`` are the task's best so far."""

    task: str
    number: int
    num_admitted: int
    num_failed: int
    best_quality: float
    best_score: float
    seconds: float
    replayed: bool
    num_rejected: int = 0


@dataclass(frozen=True)
class RoundDone:
    """A round of a task's race is committed.

    Attributes:
        examples: Of the task, read so far.
        prequential: Share of them that the leader answered rightly before anybody learned from them.
        leader: Its origin, in words.
        quality: Of the leader, on recent examples.
        num_left, num_born: Who made room, and who joins.
    """

    task: str
    examples: int
    prequential: float
    leader: str
    quality: float
    num_left: int
    num_born: int
    seconds: float


@dataclass(frozen=True)
class EndedEarly:
    """The stop rule ended a search after a generation; ``expected_gain`` is for a pass of the root trunk."""

    task: str
    generation: int
    expected_gain: float


@dataclass(frozen=True)
class TaskDone:
    """A turn is over: a route is archived, or the former one ``kept``; ``skipped`` if that had been done before."""

    name: str
    place: int
    num_tasks: int
    quality: float
    added_parameters: int
    root_parameters: int
    seconds: float
    skipped: bool
    pass_: int = 1
    kept: bool = False


@dataclass(frozen=True)
class MirrorFailed:
    """The Optuna storage that the search is mirrored to cannot be written; told once."""

    reason: str


Event = (
    TaskStarted
    | Looked
    | GenerationStarted
    | CandidateDone
    | GenerationDone
    | RoundDone
    | EndedEarly
    | TaskDone
    | MirrorFailed
)


class Progress(Protocol):
    """Hears what happens."""

    def __call__(self, event: Event) -> None:
        """Must not raise."""


def silent(event: Event) -> None:
    """Shows nothing."""
