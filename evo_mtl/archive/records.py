"""Payloads of a journal's events that are read when they are asked for.

A run of a thousand tasks is opened far more often than all its routes are looked at. So what the state
keeps of an event is where its line lies and the few short values that are asked for of every task.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evo_mtl.archive.journal import Event, parse_line
from evo_mtl.errors import CorruptionError
from evo_mtl.files import open_plain

KEPT_LINES = 8
LONGEST_TEXT = 100
MOST_NUMBERS = 12


class Lines:
    """Lines of a journal by their place; the few read last are kept.

    Args:
        path: The journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: OrderedDict[int, Mapping[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def payload(self, index: int, offset: int, length: int) -> Mapping[str, Any]:
        """What the event on a line says.

        Raises:
            CorruptionError: The line is not, or no longer, what was written; names ``file:line``.
        """
        with self._lock:  # several threads may ask a model
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            try:
                with open_plain(self.path) as file:
                    file.seek(offset)
                    line = file.read(length)
            except OSError as error:
                raise CorruptionError(f"{self.path}:{index + 1}: cannot be read: {error.strerror}") from error
            self._kept[index] = parse_line(line, index, self.path).payload
            if len(self._kept) > KEPT_LINES:
                self._kept.popitem(last=False)
            return self._kept[index]


class Record(Mapping[str, Any]):
    """A payload; equal to the mapping it stands for.

    Args:
        lines: Where it is read.
        place: Its line's index, first byte and length.
        brief: Those of its values that are held.
    """

    __slots__ = ("_brief", "_lines", "_place")

    def __init__(self, lines: Lines, place: tuple[int, int, int], brief: Mapping[str, Any]) -> None:
        self._lines, self._place, self._brief = lines, place, brief

    def __getitem__(self, key: str) -> Any:
        return self._brief[key] if key in self._brief else self._whole()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def _whole(self) -> Mapping[str, Any]:
        return self._lines.payload(*self._place)

    def to_json(self) -> list[Any]:
        """Plain data; :func:`record_from_json` reads it back."""
        return [*self._place, self._brief]


def record_of(event: Event, lines: Lines | None) -> Mapping[str, Any]:
    """What to keep of an event: a record, or the payload itself where no file stands behind it."""
    if lines is None or event.span is None:
        return event.payload
    brief = {key: value for key, value in event.payload.items() if _is_short(value)}
    return Record(lines, (event.index, *event.span), brief)


def record_from_json(data: Any, lines: Lines) -> Record:
    """Reads what :meth:`Record.to_json` wrote. Raises ``ValueError`` or ``TypeError`` if that is none."""
    index, offset, length, brief = data
    if not all(type(number) is int and number >= 0 for number in (index, offset, length)):
        raise ValueError("not a place in a journal")
    if not isinstance(brief, dict):
        raise ValueError("not a payload")
    return Record(lines, (index, offset, length), brief)


def _is_short(value: object) -> bool:
    """Numbers, names, and a handful of numbers by name."""
    if isinstance(value, dict):
        return len(value) <= MOST_NUMBERS and all(isinstance(inner, int | float) for inner in value.values())
    return (
        value is None
        or isinstance(value, int | float)
        or (isinstance(value, str) and len(value) <= LONGEST_TEXT)
    )
