"""Engines: the same outcomes from this process and from workers, a dead worker among them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.engines.local import MAX_ATTEMPTS, ProcessEngine, SerialEngine, _Worker
from evo_mtl.engines.workbench import BenchPlan, plan_from_json
from evo_mtl.errors import DataError, EvoMtlError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import TrunkFacts, read_space
from evo_mtl.streams.config import read_stream
from evo_mtl.streams.task import open_task
from evo_mtl.testing.worlds import a_trunk, write_space, write_stream


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchPlan, list[Candidate]]:
    """A plan and three candidates, the last of which diverges."""
    folder = tmp_path_factory.mktemp("engines")
    _, layout, facts = a_trunk(folder / "run")
    task = read_stream(write_stream(folder, ["one"])).tasks[0]
    plan = BenchPlan(
        folder=str(folder / "run"),
        cache=str(folder / "cache"),
        cache_bytes=2**28,
        seed=0,
        layout=layout,
        task=task,
        digest=open_task(task).digest,
        validations=2,
        threads=1,
        device="cpu",
    )
    return plan, candidates(folder, facts)


def candidates(folder: Path, facts: TrunkFacts) -> list[Candidate]:
    space = read_space(str(write_space(folder)))
    genomes = [seed_genome(seed, space, facts) for seed in space.seeds]
    genomes.append(genomes[1].with_values({"learning_rate": 1e25, "warmup_share": 0.0, "epochs": 4}))
    return [Candidate("one", 0, i, None, "a", genome) for i, genome in enumerate(genomes)]


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessEngine]:
    engine = ProcessEngine(2)
    yield engine
    engine.close()


def silent(place: int, seconds: float) -> None:
    pass


def test_workers_give_the_outcomes_of_this_process_in_the_order_of_the_candidates(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine
) -> None:
    plan, tried = world
    heard: list[int] = []
    serial = SerialEngine().run(plan, tried, lambda place, seconds: heard.append(place))
    assert heard == [0, 1, 2]
    parallel = workers.run(plan, tried, lambda place, seconds: heard.append(place))
    assert parallel == serial
    assert sorted(heard[3:]) == [0, 1, 2]
    assert [outcome["status"] for outcome in serial[:2]] == ["ok", "ok"]
    assert serial[2]["status"].startswith("failed: ")


def test_a_trial_whose_worker_dies_is_done_again_with_the_same_outcome(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine
) -> None:
    plan, tried = world
    before = {child.pid for child in multiprocessing.active_children()}
    victim = workers._workers[0]._process
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join()
    assert workers.run(plan, tried[:2], silent) == SerialEngine().run(plan, tried[:2], silent)
    assert {child.pid for child in multiprocessing.active_children()} != before


def test_a_candidate_that_kills_every_worker_fails_and_the_others_go_on(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, tried = world
    give = _Worker.give

    def give_and_kill(
        worker: _Worker, plan: BenchPlan, candidate: Candidate, place: int, attempt: int
    ) -> None:
        give(worker, plan, candidate, place, attempt)
        if place == 0:
            worker._process.kill()

    monkeypatch.setattr(_Worker, "give", give_and_kill)
    outcomes = workers.run(plan, [tried[1], tried[0]], silent)
    assert outcomes[0]["status"] == f"failed: its worker died {MAX_ATTEMPTS} times"
    assert outcomes[1] == SerialEngine().run(plan, tried[:1], silent)[0]


def test_a_fault_of_the_program_ends_the_search_and_does_not_pass_for_a_failed_candidate(
    world: tuple[BenchPlan, list[Candidate]],
) -> None:
    plan, tried = world
    faulty = replace(tried[1], genome=replace(tried[1].genome, hyperparameters=()))
    with pytest.raises(KeyError):
        SerialEngine().run(plan, [faulty], silent)
    engine = ProcessEngine(1)
    try:
        with pytest.raises(EvoMtlError, match="a trial broke off"):
            engine.run(plan, [faulty], silent)
    finally:
        engine.close()


def test_data_that_changed_under_the_workers_is_an_error_with_its_task(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine
) -> None:
    plan, tried = world
    for engine in (SerialEngine(), workers):
        with pytest.raises(DataError, match="task one: the data changed"):
            engine.run(replace(plan, digest="0" * 64), tried[:1], silent)


def test_closing_ends_every_worker(world: tuple[BenchPlan, list[Candidate]]) -> None:
    engine = ProcessEngine(1)
    process = engine._workers[0]._process
    engine.close()
    assert not process.is_alive()


def test_a_plan_comes_back_from_json_equal(world: tuple[BenchPlan, list[Candidate]]) -> None:
    plan, _ = world
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
