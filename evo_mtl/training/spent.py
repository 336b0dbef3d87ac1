"""Where the time of a worker goes: seconds by kind of work, for ``timings.jsonl``, never for the journal."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

Kind = Literal["images", "frozen", "open", "validation", "solve", "archive", "other"]


class Spent:
    """Seconds of each kind since they were last taken.

    Work of one kind inside another counts for the inner one only, so that the kinds add up to the clock's time.
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._kinds: list[str] = []
        self._since = time.perf_counter()

    @contextlib.contextmanager
    def on(self, kind: Kind) -> Iterator[None]:
        """Counts the time of the block for a kind."""
        self._settle()
        self._kinds.append(kind)
        try:
            yield
        finally:
            self._settle()
            self._kinds.pop()

    def take(self) -> dict[str, float]:
        """What was spent inside blocks, rounded to milliseconds; counting starts anew."""
        self._settle()
        taken = {kind: round(seconds, 3) for kind, seconds in sorted(self._seconds.items())}
        self._seconds.clear()
        return taken

    def _settle(self) -> None:
        now = time.perf_counter()
        if self._kinds:
            self._seconds[self._kinds[-1]] += now - self._since
        self._since = now
