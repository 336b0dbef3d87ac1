"""The local engine: jobs in this process, or in worker processes that are kept alive.

Work and results are small JSON; weights travel through the component store by digest. A worker is told the
site with its first job, and again when tasks have come to it. A worker that dies is replaced and its job done
again, a bounded number of times; what a job gives does not depend on who does it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from evo_mtl.engines.jobs import Job
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.engines.workbench import Workbench
from evo_mtl.errors import DataError, EvoMtlError, InputError
from evo_mtl.plain import plain, restore

MAX_ATTEMPTS = 2

Done = Callable[[int, float, Mapping[str, float]], None]
"""Hears the index of a job that ended, its seconds by the clock, and those by kind of work."""


class Engine(Protocol):
    """Does jobs.

    Attributes:
        num_workers: Jobs it does at once.
    """

    num_workers: int

    def run(self, plan: BenchPlan, jobs: Sequence[Job], done: Done) -> list[Any]:
        """What each job gives, in the order of the jobs; ``None`` for one whose workers died."""

    def close(self) -> None:
        """Ends the workers."""


class SerialEngine:
    """Jobs one after another in this process.

    Args:
        site: Where this machine has what plans name.
    """

    num_workers = 1

    def __init__(self, site: Site) -> None:
        self._workbench = Workbench(site)

    def run(self, plan: BenchPlan, jobs: Sequence[Job], done: Done) -> list[Any]:
        """What each job gives, in the order of the jobs."""
        results = []
        for index, job in enumerate(jobs):
            start = time.monotonic()
            answer = _plain(self._workbench.do(plan, job))
            results.append(answer["result"])
            done(index, time.monotonic() - start, answer["spent"])
        return results

    def close(self) -> None:
        """Nothing to end."""


def serial_engine(num_workers: int, site: Site) -> Engine:
    """Jobs in this process. Raises ``InputError`` for more than one worker."""
    if num_workers != 1:
        raise InputError(f"expected 1 with the serial engine, met {num_workers}", "--workers")
    return SerialEngine(site)


def local_engine(num_workers: int, site: Site) -> Engine:
    """One worker is this process; more are processes of their own."""
    return SerialEngine(site) if num_workers == 1 else ProcessEngine(num_workers, site)


class ProcessEngine:
    """Jobs in ``num_workers`` processes.

    Args:
        num_workers: At least 1.
        site: Where this machine has what plans name.
    """

    def __init__(self, num_workers: int, site: Site) -> None:
        self._context = multiprocessing.get_context("spawn")
        self.num_workers, self._site = num_workers, site
        self._workers = [_Worker(self._context) for _ in range(num_workers)]

    def run(self, plan: BenchPlan, jobs: Sequence[Job], done: Done) -> list[Any]:
        """What each job gives, in the order of the jobs, whichever ends first.

        Where one raises, what the others are at is given up: no answer of theirs is left for the next jobs.
        """
        try:
            return self._all(plan, jobs, done)
        finally:
            for worker in self._workers:
                if worker.busy:
                    worker.finish()
                    worker.end()

    def _all(self, plan: BenchPlan, jobs: Sequence[Job], done: Done) -> list[Any]:
        results: list[Any] = [None] * len(jobs)
        todo = deque((index, 1) for index in range(len(jobs)))
        while todo or any(worker.busy for worker in self._workers):
            for worker in self._workers:
                if todo and not worker.busy:
                    index, attempt = todo.popleft()
                    worker.give(self._site, plan, jobs[index], index, attempt)
            for worker, answer in self._hear():
                index, attempt, seconds = worker.finish()
                if answer is None:
                    worker.end()
                    if attempt < MAX_ATTEMPTS:
                        todo.appendleft((index, attempt + 1))
                        continue
                    answer = {"result": None, "spent": {}}
                if "error" in answer:
                    raise _ERRORS.get(answer["error"], EvoMtlError)(answer["message"])
                results[index] = answer["result"]
                done(index, seconds, answer["spent"])
        return results

    def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            worker.end()

    def _hear(self) -> Iterator[tuple[_Worker, dict[str, Any] | None]]:
        """Busy workers that have answered, or died (``None``)."""
        busy = {worker.connection: worker for worker in self._workers if worker.busy}
        for connection in wait(list(busy)):
            worker = busy[connection]  # type: ignore[index]
            try:
                yield worker, json.loads(worker.connection.recv_bytes())
            except (EOFError, OSError):
                yield worker, None


class _Worker:
    """One worker process, seen from the coordinator."""

    def __init__(self, context: multiprocessing.context.SpawnContext) -> None:
        self._context = context
        self._work: tuple[int, int, float] | None = None
        self._start()

    def _start(self) -> None:
        self._told: Site | None = None
        self.connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def busy(self) -> bool:
        return self._work is not None

    def give(self, site: Site, plan: BenchPlan, job: Job, index: int, attempt: int) -> None:
        if not self._process.is_alive():
            self.end()
            self._start()
        self._work = (index, attempt, time.monotonic())
        message = {"site": None if site == self._told else plain(site), "plan": plain(plan), "job": job}
        self._told = site.copy()
        with contextlib.suppress(OSError):  # a dead worker is noticed when it is listened to
            self.connection.send_bytes(json.dumps(message).encode())

    def finish(self) -> tuple[int, int, float]:
        assert self._work is not None
        index, attempt, start = self._work
        self._work = None
        return index, attempt, time.monotonic() - start

    def end(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()


def serve(connection: Connection, coordinator: int) -> None:
    """What a worker does: jobs, until the coordinator closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the coordinator
    threading.Thread(target=_end_with, args=(coordinator,), daemon=True).start()
    served = _Served()
    while True:
        try:
            message = json.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        connection.send_bytes(json.dumps(served.answer(message)).encode())


class _Served:
    """A worker's answers, on the site that it was told last."""

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if message["site"] is not None:
                self._workbench = Workbench(restore(Site, message["site"]))
            return _plain(self._workbench.do(restore(BenchPlan, message["plan"]), message["job"]))
        except EvoMtlError as error:
            kind = "input" if isinstance(error, InputError) else "other"
            return {"error": kind, "message": str(error)}
        except Exception:  # a fault of the program ends the search here as it does in a single process
            return {"error": "other", "message": f"a job broke off\n{traceback.format_exc()}"}


_ERRORS: dict[str, type[EvoMtlError]] = {"input": DataError, "other": EvoMtlError}


def _end_with(coordinator: int) -> None:
    """Ends this process when its coordinator is gone, even in the middle of a job."""
    while os.getppid() == coordinator:
        time.sleep(0.5)
    os._exit(1)


def _plain(outcome: dict[str, Any]) -> dict[str, Any]:
    """A value as it comes back from JSON, so that every engine hands on the same values."""
    return json.loads(json.dumps(outcome))
