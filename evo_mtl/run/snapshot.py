"""A run's journal and its state opened together, without reading again what has been read before.

Beside the journal lies a snapshot: the state after its first so many bytes, and their SHA-256. Opening
hashes those bytes, which is fast, and parses only what follows. The snapshot may be deleted or damaged at
any time and is never the truth: where it is missing, broken or not of these bytes, the whole journal is
read, and a line that is not what was written is found and named as ever.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from evo_mtl.archive.journal import Cursor, Journal
from evo_mtl.archive.lines import Line, Lines
from evo_mtl.files import canonical_json, digest, open_plain, write_atomic
from evo_mtl.names import SNAPSHOT_SUFFIX
from evo_mtl.plain import Count, Digest, plain, restore_json
from evo_mtl.run.events import Begun, Data, Happened, Rooted, Told, read_event, written
from evo_mtl.run.state import ArchiveState, Fold, Position, Stored

FORMAT = 4
MOST_UNCOVERED = 2**20
"""Bytes of a journal that a running search leaves without a snapshot."""
PIECE = 2**20
B = TypeVar("B")


@dataclass(frozen=True)
class Row:
    """A record of a task, by where it lies."""

    task: str
    line: Line


@dataclass(frozen=True)
class DataRow:
    """A task, with what is held of it."""

    task: str
    line: Line
    brief: Data


@dataclass(frozen=True)
class RouteRow:
    """A route, with what is held of it."""

    task: str
    line: Line
    brief: Told


@dataclass(frozen=True)
class Content:
    """What a snapshot says: how far the journal was read, and its state there; tables keep their order.

    Attributes:
        count, size, head: Lines, their bytes, and the digest of the last.
        sha256: Of those bytes.
    """

    count: Count
    size: Count
    head: Digest
    sha256: Digest
    run: Begun | None
    roots: tuple[Rooted, ...]
    tasks: tuple[DataRow, ...]
    looks: tuple[Row, ...]
    descriptors: Mapping[str, str]
    generations: tuple[Row, ...]
    rounds: tuple[Row, ...]
    position: Position
    routes: tuple[RouteRow, ...]
    answered: tuple[DataRow, ...]
    passes: Mapping[str, Count]
    offers: Mapping[str, Count]
    arrived: Mapping[str, Count]
    seen: Mapping[str, Count]
    stopped: Mapping[str, Count]
    users: Mapping[Digest, Count]
    choosable: Mapping[str, tuple[Digest, ...]]
    lines: Mapping[str, tuple[Digest, ...]]
    replaced: Count


HELD = (
    "run",
    "position",
    "descriptors",
    "passes",
    "offers",
    "arrived",
    "seen",
    "stopped",
    "users",
    "lines",
    "replaced",
)
"""Parts of a state that a snapshot holds as they are."""


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

    def append(self, record: Happened) -> None:
        """Commits what happened and takes it in; see :meth:`Journal.append`."""
        kind, payload = written(record)
        self._fold.take(self.journal.append(kind, **payload))

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
    lines: Lines[Happened] = Lines(journal, read_event)
    try:
        with open_plain(snapshot_path(journal)) as file:
            content = _from_bytes(file.read())
        cursor = Cursor(content.count, content.size, content.head)
        with open_plain(journal) as file:
            left = cursor.size
            while piece := file.read(min(PIECE, left)):
                cursor.bytes_read.update(piece)
                left -= len(piece)
        if not left and cursor.bytes_read.hexdigest() == content.sha256:
            return cursor, Fold(journal, _state(content, lines), lines)
    except (OSError, ValueError, RecursionError):
        pass  # any of them means: not a snapshot that this version wrote
    return Cursor(), Fold(journal, None, lines)


def _to_bytes(cursor: Cursor, fold: Fold) -> bytes:
    """A line of digest and format, and a line of content."""
    content = Content(
        count=cursor.count,
        size=cursor.size,
        head=cursor.head,
        sha256=cursor.bytes_read.hexdigest(),
        roots=tuple(fold.roots.values()),
        tasks=tuple(DataRow(name, one.line, one.brief) for name, one in fold.tasks.items()),
        looks=tuple(Row(name, one.line) for name, one in fold.looks.items()),
        generations=tuple(Row(name, one.line) for name, done in fold.generations.items() for one in done),
        rounds=tuple(Row(name, one.line) for name, done in fold.rounds.items() for one in done),
        routes=tuple(RouteRow(name, one.line, one.brief) for name, one in fold.routes.items()),
        answered=tuple(DataRow(name, one.line, one.brief) for name, one in fold.answered.items()),
        choosable={name: tuple(sorted(components)) for name, components in fold.choosable.items()},
        **{name: getattr(fold, name) for name in HELD},
    )
    body = json.dumps(plain(content), separators=(",", ":"), allow_nan=False).encode("ascii")
    return canonical_json({"check": digest(body), "format": FORMAT}) + b"\n" + body + b"\n"


def _from_bytes(data: bytes) -> Content:
    """What :func:`_to_bytes` wrote; ``ValueError`` for anything else."""
    head, body, rest = data.split(b"\n")
    if rest or json.loads(head) != {"check": digest(body), "format": FORMAT}:
        raise ValueError("not a snapshot")
    return restore_json(Content, body)


def _state(content: Content, lines: Lines[Happened]) -> ArchiveState:
    """The state that a snapshot tells."""

    def table(rows: Iterable[DataRow | RouteRow]) -> dict[str, Stored]:
        return {row.task: Stored(row.line, row.brief, lines) for row in rows}

    def lists(rows: Iterable[Row]) -> dict[str, tuple[Stored[None], ...]]:
        found: dict[str, tuple[Stored[None], ...]] = {}
        for row in rows:
            found[row.task] = (*found.get(row.task, ()), Stored(row.line, None, lines))
        return found

    return ArchiveState(
        roots={rooted.root: rooted for rooted in content.roots},
        tasks=table(content.tasks),
        looks={row.task: Stored(row.line, None, lines) for row in content.looks},
        generations=lists(content.generations),
        rounds=lists(content.rounds),
        routes=table(content.routes),
        answered=table(content.answered),
        choosable={name: frozenset(components) for name, components in content.choosable.items()},
        **{name: getattr(content, name) for name in HELD},
    )
