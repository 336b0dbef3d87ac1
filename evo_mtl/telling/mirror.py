"""A run shown in an Optuna storage: every committed candidate as a trial, for optuna-dashboard to look at.

The journal is the truth and is what is mirrored, so that nothing need be queued: a thread reads it from
the start, adds what the storage lacks, and goes on when more has been committed. A storage that cannot be
written costs the search only a bounded wait at its end; the next search or resume adds the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_mtl.archive.journal import Cursor, Event
from evo_mtl.evolution.quiet import quiet_optuna
from evo_mtl.files import digest
from evo_mtl.genome.space import SearchSpace
from evo_mtl.names import JOURNAL
from evo_mtl.run import progress as tell
from evo_mtl.run.events import Arrived, Begun, Generation, Rooted, read_event
from evo_mtl.run.root import Root, read_root
from evo_mtl.telling.optuna_storage import open_storage, reason, shown

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

PATIENCE = 5.0
"""Seconds without a new trial after which the end of a search waits no longer."""
LONGEST = 60.0
"""Seconds that the end of a search waits at most."""
RETRY = 1.0
"""Seconds between two attempts at a storage that could not be written, once the search is over."""


@contextmanager
def mirrored(
    url: str | None, run: Path, spaces: Sequence[SearchSpace], progress: tell.Progress
) -> Iterator[tell.Progress]:
    """Mirrors a run while the context lasts, in a thread of its own.

    Args:
        url: Of the storage; ``None`` for none.
        run: The run's folder; its journal is there already.
        spaces: What is searched.
        progress: Is told once if the storage cannot be written.

    Yields:
        What to call instead of ``progress``; it passes everything on.
    """
    if url is None:
        yield progress
        return
    mirror = Mirror(url, run, spaces)
    told = False

    def complain() -> None:
        nonlocal told
        if mirror.trouble and not told:
            told = True
            progress(tell.MirrorFailed(mirror.trouble))

    def hear(event: tell.Event) -> None:
        progress(event)
        if isinstance(event, tell.GenerationDone):
            mirror.wake()
            complain()

    try:
        yield hear
    finally:
        mirror.close()
        complain()


class Mirror:
    """The thread that mirrors one run.

    Args:
        url: Of the storage.
        run: The run's folder.
        spaces: What is searched.

    Attributes:
        trouble: Why the storage could not be written, the first time that happened.
    """

    def __init__(self, url: str, run: Path, spaces: Sequence[SearchSpace]) -> None:
        self.trouble: str | None = None
        self._url, self._journal, self._spaces = url, run / JOURNAL, spaces
        self._name = run.absolute().name
        self._added = 0
        self._more, self._closing, self._given_up = threading.Event(), threading.Event(), threading.Event()
        name = f"mirror of {self._journal.absolute()} in {digest(url.encode())}"  # a password may be in it
        before = [thread for thread in threading.enumerate() if thread.name == name]
        self._thread = threading.Thread(target=self._work, args=(before,), name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """More was committed."""
        self._more.set()

    def close(self) -> None:
        """Waits until all is mirrored, or as long as it may."""
        self._closing.set()
        self._more.set()
        start = since = time.monotonic()
        added = self._added
        while self._thread.is_alive():
            self._thread.join(0.05)
            now = time.monotonic()
            if self._added != added:
                added, since = self._added, now
            if now - since > PATIENCE or now - start > LONGEST:
                self.trouble = self.trouble or "it does not answer"
                break
        self._given_up.set()

    def _work(self, before: list[threading.Thread]) -> None:
        """Mirrors until the end; ``before`` are threads of earlier searches that still hang in the storage."""
        for thread in before:
            thread.join()
        import optuna.storages  # noqa: F401  # whom to keep quiet is known from here on

        copy = _Copy(self._url, self._name, self._spaces)
        while not self._given_up.is_set():
            self._more.clear()  # first: what is said from here on is not slept through
            last = self._closing.is_set()
            done = True
            try:
                with quiet_optuna():
                    for _ in copy.missing(self._journal):
                        self._added += 1
                        if self._given_up.is_set():
                            return
            except Exception as error:  # whatever a database does, the search goes on
                self.trouble = self.trouble or reason(error)
                copy.forget()
                done = False
            if last and done:
                return
            (self._given_up if last else self._more).wait(RETRY if last else None)


class _Copy:
    """How far a storage has a journal."""

    def __init__(self, url: str, name: str, spaces: Sequence[SearchSpace]) -> None:
        self._url, self._name = url, name
        self._spaces = {space.digest(): space for space in spaces}
        self._cursor = Cursor()
        self._pending: Event | None = None
        self._run = ""
        self._roots: dict[str, Root] = {}
        self._root_of: dict[str, str] = {}
        self.forget()

    def forget(self) -> None:
        """What is known about the storage is in doubt: it is opened and read again."""
        self._storage: BaseStorage | None = None
        self._study: Study | None = None
        self._task = ""
        self._known: set[tuple[Any, Any]] = set()

    def missing(self, journal: Path) -> Iterator[None]:
        """Adds the committed candidates that the storage lacks; yields after each.

        Whatever it raises, nothing is lost: the next call begins with what could not be added.
        """
        events = self._cursor.read(journal)
        while event := self._pending or next(events, None):
            self._pending = event
            match read_event(event, journal):
                case Begun():
                    self._run = event.digest
                case Rooted() as rooted:
                    self._roots[rooted.root] = read_root(rooted)
                case Arrived() as arrived:
                    self._root_of[arrived.task] = arrived.data.root
                case Generation() as generation:
                    yield from self._generation(generation, event.digest)
            self._pending = None

    def _generation(self, generation: Generation, digest: str) -> Iterator[None]:
        if self._study is None or generation.task != self._task:
            self._task = generation.task
            self._study = self._open(f"{self._name}/{self._task}")
            trials = self._study.get_trials(deepcopy=False)
            self._known = {(t.user_attrs.get("event"), t.user_attrs.get("candidate")) for t in trials}
        root = self._roots[self._root_of[self._task]]
        for one in generation.evaluations:
            name = digest, str(one.candidate.id)
            if name not in self._known:
                trial = shown(one, self._spaces[root.space], root.facts, {"event": digest})
                self._study.add_trial(trial)
                self._known.add(name)
                yield

    def _open(self, name: str) -> Study:
        """The study of that name; where another run has taken it already, one whose name tells them apart."""
        import optuna

        self._storage = self._storage or open_storage(self._url)
        for title in (name, f"{name} ({self._run[:8]})"):
            study = optuna.create_study(
                storage=self._storage, study_name=title, direction="maximize", load_if_exists=True
            )
            if study.user_attrs.get("run", self._run) == self._run:
                break
        study.set_user_attr("run", self._run)
        return study
