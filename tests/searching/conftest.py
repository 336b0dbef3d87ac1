"""Worker processes that the searches of these tests share: starting one costs as much as a tiny search."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import pytest

from evo_mtl.engines.local import ProcessEngine, _Worker
from evo_mtl.engines.plan import Site


@pytest.fixture(scope="session")
def _kept() -> Iterator[list[_Worker]]:
    kept: list[_Worker] = []
    yield kept
    for worker in kept:
        worker.end()


@pytest.fixture(autouse=True)
def _shared_workers(_kept: list[_Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine takes the workers that the one before it has left running."""

    def start(engine: ProcessEngine, num_workers: int, site: Site) -> None:
        engine._context = multiprocessing.get_context("spawn")
        engine.num_workers, engine._site = num_workers, site
        _kept[:] = [worker for worker in _kept if not worker.busy]
        while len(_kept) < num_workers:
            _kept.append(_Worker(engine._context))
        engine._workers = _kept[:num_workers]

    monkeypatch.setattr(ProcessEngine, "__init__", start)
    monkeypatch.setattr(ProcessEngine, "close", lambda engine: None)
