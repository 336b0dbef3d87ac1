"""What an engine keeps to: a tiny task tried for real, so a few seconds and what starting the engine takes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo_mtl.engines.jobs import Job, trial_job
from evo_mtl.engines.local import Engine, SerialEngine
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.errors import InputError
from evo_mtl.evolution.candidate import DRAW, Candidate
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import read_space
from evo_mtl.streams.config import TaskConfig, read_stream
from evo_mtl.streams.task import open_task
from evo_mtl.testing.worlds import a_trunk, write_space, write_stream

CHANGED, UNKNOWN = "0" * 64, "1" * 64
"""Digests of no data: under the first there are some all the same."""


@dataclass(frozen=True)
class Work:
    """What an engine is given here.

    Attributes:
        site: With which the engine is made: it knows the plan's data, and other data under :data:`CHANGED`.
        plan: Of a task of coloured squares.
        later: A task of which the site knows nothing yet.
        candidates: Two that can be trained and a third that diverges.
    """

    site: Site
    plan: BenchPlan
    later: TaskConfig
    candidates: tuple[Candidate, ...]

    def alone(self, plan: BenchPlan, jobs: Sequence[Job]) -> list[Any]:
        """What jobs give in this process, one after another."""
        engine = SerialEngine(self.site)
        try:
            return engine.run(plan, jobs, _silent)
        finally:
            engine.close()

    def jobs(self) -> list[Job]:
        """A trial of each candidate."""
        return [trial_job([candidate]) for candidate in self.candidates]


def work(folder: Path) -> Work:
    """Made in a folder, in which nothing may be."""
    _, layout, facts = a_trunk(folder / "run")
    task, later = read_stream(write_stream(folder, ["one", "later"])).tasks
    digest = open_task(task).digest
    plan = BenchPlan(
        seed=0,
        layout=layout,
        task=task.name,
        metric=task.metric,
        digest=digest,
        validations=2,
        sizes=(32,),
        threads=1,
        device="cpu",
    )
    space = read_space(str(write_space(folder)))
    genomes = [seed_genome(seed, space, facts) for seed in space.seeds]
    genomes.append(genomes[1].with_values({"learning_rate": 1e25, "warmup_share": 0.0, "epochs": 4}))
    site = Site(folder / "run", folder / "cache", 2**28, tasks={digest: task, CHANGED: task})
    return Work(
        site,
        plan,
        later,
        tuple(Candidate("one", 0, i, None, DRAW, genome) for i, genome in enumerate(genomes)),
    )


def _silent(index: int, seconds: float, spent: Mapping[str, float]) -> None:
    pass


def check_outcomes_are_those_of_this_process_in_the_order_of_the_jobs(engine: Engine, given: Work) -> None:
    """Whoever does a job and whenever; a candidate that diverges is an outcome like the others."""
    found = engine.run(given.plan, given.jobs(), _silent)
    assert found == given.alone(given.plan, given.jobs())
    assert json.loads(json.dumps(found)) == found, "outcomes are plain data"
    assert engine.run(given.plan, given.jobs()[::-1], _silent) == found[::-1]


def check_each_job_is_heard_of_once(engine: Engine, given: Work) -> None:
    """By its index, with its seconds by the clock and by kind of work."""
    heard: dict[int, float] = {}

    def hear(index: int, seconds: float, spent: Mapping[str, float]) -> None:
        assert index not in heard, f"job {index} was heard of twice"
        assert all(value >= 0 for value in spent.values())
        heard[index] = seconds

    engine.run(given.plan, given.jobs(), hear)
    assert sorted(heard) == list(range(len(given.candidates)))
    assert all(seconds >= 0 for seconds in heard.values())


def check_no_jobs_give_nothing(engine: Engine, given: Work) -> None:
    """And are no reason to wait."""
    assert engine.run(given.plan, [], _silent) == []


def check_another_plan_in_between_changes_nothing(engine: Engine, given: Work) -> None:
    """What is kept of one task's images and activations does not leak into another's."""
    first = engine.run(given.plan, given.jobs()[:2], _silent)
    other = replace(given.plan, validation=(0, 1, 2, 3, 4))
    assert engine.run(other, given.jobs()[:2], _silent) == given.alone(other, given.jobs()[:2]) != first
    assert engine.run(given.plan, given.jobs()[:2], _silent) == first


def check_wrong_input_is_handed_on_in_one_line_and_the_next_jobs_are_done(
    engine: Engine, given: Work
) -> None:
    """Data that changed under the engine, or that nobody has: an error about what was handed in, naming the task."""
    for digest in (CHANGED, UNKNOWN):
        said = None
        try:
            engine.run(replace(given.plan, digest=digest), given.jobs()[:1], _silent)
        except InputError as error:
            said = str(error)
        assert said is not None, "data that changed passed unseen"
        assert given.plan.task in said
        assert "\n" not in said
    assert engine.run(given.plan, given.jobs()[:1], _silent) == given.alone(given.plan, given.jobs()[:1])


def check_a_task_that_comes_later_is_found(engine: Engine, given: Work) -> None:
    """The site grows while the engine is there."""
    jobs, came = given.jobs()[:1], replace(given.plan, task="later", digest=open_task(given.later).digest)
    engine.run(given.plan, jobs, _silent)
    given.site.add(came.digest, given.later)
    try:
        assert engine.run(came, jobs, _silent) == given.alone(came, jobs)
    finally:
        del given.site.tasks[came.digest]


def check_two_names_for_the_same_data_are_two_tasks(engine: Engine, given: Work) -> None:
    """What a task is called and judged by is the plan's: its draws are made at addresses with its name."""
    jobs, other = given.jobs()[:2], replace(given.plan, task="other")
    assert engine.run(other, jobs, _silent) == given.alone(other, jobs)
    assert engine.run(given.plan, jobs, _silent) == given.alone(given.plan, jobs)


def check_a_fault_of_the_program_ends_the_run_and_does_not_pass_for_a_failed_candidate(
    engine: Engine, given: Work
) -> None:
    """A genome without hyperparameters: whatever is raised, it is no outcome and not wrong input."""
    whole = given.candidates[1]
    faulty = replace(whole, genome=replace(whole.genome, hyperparameters=()))
    raised = None
    try:
        engine.run(given.plan, [trial_job([faulty])], _silent)
    except Exception as error:
        raised = error
    assert raised is not None, "a fault passed for an outcome"
    assert not isinstance(raised, InputError)
    assert engine.run(given.plan, given.jobs()[:1], _silent) == given.alone(given.plan, given.jobs()[:1])


def check_closing_leaves_nothing_running(make: Callable[[], Engine], given: Work) -> None:
    """In this process's charge, that is; an engine that never did anything can be closed, and closed again."""
    before = set(multiprocessing.active_children())
    for jobs in ([], given.jobs()[:1]):
        engine = make()
        engine.run(given.plan, jobs, _silent)
        engine.close()
        engine.close()
        assert set(multiprocessing.active_children()) == before, "processes are left"


CHECKS: tuple[Callable[[Engine, Work], None], ...] = (
    check_outcomes_are_those_of_this_process_in_the_order_of_the_jobs,
    check_each_job_is_heard_of_once,
    check_no_jobs_give_nothing,
    check_another_plan_in_between_changes_nothing,
    check_wrong_input_is_handed_on_in_one_line_and_the_next_jobs_are_done,
    check_a_task_that_comes_later_is_found,
    check_two_names_for_the_same_data_are_two_tasks,
    check_a_fault_of_the_program_ends_the_run_and_does_not_pass_for_a_failed_candidate,
)
"""Each with an engine, which they may share, and :func:`work`."""
