"""Ctrl-C during a search loses nothing: the journal has all that is done, and one line says how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evo_mtl.names import CONFIGURATION


class Interrupted(Exception):
    """The user stopped a search; exit status 130."""


@contextmanager
def resumable(run: Path) -> Iterator[None]:
    """Turns Ctrl-C into :class:`Interrupted` with a line that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if (run / CONFIGURATION).is_file():
            raise Interrupted(f"interrupted; to go on: evo-mtl resume {run}") from None
        raise Interrupted("interrupted; nothing has been written") from None
