"""How a search is carried out: what is asked beside its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CACHE_BYTES = 6 * 2**30


@dataclass(frozen=True)
class Options:
    """How a search is carried out; nothing here changes what comes of it, save a limit by the clock.

    Attributes:
        workers: Processes that try candidates.
        engine: What runs them, by name.
        cache: Folder of kept arrays; the run's own when ``None``.
        cache_bytes: Its bound.
        minutes: Clock limit for the whole search, shared evenly by the tasks that are left.
        minutes_per_task: Clock limit for each task's turn.
        research: Search a task again whose data changed after it was archived, instead of refusing it.
        optuna_storage: URL of an Optuna storage that is shown every committed candidate.
        trust_python: Whether functions that ``python:`` tasks name may be called: the user handed in the
            stream file, or trusts the run.
    """

    workers: int = 1
    engine: str = "local"
    cache: Path | None = None
    cache_bytes: int = CACHE_BYTES
    minutes: float | None = None
    minutes_per_task: float | None = None
    research: bool = False
    optuna_storage: str | None = None
    trust_python: bool = False

    def __post_init__(self) -> None:
        if self.cache is not None:
            object.__setattr__(self, "cache", Path(self.cache).expanduser())
