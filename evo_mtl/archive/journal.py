"""The journal: everything a run has decided, one event a line, chained by digests.

Each line is canonical JSON: ``{"check": …, "format": 1, "index": n, "kind": …, "previous": …, …payload}``.
``check`` is the SHA-256 of the line without it, ``previous`` the ``check`` of the line before (64 zeros
at first), so that a changed, lost or moved line is found and named. The commit point is the last line
that ends in a newline. What a crash leaves after it (a line without its newline, or with holes of NUL
bytes) is passed over by readers and cut off by the writer.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from evo_mtl.errors import CorruptionError, RunError
from evo_mtl.files import append_durably, canonical_json, digest, make_folder, sync_folder, truncate_durably

FORMAT = 1
FIRST = "0" * 64
_RESERVED = frozenset({"check", "format", "index", "kind", "previous"})


@dataclass(frozen=True)
class Event:
    """One line of the journal.

    Args:
        index: Its place, from 0; it is on line ``index + 1``.
        kind: What happened.
        payload: Plain JSON values.
        digest: Names this line and, through the chain, all lines before it.
    """

    index: int
    kind: str
    payload: Mapping
    digest: str


def read_journal(path: Path) -> tuple[Event, ...]:
    """All committed events; never writes, needs no lock, may run beside a writer.

    Raises:
        RunError: There is no such file, or a later version of the program wrote it.
        CorruptionError: A line is not what was written; names ``file:line``.
    """
    return _scan(path)[0]


class Journal:
    """The journal opened by its one writer; take the run's lock first.

    Args:
        path: The file; made where it does not exist. A torn tail is cut off.

    Raises:
        CorruptionError: A line is not what was written; names ``file:line``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            sync_folder(path.parent)
            events, size = _scan(path)
            if os.fstat(self._fd).st_size > size:
                truncate_durably(self._fd, size)
        except BaseException:
            self.close()
            raise
        self._events = list(events)

    @classmethod
    def open(cls, path: Path) -> Journal:
        """The same as ``Journal(path)``."""
        return cls(path)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events, those found at opening and those appended."""
        return tuple(self._events)

    @property
    def head(self) -> str:
        """Digest of the last line; equal heads mean equal journals."""
        return self._events[-1].digest if self._events else FIRST

    def append(self, kind: str, /, **payload: object) -> Event:
        """Commit one event: when this returns it is on the disk.

        Args:
            kind: What happened.
            payload: JSON values, all finite; no clock readings.

        Returns:
            The event as a reader would see it.

        Raises:
            ValueError: The payload uses a reserved name, or holds a number that is not finite.
            OSError: The disk is full or failing. The event is not in the journal, and the journal is closed.
        """
        if self._fd is None:
            raise ValueError("the journal is closed")
        if taken := _RESERVED & payload.keys():
            raise ValueError(f"reserved in a journal line: {', '.join(sorted(taken))}")
        body = {"format": FORMAT, "index": len(self._events), "kind": kind, "previous": self.head, **payload}
        line = canonical_json(body | {"check": digest(canonical_json(body))})
        event = _parse(line, len(self._events), self.head, self.path)
        try:
            append_durably(self._fd, line + b"\n")
        except BaseException:
            self.close()
            raise
        self._events.append(event)
        return event

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _scan(path: Path) -> tuple[tuple[Event, ...], int]:
    """Committed events, and how many bytes they take."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RunError("no journal here; is this a run folder?", path) from None
    except OSError as error:
        raise RunError(f"cannot be read: {error.strerror}", path) from error
    *lines, _ = data.split(b"\n")
    if lines and b"\0" in lines[-1]:
        # The file grew before its bytes arrived, then the power went: never acknowledged.
        lines.pop()
    events: list[Event] = []
    previous, size = FIRST, 0
    for index, line in enumerate(lines):
        event = _parse(line, index, previous, path)
        events.append(event)
        previous, size = event.digest, size + len(line) + 1
    return tuple(events), size


def _parse(line: bytes, index: int, previous: str, path: Path) -> Event:
    place = f"{path}:{index + 1}"
    try:
        body = json.loads(line)
        if not isinstance(body, dict) or canonical_json(body) != line:
            raise ValueError
        check = body.pop("check", None)
        if check != digest(canonical_json(body)):
            raise ValueError
    except (ValueError, RecursionError):
        raise CorruptionError(f"{place}: this line is not what was written") from None
    if body.get("format") != FORMAT:
        raise RunError(f"journal format {body.get('format')!r}; this version reads format {FORMAT}", place)
    if body.get("index") != index or body.get("previous") != previous:
        raise CorruptionError(f"{place}: this line does not follow the one before it (lost or moved lines)")
    kind = body.get("kind")
    if not isinstance(kind, str):
        raise CorruptionError(f"{place}: this line has no kind")
    payload = {name: value for name, value in body.items() if name not in _RESERVED}
    return Event(index, kind, payload, check)
