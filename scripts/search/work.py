"""A piece of work that one process does at a time: a method with one seed, on a stream or on one task."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from evo_mtl.streams.config import TaskConfig


class OutOfTime(Exception):
    """The benchmark's minutes are over; what has been begun can be gone on with."""


@dataclass(frozen=True)
class Place:
    """Where a benchmark keeps what it makes.

    Attributes:
        folder: All of it.
        cache: Folder of kept arrays, shared by all; of each run its own when ``None``.
        until: When no more work is begun, by ``time.time``; never when ``None``.
    """

    folder: Path
    cache: Path | None = None
    until: float | None = None

    def check_time(self) -> None:
        """Raises ``OutOfTime`` where no more work is to be begun."""
        if self.until is not None and time.time() > self.until:
            raise OutOfTime


@dataclass(frozen=True)
class Search:
    """One run over the stream.

    Attributes:
        method, seed: Name the rows.
        asked: Digest of all that decides the rows.
        stream: The stream file, its tasks split by this seed.
        space: Name or file of the search space.
        overrides: ``key=value`` for it.
        algorithm: Instead of its own.
        seconds: Processor seconds a task after which no generation is begun; ``None`` for none.
    """

    method: str
    seed: int
    asked: str
    stream: Path
    space: str
    overrides: tuple[str, ...]
    algorithm: str
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.method.replace(' ', '_').replace('(', '').replace(')', '')}-s{self.seed}"


@dataclass(frozen=True)
class Learning:
    """A learner on some tasks in their order: one task, unless it learns a stream.

    Attributes:
        method, seed, asked, stream: As for a search.
        tasks: Of the stream, split by this seed.
        trunk, weights: The trunk.
        size: Of the images.
        grid: What fine-tuning tries.
    """

    method: str
    seed: int
    asked: str
    stream: Path
    tasks: tuple[TaskConfig, ...]
    trunk: str
    weights: str
    size: int
    grid: str


Work = Search | Learning
