"""Engines: the same outcomes from this process and from workers, a dead worker among them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from evo_mtl.engines.choice import engines, make_engine
from evo_mtl.engines.jobs import Job, sweep_job, trial_job
from evo_mtl.engines.local import Engine, ProcessEngine, SerialEngine, _Worker
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.errors import EvoMtlError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.plain import plain, restore
from evo_mtl.streams.config import TaskConfig
from evo_mtl.testing.contracts import engines as contract
from evo_mtl.training.sweeps import planned_sweeps


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> contract.Work:
    return contract.work(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def workers(given: contract.Work) -> Iterator[ProcessEngine]:
    engine = ProcessEngine(2, given.site)
    yield engine
    engine.close()


def silent(index: int, seconds: float, spent: Mapping[str, float]) -> None:
    pass


def alone(tried: Sequence[Candidate]) -> list[Job]:
    """A trial job for each candidate."""
    return [trial_job([candidate]) for candidate in tried]


@pytest.fixture(scope="module", params=list(engines))
def engine(request: pytest.FixtureRequest, given: contract.Work) -> Iterator[Engine]:
    """Every registered engine in turn, with one worker; and several processes."""
    made = make_engine(request.param, 2 if request.param == "local" else 1, given.site)
    yield made
    made.close()


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_every_registered_engine_keeps_the_contract(
    engine: Engine, check: Callable[[Engine, contract.Work], None], given: contract.Work
) -> None:
    check(engine, given)


@pytest.mark.parametrize("make", [SerialEngine, partial(ProcessEngine, 1)], ids=["serial", "process"])
def test_closing_an_engine_leaves_nothing_running(
    make: Callable[[Site], Engine], given: contract.Work
) -> None:
    contract.check_closing_leaves_nothing_running(lambda: make(given.site), given)


def test_a_trial_whose_worker_dies_is_done_again_with_the_same_outcome(
    given: contract.Work, workers: ProcessEngine
) -> None:
    plan, tried = given.plan, given.candidates
    before = {child.pid for child in multiprocessing.active_children()}
    victim = workers._workers[0]._process
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join()
    assert workers.run(plan, alone(tried[:2]), silent) == given.alone(plan, alone(tried[:2]))
    assert {child.pid for child in multiprocessing.active_children()} != before


def test_a_job_that_kills_every_worker_gives_nothing_and_the_others_go_on(
    given: contract.Work, workers: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, tried = given.plan, given.candidates
    give = _Worker.give

    def give_and_kill(
        worker: _Worker, site: Site, plan: BenchPlan, job: Job, index: int, attempt: int
    ) -> None:
        give(worker, site, plan, job, index, attempt)
        if index == 0:
            worker._process.kill()

    monkeypatch.setattr(_Worker, "give", give_and_kill)
    results = workers.run(plan, alone([tried[1], tried[0]]), silent)
    assert results == [None, *given.alone(plan, alone(tried[:1]))]


def test_a_plan_and_a_site_come_back_from_json_equal(given: contract.Work) -> None:
    for record in (given.plan, given.site):
        assert restore(type(record), json.loads(json.dumps(plain(record)))) == record


def test_a_plan_and_its_jobs_name_no_path_of_this_machine(given: contract.Work) -> None:
    said = json.dumps([plain(given.plan), given.jobs()])
    assert "/" not in said
    assert str(given.site.folder.parent) in json.dumps(plain(given.site))


def test_two_sites_with_their_own_folders_give_the_same_for_one_plan(
    given: contract.Work, tmp_path: Path, workers: ProcessEngine
) -> None:
    shutil.copytree(given.site.folder, tmp_path / "run")
    data = tmp_path / "elsewhere.npz"
    shutil.copyfile(given.site.tasks[given.plan.digest].source.removeprefix("npz:"), data)
    config = TaskConfig(
        name="squares", source=f"npz:{data}", validation=given.site.tasks[given.plan.digest].validation
    )
    engine = SerialEngine(
        Site(tmp_path / "run", tmp_path / "cache", 2**28, tasks={given.plan.digest: config})
    )
    found = engine.run(given.plan, given.jobs()[:2], silent)
    assert found == workers.run(given.plan, given.jobs()[:2], silent)
    assert list((tmp_path / "cache").rglob("*.npy"))


def test_a_worker_is_told_the_site_once_and_again_when_a_task_has_come(
    given: contract.Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, told = given.site.copy(), []
    engine = ProcessEngine(1, site)
    sent = Connection.send_bytes

    def send_bytes(connection: Connection, message: bytes) -> None:
        told.append(json.loads(message)["site"])
        sent(connection, message)

    monkeypatch.setattr(Connection, "send_bytes", send_bytes)
    try:
        engine.run(given.plan, given.jobs()[:2], silent)
        site.add("2" * 64, given.later)
        engine.run(given.plan, given.jobs()[:2], silent)
    finally:
        engine.close()
    assert [None if one is None else len(one["tasks"]) for one in told] == [2, None, 3, None]


def test_a_generation_finds_every_frontier_that_its_passes_have_made(
    given: contract.Work, tmp_path: Path
) -> None:
    plan, tried = given.plan, given.candidates
    engine = SerialEngine(replace(given.site, cache=tmp_path / "cache"))
    passes = planned_sweeps(tried[:2])
    engine.run(plan, [sweep_job(one, tried) for one in passes], silent)
    made = sorted((tmp_path / "cache").rglob("*.npy"))
    without = given.alone(plan, alone(tried[:2]))
    assert engine.run(plan, alone(tried[:2]), silent) == without
    assert sorted((tmp_path / "cache").rglob("*.npy")) == made


def test_jobs_after_one_that_raised_get_their_own_answers(
    given: contract.Work,
) -> None:
    plan, tried = given.plan, given.candidates
    engine = ProcessEngine(2, given.site)
    try:
        with pytest.raises(EvoMtlError, match="a job broke off"):
            engine.run(plan, [{"kind": "no such kind"}, *alone(tried[:1])], silent)
        found = engine.run(plan, alone(tried[1:2]), silent)
        assert found == given.alone(plan, alone(tried[1:2]))
    finally:
        engine.close()
