"""The journal: everything a run has decided, one event a line, chained by digests.

Each line is canonical JSON: ``{"check": …, "format": 2, "index": n, "kind": …, "previous": …, …payload}``.
``check`` is the SHA-256 of the line without it, ``previous`` the ``check`` of the line before (64 zeros
at first), so that a changed, lost or moved line is found and named. The commit point is the last line
that ends in a newline. What a crash leaves after it (a line without its newline, or with holes of NUL
bytes) is skipped by readers and cut off by the writer. Lines are read one at a time and not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from evo_mtl.errors import CorruptionError, RunError
from evo_mtl.files import (
    append_durably,
    canonical_json,
    digest,
    make_folder,
    open_own,
    open_plain,
    sync_folder,
    truncate_durably,
)

FORMAT = 2
FIRST = "0" * 64
_RESERVED = frozenset({"check", "format", "index", "kind", "previous"})


@dataclass(frozen=True)
class Event:
    """One line of the journal.

    Args:
        index: Its number, from 0; it is on line ``index + 1``.
        kind: What happened.
        payload: Plain JSON values.
        digest: Names this line and, through the chain, all lines before it.
        span: Where its line begins in the file, and its length in bytes; only for events read from a file.
    """

    index: int
    kind: str
    payload: Mapping
    digest: str
    span: tuple[int, int] | None = field(default=None, compare=False)


class Cursor:
    """How far a journal has been read.

    Attributes:
        count: Lines.
        size: Their bytes.
        head: Digest of the last of them; equal heads mean equal journals.
        bytes_read: Running SHA-256 of those bytes.
    """

    def __init__(self, count: int = 0, size: int = 0, head: str = FIRST) -> None:
        self.count, self.size, self.head = count, size, head
        self.bytes_read = hashlib.sha256()

    def read(self, path: Path) -> Iterator[Event]:
        """The committed events from here on; the cursor has passed each when it is yielded.

        Raises:
            RunError: There is no such file, or a later version of the program wrote it.
            CorruptionError: A line is not what was written; names ``file:line``.
        """
        try:
            with open_plain(path) as file:
                file.seek(self.size)
                waiting = b""
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    if waiting:
                        yield self._step(waiting, path)
                    waiting = line
        except FileNotFoundError:
            raise RunError("no journal here; is this a run folder?", path) from None
        except OSError as error:
            raise RunError(f"cannot be read: {error.strerror}", path) from error
        # If the power went after the file had grown but before its bytes arrived, the last line has a hole.
        if waiting and b"\0" not in waiting:
            yield self._step(waiting, path)

    def look(self, line: bytes, path: Path) -> Event:
        """The event in the next line (given with its newline); the cursor stays."""
        return parse_line(line[:-1], self.count, path, self.head, (self.size, len(line) - 1))

    def move(self, event: Event, line: bytes) -> None:
        """Passes over the line that holds the event."""
        self.count, self.size, self.head = self.count + 1, self.size + len(line), event.digest
        self.bytes_read.update(line)

    def _step(self, line: bytes, path: Path) -> Event:
        event = self.look(line, path)
        self.move(event, line)
        return event


def read_journal(path: Path) -> tuple[Event, ...]:
    """All committed events; never writes, needs no lock, may run beside a writer.

    Raises:
        RunError: There is no such file, or a later version of the program wrote it.
        CorruptionError: A line is not what was written; names ``file:line``.
    """
    return tuple(Cursor().read(path))


class Journal:
    """The journal opened by its one writer; take the run's lock first.

    Args:
        path: The file; made where it does not exist. A torn tail is cut off.
        cursor: How far it is known already; it moves along with the journal.
        take: Called with each event after that, in order; none is kept.

    Raises:
        RunError: The file is a link, or no file.
        CorruptionError: A line is not what was written; names ``file:line``.
    """

    def __init__(
        self, path: Path, cursor: Cursor | None = None, take: Callable[[Event], None] | None = None
    ) -> None:
        self.path = path
        self.cursor = cursor or Cursor()
        make_folder(path.parent)
        self._fd: int | None = open_own(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            sync_folder(path.parent)
            for event in self.cursor.read(path):
                if take is not None:
                    take(event)
            if os.fstat(self._fd).st_size > self.cursor.size:
                truncate_durably(self._fd, self.cursor.size)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, path: Path) -> Journal:
        """The same as ``Journal(path)``."""
        return cls(path)

    @property
    def count(self) -> int:
        """Events in it."""
        return self.cursor.count

    @property
    def head(self) -> str:
        """Digest of the last line; equal heads mean equal journals."""
        return self.cursor.head

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
        body = {"format": FORMAT, "index": self.count, "kind": kind, "previous": self.head, **payload}
        line = canonical_json(body | {"check": digest(canonical_json(body))}) + b"\n"
        event = self.cursor.look(line, self.path)
        try:
            append_durably(self._fd, line)
        except BaseException:
            self.close()
            raise
        self.cursor.move(event, line)
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


def parse_line(
    line: bytes, index: int, path: Path, previous: str | None = None, span: tuple[int, int] | None = None
) -> Event:
    """The event in a line without its newline; ``previous`` is the digest that it must follow, if known.

    Raises:
        RunError: A later version of the program wrote it.
        CorruptionError: It is not what was written; names ``file:line``.
    """
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
        raise RunError(_other_format(body.get("format")), place)
    if body.get("index") != index or previous not in (None, body.get("previous")):
        raise CorruptionError(f"{place}: this line does not follow the one before it (lost or moved lines)")
    kind = body.get("kind")
    if not isinstance(kind, str):
        raise CorruptionError(f"{place}: this line has no kind")
    payload = {name: value for name, value in body.items() if name not in _RESERVED}
    return Event(index, kind, payload, check, span)


def _other_format(met: object) -> str:
    if met == 1:
        return "this run was written by evo-mtl 0.1; this version does not read it"
    return f"journal format {met!r}; this version reads format {FORMAT}"
