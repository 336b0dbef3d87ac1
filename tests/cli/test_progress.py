"""What a search shows while it runs, and the time it says is left."""

from __future__ import annotations

import pytest

from evo_mtl.cli.pace import Pace, Plan
from evo_mtl.cli.progress import Log, StatusLine
from evo_mtl.run.progress import (
    CandidateDone,
    Event,
    GenerationDone,
    GenerationStarted,
    RoundDone,
    TaskDone,
    TaskStarted,
)

PLAN = Plan(seeds=2, generations=1, children=2)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _started(place: int, images: int, tasks: int = 2) -> TaskStarted:
    return TaskStarted(f"task{place}", place, tasks, images, 0, 10, PLAN.generations)


def _generation(number: int, replayed: bool = False) -> GenerationDone:
    return GenerationDone("task0", number, 1, 0, 0.9, 0.8, 5.0, replayed)


def _done(place: int) -> TaskDone:
    return TaskDone(f"task{place}", place, 2, 0.9, 1000, 10_000, 12.0, False)


def _half_a_task(pace: Pace, clock: Clock) -> None:
    """Two of the first task's four candidates, each 5 seconds; a second task of four is to come."""
    for event in (_started(0, 100), GenerationStarted("task0", 0, 2)):
        pace.hear(event)
    for _ in range(2):
        clock.now += 5
        pace.hear(CandidateDone("task0", 0, 0, 5.0))


def test_nothing_is_said_of_the_time_left_before_a_candidate_is_done() -> None:
    clock = Clock()
    pace = Pace(PLAN, clock=clock)
    pace.hear(_started(0, 100))
    pace.hear(GenerationStarted("task0", 0, 2))
    clock.now = 3
    assert pace.left() is None


def test_the_time_left_counts_the_candidates_of_this_task_and_of_the_later_ones() -> None:
    clock = Clock()
    pace = Pace(PLAN, clock=clock)
    _half_a_task(pace, clock)
    assert pace.left() == pytest.approx(5 * (2 + 4))


def test_the_time_left_grows_with_the_images_of_a_task() -> None:
    clock = Clock()
    pace = Pace(PLAN, clock=clock)
    _half_a_task(pace, clock)
    pace.hear(_done(0))
    pace.hear(_started(1, 200))
    assert pace.left() == pytest.approx(4 * 10)


def test_the_time_left_is_at_most_what_the_clock_limit_leaves() -> None:
    clock = Clock()
    pace = Pace(PLAN, minutes=0.25, clock=clock)
    _half_a_task(pace, clock)
    assert pace.left() == pytest.approx(5)


def test_the_time_left_is_at_most_what_the_limit_of_each_task_leaves() -> None:
    clock = Clock()
    pace = Pace(PLAN, minutes_per_task=0.2, clock=clock)
    _half_a_task(pace, clock)
    assert pace.left() == pytest.approx(2 + 12)


def test_generations_from_the_journal_are_neither_tried_again_nor_measured() -> None:
    clock = Clock()
    pace = Pace(PLAN, clock=clock)
    pace.hear(_started(0, 100))
    pace.hear(_generation(0, replayed=True))
    assert pace.tried == 2
    assert pace.left() is None


def test_no_time_is_left_when_the_last_task_is_done() -> None:
    clock = Clock()
    pace = Pace(PLAN, clock=clock)
    _half_a_task(pace, clock)
    pace.hear(_done(1))
    assert pace.left() == 0


def test_the_log_has_a_line_a_generation_with_the_time_left() -> None:
    clock = Clock()
    lines: list[str] = []
    log = Log(Pace(PLAN, clock=clock))
    events: list[Event] = [_started(0, 100), GenerationStarted("task0", 0, 2)]
    for event in events:
        log.hear(event, lines.append)
    clock.now = 10
    for event in (
        CandidateDone("task0", 0, 0, 5.0),
        CandidateDone("task0", 0, 1, 5.0),
        _generation(0),
        _done(0),
    ):
        log.hear(event, lines.append)
    assert lines == [
        "task 1/2 task0: 10 classes, 100 examples, each once",
        "  generation 0/1: best 0.9000 (score 0.8000), 1 admitted, 5.0 s, about 0:30 left",
        "task 1/2 task0: archived after 0:12, validation 0.9000, 1.00k parameters added (10.0% of the trunk)",
    ]


def test_the_status_line_tells_task_generation_candidates_best_and_times() -> None:
    clock = Clock()
    line = StatusLine(Pace(PLAN, clock=clock), PLAN)
    for event in (_started(0, 100), GenerationStarted("task0", 0, 2)):
        line.hear(event, lambda text: None)
    clock.now = 10
    for event in (CandidateDone("task0", 0, 0, 5.0), CandidateDone("task0", 0, 1, 5.0), _generation(0)):
        line.hear(event, lambda text: None)
    line.hear(GenerationStarted("task0", 1, 2), lambda text: None)
    assert line.text == (
        "task 1/2 task0 · generation 1/1 · 2/4 candidates · best 0.9000 · 0:10 gone · about 0:30 left"
    )


def test_a_race_has_a_line_a_round() -> None:
    said: list[str] = []
    log = Log(Pace(PLAN, clock=Clock()))
    log.hear(TaskStarted("signs", 0, 1, 0, 0, 4, 0), said.append)
    log.hear(TaskStarted("signs", 0, 1, 300, 0, 4, 0), said.append)
    log.hear(RoundDone("signs", 256, 0.5, "tune", 0.625, 1, 2, 3.0), said.append)
    assert said == [
        "task 1/1 signs: 4 classes, a stream",
        "task 1/1 signs: 4 classes, 300 examples, each once",
        "  signs: 256 examples, 0.5000 of them answered rightly; tune leads with 0.6250, 1 left, 2 joined, 3.0 s",
    ]
