"""Runs that have no row yet are done, several at a time, and each leaves its row as soon as it is over."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from search.finishing import failures_of

from evo_mtl.errors import EvoMtlError
from evo_mtl.files import lock, make_folder
from evo_mtl.learners.rows import Row, append_row

T = TypeVar("T")


def go_on(
    rows: Path,
    missing: Callable[[], Sequence[T]],
    do: Callable[[T], Row],
    told: Callable[[T, Row], str],
    processes: int,
    until: float | None = None,
) -> list[EvoMtlError]:
    """Does what is missing.

    Args:
        rows: The file that gets a row of each; nobody else works in its folder meanwhile.
        missing: What has no row, in the order in which it is done.
        do: Does one; its row.
        told: What is said on standard error of one that is done.
        processes: How many at a time.
        until: When no more are begun, by ``time.time``.

    Returns:
        Why some failed; the others have their rows.

    Raises:
        InputError: Somebody else works in the folder.
    """
    make_folder(rows.parent)
    writing, ended = threading.Lock(), threading.Event()

    def one(piece: T) -> None:
        if ended.is_set() or (until is not None and time.time() > until):
            return
        try:
            row = do(piece)
        except EvoMtlError:
            raise
        except BaseException:
            ended.set()
            raise
        with writing:
            append_row(rows, row)
        print(told(piece, row), file=sys.stderr)

    with lock(rows.parent / ".lock"), ThreadPoolExecutor(processes) as pool:
        futures = [pool.submit(one, piece) for piece in missing()]
        try:
            return failures_of(futures)
        except BaseException:
            ended.set()  # what runs hears of an interruption by itself
            raise
