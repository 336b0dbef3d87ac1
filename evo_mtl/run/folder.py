"""The files of a run, opened and checked before anything is written."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from evo_mtl.archive.store import ComponentStore
from evo_mtl.documents import MAX_BYTES, parse
from evo_mtl.errors import InputError, RunError
from evo_mtl.files import check_own, digest, is_temporary, read_file
from evo_mtl.names import CACHE, CONFIGURATION, JOURNAL, LOCK, OPENED, TIMINGS
from evo_mtl.run.config import RunConfig, read_config
from evo_mtl.run.opened import read_opened
from evo_mtl.run.snapshot import read_state, snapshot_path
from evo_mtl.run.state import ArchiveState
from evo_mtl.streams.config import read_stream


@dataclass(frozen=True)
class RunFolder:
    """Where a run's files are.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / CONFIGURATION

    @property
    def journal(self) -> Path:
        """What happened; the truth."""
        return self.path / JOURNAL

    @property
    def timings(self) -> Path:
        """Clock readings; no part of the truth."""
        return self.path / TIMINGS

    @property
    def lock(self) -> Path:
        """Held by the one process that searches."""
        return self.path / LOCK

    @property
    def cache(self) -> Path:
        """Kept arrays; may be deleted or damaged at any time."""
        return self.path / CACHE

    @property
    def opened(self) -> Path:
        """What opening the run found out last time; may be deleted or damaged at any time."""
        return self.path / OPENED

    def read_config(self) -> RunConfig:
        """The run's configuration. Raises ``ConfigError`` that names file, line and key."""
        known = read_opened(self.opened)
        with contextlib.suppress(InputError):  # read_config says what is wrong, and where
            if known.config is not None and digest(read_file(self.config, MAX_BYTES)) == known.config_digest:
                return parse(RunConfig, known.config, self.config)
        return read_config(self.config)

    def read_state(self) -> ArchiveState:
        """What the journal says; nothing where there is none yet.

        Raises:
            CorruptionError: The journal is not what was written.
        """
        return read_state(self.journal) if self.journal.exists() else ArchiveState()

    def store(self) -> ComponentStore:
        """The run's components."""
        return ComponentStore(self.path)

    def exists(self) -> bool:
        """Whether there is a run here; an empty or missing folder is none yet.

        Raises:
            RunError: There is something here that is no run.
        """
        if self.config.is_file():
            return True
        if self.path.exists() and not self.path.is_dir():
            raise RunError("expected a run folder, met a file", self.path)
        names = [path.name for path in self.path.iterdir()] if self.path.is_dir() else []
        # A process that died at its very first write leaves a lock and a temporary file.
        strangers = [name for name in names if name != self.lock.name and not is_temporary(name)]
        if strangers:
            raise RunError(
                f"no run: it has no {CONFIGURATION}, but it has {sorted(strangers)[0]!r}", self.path
            )
        return False

    def check_own(self) -> None:
        """Makes sure that what is written to the run stays in its folder.

        Raises:
            RunError: A link lies in the place of a file or a folder of a run, or a pipe, or a device.
        """
        snapshot = snapshot_path(self.journal)
        for path in (self.config, self.journal, snapshot, self.timings, self.opened, self.lock):
            check_own(path)
        for path in (self.store().folder, self.cache):
            check_own(path, folder=True)


def open_run(path: str | Path) -> tuple[RunFolder, RunConfig, ArchiveState]:
    """A run to read from; needs no lock and writes nothing.

    Raises:
        RunError: There is no run.
        CorruptionError: Its journal is not what was written.
    """
    folder = RunFolder(Path(path).expanduser())
    if not folder.path.is_dir():
        raise RunError("no such run folder", folder.path)
    if not folder.exists():
        raise RunError("no run: the folder is empty", folder.path)
    return folder, folder.read_config(), folder.read_state()


def reopen(path: str | Path, passes: int = 1) -> tuple[RunFolder, RunConfig, ArchiveState]:
    """A run to go on with: its stream is read anew, or is the recorded one where that file is gone.

    Args:
        path: Its folder.
        passes: How often each task is visited, where that is more than the run has recorded.

    Raises:
        InputError: There is no run, or its stream file is wrong now.
    """
    folder, config, state = open_run(path)
    if Path(config.stream_file).is_file():
        config = config.model_copy(update={"stream": read_stream(config.stream_file)})
    return folder, config.model_copy(update={"passes": max(passes, config.passes)}), state


def default_folder(config: RunConfig, algorithm: str | None = None) -> RunFolder:
    """Where a run goes that was given no folder: ``runs/<stream>-<space>[-<algorithm>]-s<seed>``.

    Args:
        config: The run's.
        algorithm: The one asked for instead of the space's, if any.
    """
    parts = [config.stream.name, config.space.name, *([algorithm] if algorithm else []), f"s{config.seed}"]
    return RunFolder(Path("runs") / re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(parts)))
