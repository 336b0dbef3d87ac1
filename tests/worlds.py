"""Whole searches of a tiny world, in a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from evo_mtl.run.config import RunConfig, make_config
from evo_mtl.run.events import Happened, history
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.progress import Progress, silent
from evo_mtl.run.state import ArchiveState
from evo_mtl.searching.runner import run_search
from evo_mtl.testing.worlds import write_space, write_stream

E = TypeVar("E", bound=Happened)


def config(home: Path, *names: str, seed: int = 0, overrides: tuple[str, ...] = ()) -> RunConfig:
    """A configuration over coloured tasks of these names; the stream file is written anew."""
    return make_config(write_stream(home, names), str(write_space(home)), seed=seed, overrides=overrides)


def search(
    run: Path, made: RunConfig, options: Options | None = None, progress: Progress = silent
) -> ArchiveState:
    """Searches, or goes on."""
    return run_search(RunFolder(run), made, options or Options(), progress)


def journal(run: Path) -> bytes:
    """Its bytes."""
    return RunFolder(run).journal.read_bytes()


def events(run: Path, kind: type[E]) -> list[E]:
    """What happened of a kind, in order."""
    return [one for one in history(RunFolder(run).journal) if isinstance(one, kind)]
