"""Engines: the same outcomes from this process and from workers, a dead worker among them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.engines.choice import engines, make_engine
from evo_mtl.engines.jobs import Job, sweep_job, trial_job
from evo_mtl.engines.local import Engine, ProcessEngine, SerialEngine, _Worker
from evo_mtl.engines.workbench import BenchPlan, plan_from_json
from evo_mtl.errors import EvoMtlError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.testing.contracts import engines as contract
from evo_mtl.training.sweeps import planned_sweeps


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> contract.Work:
    return contract.work(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module")
def world(given: contract.Work) -> tuple[BenchPlan, tuple[Candidate, ...]]:
    """A plan and three candidates, the last of which diverges."""
    return given.plan, given.candidates


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessEngine]:
    engine = ProcessEngine(2)
    yield engine
    engine.close()


def silent(place: int, seconds: float, spent: Mapping[str, float]) -> None:
    pass


def alone(tried: Sequence[Candidate]) -> list[Job]:
    """A trial job for each candidate."""
    return [trial_job([candidate]) for candidate in tried]


@pytest.fixture(scope="module", params=list(engines))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Every registered engine in turn, with one worker; and several processes."""
    made = make_engine(request.param, 2 if request.param == "local" else 1)
    yield made
    made.close()


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_every_registered_engine_keeps_the_contract(
    engine: Engine, check: Callable[[Engine, contract.Work], None], given: contract.Work
) -> None:
    check(engine, given)


@pytest.mark.parametrize("make", [SerialEngine, lambda: ProcessEngine(1)], ids=["serial", "process"])
def test_closing_an_engine_leaves_nothing_running(make: Callable[[], Engine], given: contract.Work) -> None:
    contract.check_closing_leaves_nothing_running(make, given)


def test_a_trial_whose_worker_dies_is_done_again_with_the_same_outcome(
    world: tuple[BenchPlan, tuple[Candidate, ...]], workers: ProcessEngine
) -> None:
    plan, tried = world
    before = {child.pid for child in multiprocessing.active_children()}
    victim = workers._workers[0]._process
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join()
    assert workers.run(plan, alone(tried[:2]), silent) == SerialEngine().run(plan, alone(tried[:2]), silent)
    assert {child.pid for child in multiprocessing.active_children()} != before


def test_a_job_that_kills_every_worker_gives_nothing_and_the_others_go_on(
    world: tuple[BenchPlan, tuple[Candidate, ...]], workers: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, tried = world
    give = _Worker.give

    def give_and_kill(worker: _Worker, plan: BenchPlan, job: Job, place: int, attempt: int) -> None:
        give(worker, plan, job, place, attempt)
        if place == 0:
            worker._process.kill()

    monkeypatch.setattr(_Worker, "give", give_and_kill)
    results = workers.run(plan, alone([tried[1], tried[0]]), silent)
    assert results == [None, *SerialEngine().run(plan, alone(tried[:1]), silent)]


def test_a_plan_comes_back_from_json_equal(world: tuple[BenchPlan, tuple[Candidate, ...]]) -> None:
    plan, _ = world
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_generation_finds_every_frontier_that_its_passes_have_made(
    world: tuple[BenchPlan, tuple[Candidate, ...]], tmp_path: Path
) -> None:
    plan, tried = world
    fresh = replace(plan, cache=str(tmp_path / "cache"))
    engine = SerialEngine()
    passes = planned_sweeps(tried[:2])
    engine.run(fresh, [sweep_job(one, tried) for one in passes], silent)
    made = sorted((tmp_path / "cache").rglob("*.npy"))
    without = SerialEngine().run(plan, alone(tried[:2]), silent)
    assert engine.run(fresh, alone(tried[:2]), silent) == without
    assert sorted((tmp_path / "cache").rglob("*.npy")) == made


def test_jobs_after_one_that_raised_get_their_own_answers(
    world: tuple[BenchPlan, tuple[Candidate, ...]],
) -> None:
    plan, tried = world
    engine = ProcessEngine(2)
    try:
        with pytest.raises(EvoMtlError, match="a job broke off"):
            engine.run(plan, [{"kind": "no such kind"}, *alone(tried[:1])], silent)
        found = engine.run(plan, alone(tried[1:2]), silent)
        assert found == SerialEngine().run(plan, alone(tried[1:2]), silent)
    finally:
        engine.close()
