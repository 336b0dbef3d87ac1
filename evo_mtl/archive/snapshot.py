"""A run's journal and its state opened together, without reading again what has been read before.

Beside the journal lies a snapshot: the state after its first so many bytes, and their SHA-256. Opening
hashes those bytes, which is fast, and parses only what follows. The snapshot may be deleted or damaged at
any time and is never the truth: where it is missing, broken or not of these bytes, the whole journal is
read, and a line that is not what was written is found and named as ever.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from evo_mtl.archive.journal import Cursor, Event, Journal
from evo_mtl.archive.records import Lines, Record, record_from_json
from evo_mtl.archive.state import ArchiveState, Fold
from evo_mtl.files import canonical_json, digest, open_plain, write_atomic
from evo_mtl.names import SNAPSHOT_SUFFIX

FORMAT = 1
MOST_UNCOVERED = 2**20
"""Bytes of a journal that a running search leaves without a snapshot."""
PIECE = 2**20
PLAIN = ("run", "roots", "descriptors", "passes", "offers", "arrived", "seen", "stopped", "users", "replaced")
"""Parts of a state that are held whole."""


def snapshot_path(journal: Path) -> Path:
    """``journal.snapshot.json`` beside ``journal.jsonl``."""
    return journal.with_suffix(SNAPSHOT_SUFFIX)


def read_state(journal: Path) -> ArchiveState:
    """The state of a run; never writes, needs no lock, may run beside a writer.

    Raises:
        RunError: There is no such journal, or a later version of the program wrote it.
        CorruptionError: A line is not what was written; names ``file:line``.
    """
    cursor, fold = _start(journal)
    for event in cursor.read(journal):
        fold.take(event)
    return fold.state()


class Archive:
    """A run's journal opened by its one writer, with its state; take the run's lock first.

    Args:
        path: The journal; made where it does not exist. A torn tail is cut off.

    Raises:
        CorruptionError: A line is not what was written; names ``file:line``.
    """

    def __init__(self, path: Path) -> None:
        cursor, self._fold = _start(path)
        self._covered = cursor.size
        self.journal = Journal(path, cursor, self._fold.take)

    @property
    def state(self) -> ArchiveState:
        """The state after all events, those found at opening and those appended."""
        return self._fold.state()

    def append(self, kind: str, /, **payload: object) -> Event:
        """Commits one event and takes it in; see :meth:`Journal.append`."""
        event = self.journal.append(kind, **payload)
        self._fold.take(event)
        return event

    def snapshot(self, at_least: int = 1) -> None:
        """Writes a snapshot if so many bytes came since the last; a full disk is no error here."""
        if self.journal.cursor.size - self._covered >= at_least:
            with contextlib.suppress(OSError):
                write_atomic(snapshot_path(self.journal.path), _to_bytes(self.journal.cursor, self._fold))
                self._covered = self.journal.cursor.size

    def close(self) -> None:
        """Lets go of the file; safe to call twice."""
        self.journal.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _start(journal: Path) -> tuple[Cursor, Fold]:
    """What the snapshot tells of the journal's beginning; nothing where it does not hold."""
    lines = Lines(journal)
    try:
        with open_plain(snapshot_path(journal)) as file:
            cursor, wanted, state = _from_bytes(file.read(), lines)
        with open_plain(journal) as file:
            left = cursor.size
            while piece := file.read(min(PIECE, left)):
                cursor.bytes_read.update(piece)
                left -= len(piece)
        if not left and cursor.bytes_read.hexdigest() == wanted:
            return cursor, Fold(journal, state, lines)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass  # any of them means: not a snapshot that this version wrote
    return Cursor(), Fold(journal, None, lines)


def _to_bytes(cursor: Cursor, fold: Fold) -> bytes:
    """A line of digest and format, and a line of content, in which tables keep their order."""

    def table(records: Mapping[str, Any]) -> list[Any]:
        return [[name, _plain(record)] for name, record in records.items()]

    content = {
        "count": cursor.count,
        "size": cursor.size,
        "head": cursor.head,
        "sha256": cursor.bytes_read.hexdigest(),
        "run": fold.run,
        "roots": fold.roots,
        "tasks": table(fold.tasks),
        "looks": table(fold.looks),
        "descriptors": fold.descriptors,
        "generations": [[name, [_plain(one) for one in done]] for name, done in fold.generations.items()],
        "routes": table(fold.routes),
        "answered": table(fold.answered),
        "passes": fold.passes,
        "offers": fold.offers,
        "arrived": fold.arrived,
        "seen": fold.seen,
        "stopped": fold.stopped,
        "users": fold.users,
        "choosable": {name: sorted(components) for name, components in fold.choosable.items()},
        "replaced": fold.replaced,
    }
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")
    return canonical_json({"check": digest(body), "format": FORMAT}) + b"\n" + body + b"\n"


def _plain(record: Mapping[str, Any]) -> list[Any]:
    assert isinstance(record, Record)  # what an archive folds has lines behind it
    return record.to_json()


def _from_bytes(data: bytes, lines: Lines) -> tuple[Cursor, str, ArchiveState]:
    """Cursor, SHA-256 and state from what :func:`_to_bytes` wrote; one of several errors for anything else."""
    head, body, rest = data.split(b"\n")
    if rest or json.loads(head) != {"check": digest(body), "format": FORMAT}:
        raise ValueError("not a snapshot")
    content = json.loads(body)

    def table(records: Any) -> dict[str, Mapping[str, Any]]:
        return {name: record_from_json(data, lines) for name, data in records}

    cursor = Cursor(content["count"], content["size"], content["head"])
    generations = {
        name: tuple(record_from_json(data, lines) for data in done) for name, done in content["generations"]
    }
    tables: dict[str, Any] = {name: table(content[name]) for name in ("tasks", "looks", "routes", "answered")}
    plain = {name: content[name] for name in PLAIN}
    choosable = {name: frozenset(components) for name, components in content["choosable"].items()}
    state = ArchiveState(generations=generations, choosable=choosable, **tables, **plain)
    return cursor, content["sha256"], state
