"""Engines: the same outcomes from this process and from workers, a dead worker among them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.engines.jobs import Job, pass_job, trial_job
from evo_mtl.engines.local import ProcessEngine, SerialEngine, _Worker
from evo_mtl.engines.workbench import BenchPlan, plan_from_json
from evo_mtl.errors import DataError, EvoMtlError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import TrunkFacts, read_space
from evo_mtl.streams.config import read_stream
from evo_mtl.streams.task import open_task
from evo_mtl.testing.worlds import a_trunk, write_space, write_stream
from evo_mtl.training.passes import planned_passes


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
        sizes=(32,),
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


def silent(place: int, seconds: float, spent: Mapping[str, float]) -> None:
    pass


def alone(tried: Sequence[Candidate]) -> list[Job]:
    """A trial job for each candidate."""
    return [trial_job([candidate]) for candidate in tried]


def test_workers_give_the_outcomes_of_this_process_in_the_order_of_the_candidates(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine
) -> None:
    plan, tried = world
    heard: list[int] = []
    serial = SerialEngine().run(plan, alone(tried), lambda place, seconds, spent: heard.append(place))
    assert heard == [0, 1, 2]
    parallel = workers.run(plan, alone(tried), lambda place, seconds, spent: heard.append(place))
    assert parallel == serial
    assert sorted(heard[3:]) == [0, 1, 2]
    assert [outcome["status"]["ended"] for [outcome] in serial[:2]] == ["ok", "ok"]
    assert serial[2][0]["status"]["ended"] == "failed"


def test_a_trial_whose_worker_dies_is_done_again_with_the_same_outcome(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine
) -> None:
    plan, tried = world
    before = {child.pid for child in multiprocessing.active_children()}
    victim = workers._workers[0]._process
    os.kill(victim.pid or 0, signal.SIGKILL)
    victim.join()
    assert workers.run(plan, alone(tried[:2]), silent) == SerialEngine().run(plan, alone(tried[:2]), silent)
    assert {child.pid for child in multiprocessing.active_children()} != before


def test_a_job_that_kills_every_worker_gives_nothing_and_the_others_go_on(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine, monkeypatch: pytest.MonkeyPatch
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


def test_a_fault_of_the_program_ends_the_search_and_does_not_pass_for_a_failed_candidate(
    world: tuple[BenchPlan, list[Candidate]],
) -> None:
    plan, tried = world
    faulty = replace(tried[1], genome=replace(tried[1].genome, hyperparameters=()))
    with pytest.raises(KeyError):
        SerialEngine().run(plan, alone([faulty]), silent)
    engine = ProcessEngine(1)
    try:
        with pytest.raises(EvoMtlError, match="a job broke off"):
            engine.run(plan, alone([faulty]), silent)
    finally:
        engine.close()


def test_data_that_changed_under_the_workers_is_an_error_with_its_task(
    world: tuple[BenchPlan, list[Candidate]], workers: ProcessEngine
) -> None:
    plan, tried = world
    for engine in (SerialEngine(), workers):
        with pytest.raises(DataError, match="task one: the data changed"):
            engine.run(replace(plan, digest="0" * 64), alone(tried[:1]), silent)


def test_closing_ends_every_worker(world: tuple[BenchPlan, list[Candidate]]) -> None:
    engine = ProcessEngine(1)
    process = engine._workers[0]._process
    engine.close()
    assert not process.is_alive()


def test_a_plan_comes_back_from_json_equal(world: tuple[BenchPlan, list[Candidate]]) -> None:
    plan, _ = world
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_generation_finds_every_frontier_that_its_passes_have_made(
    world: tuple[BenchPlan, list[Candidate]], tmp_path: Path
) -> None:
    plan, tried = world
    fresh = replace(plan, cache=str(tmp_path / "cache"))
    engine = SerialEngine()
    passes = planned_passes(tried[:2])
    engine.run(fresh, [pass_job(one, tried) for one in passes], silent)
    made = sorted((tmp_path / "cache").rglob("*.npy"))
    without = SerialEngine().run(plan, alone(tried[:2]), silent)
    assert engine.run(fresh, alone(tried[:2]), silent) == without
    assert sorted((tmp_path / "cache").rglob("*.npy")) == made
