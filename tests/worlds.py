"""Whole searches of a tiny world, in a second or two."""

from __future__ import annotations

from pathlib import Path

from evo_mtl.archive.journal import Event, read_journal
from evo_mtl.archive.state import ArchiveState
from evo_mtl.run.config import RunConfig, make_config
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.progress import Progress, silent
from evo_mtl.searching.runner import Options, run_search
from evo_mtl.testing.worlds import write_space, write_stream


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


def events(run: Path, kind: str) -> list[Event]:
    """Events of a kind, in order."""
    return [event for event in read_journal(RunFolder(run).journal) if event.kind == kind]
