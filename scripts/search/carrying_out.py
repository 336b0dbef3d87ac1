"""Pieces of work done side by side, a process each; a piece that fails does not stop the others."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process

from evo_mtl.errors import EvoMtlError
from search import learning, searching
from search.finishing import failures_of
from search.work import OutOfTime, Place, Search, Work


def do(work: Work, place: Place) -> str:
    """Does a piece of work, as far as it is not done; says how it ended: ``done`` or ``time``."""

    def say(line: str) -> None:
        print(f"{work.method}, seed {work.seed}: {line}", file=sys.stderr, flush=True)

    try:
        place.check_time()
        if isinstance(work, Search):
            searching.do(work, place, say)
        else:
            learning.do(work, place, say)
    except OutOfTime:
        return "time"
    return "done"


def do_all(pieces: Sequence[Work], place: Place, processes: int) -> list[EvoMtlError]:
    """Does all pieces in about their order; returns what could not be used.

    With one process they are done in this one.
    """
    if processes == 1:
        failures: list[EvoMtlError] = []
        for work in pieces:
            try:
                do(work, place)
            except EvoMtlError as error:
                failures.append(error)
        return failures
    # Spawned, since forked processes inherit torch's threads in no good state.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_end_with_parent) as pool:
        futures = [pool.submit(do, work, place) for work in pieces]
        try:
            return failures_of(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, lest it keeps a run that is begun again."""

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
