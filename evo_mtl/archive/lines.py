"""Lines of a journal that are read when they are asked for.

A run of a thousand tasks is opened far more often than all its routes are looked at. So a state remembers
where a line lies, and not what it says.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from evo_mtl.archive.journal import Event, parse_line
from evo_mtl.errors import CorruptionError
from evo_mtl.files import open_plain
from evo_mtl.plain import Count

KEPT_LINES = 8
R = TypeVar("R")


@dataclass(frozen=True)
class Line:
    """Where a line of a journal lies.

    Attributes:
        index: Its place in the order of lines, from 0.
        offset, length: Its first byte, and how many it has without its newline.
    """

    index: Count
    offset: Count
    length: Count


def line_of(event: Event) -> Line:
    """The line of an event that came from a file."""
    assert event.span is not None
    return Line(event.index, *event.span)


class Lines(Generic[R]):
    """What the lines of a journal say, read by their place; the few read last are kept.

    Args:
        path: The journal.
        decode: From an event to what it says.
    """

    def __init__(self, path: Path, decode: Callable[[Event, Path], R]) -> None:
        self.path, self._decode = path, decode
        self._kept: OrderedDict[Line, R] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, line: Line) -> R:
        """What a line says.

        Raises:
            CorruptionError: The line is not, or no longer, what was written; names ``file:line``.
        """
        with self._lock:  # several threads may ask a model
            if line in self._kept:
                self._kept.move_to_end(line)
                return self._kept[line]
            try:
                with open_plain(self.path) as file:
                    file.seek(line.offset)
                    raw = file.read(line.length)
            except OSError as error:
                place = f"{self.path}:{line.index + 1}"
                raise CorruptionError(f"cannot be read: {error.strerror}", place) from error
            self._kept[line] = self._decode(parse_line(raw, line.index, self.path), self.path)
            if len(self._kept) > KEPT_LINES:
                self._kept.popitem(last=False)
            return self._kept[line]
