"""What was expected of the search, each expectation met, not met or open, with its figures."""

from __future__ import annotations

from collections.abc import Iterator

from search.intervals import Interval
from search.methods import CLOCKED
from search.results import BASELINES, BEST_BASELINE, NO_SEARCH, Results, finite
from search.tables import is_below

MET, NOT_MET, OPEN = "met", "NOT MET", "open"
MOST_ADDED = 0.25
MOST_SECONDS = 60.0
LEAST_TASKS, LEAST_SEEDS = 8, 5


def verdicts(results: Results) -> str:
    """A line an expectation."""
    return "\n".join(f"{verdict:<8} {text}" for verdict, text in _all(results))


def _all(results: Results) -> Iterator[tuple[str, str]]:
    main = results.main
    compared = [name for name in (main, "random", *BASELINES) if name in results.methods]
    seeds = min((len(results.seeds(name)) for name in compared), default=0)
    enough = len(results.tasks) >= LEAST_TASKS and seeds >= LEAST_SEEDS
    yield (
        MET if enough else OPEN,
        f"at least {LEAST_TASKS} tasks and {LEAST_SEEDS} seeds of {', '.join(compared)}: "
        f"{len(results.tasks)} tasks, {seeds} whole seeds",
    )
    for ours, other in ((main, "random"), (main + CLOCKED, "random" + CLOCKED), (main, NO_SEARCH)):
        interval, told = _difference(results, ours, other)
        yield _above(interval), f"{ours} above {other}, interval without 0: {told}"
    interval, told = _difference(results, main, "fine_tuning")
    verdict = OPEN if not interval.known else MET if interval.high >= 0 else NOT_MET
    yield verdict, f"{main} not below tuned fine-tuning on the mean: {told}"
    share = results.added_share(main)
    verdict = OPEN if not finite(share) else MET if share < MOST_ADDED else NOT_MET
    yield (
        verdict,
        f"fewer than {MOST_ADDED:.0%} of the trunk's parameters added a task: {share:.1%} on average",
    )
    yield _per_task(results)
    seconds = results.mean(main, "cpu_seconds")
    verdict = OPEN if not finite(seconds) else MET if seconds <= MOST_SECONDS * 2 else NOT_MET
    yield verdict, f"a task costs at most about a minute of two cores: {seconds:.0f} s of one on average"


def _difference(results: Results, first: str, second: str) -> tuple[Interval, str]:
    found = results.difference(first, second)
    interval = found.interval
    if interval.count == 0:
        return interval, "no rows of both"
    ends = f"[{100 * interval.low:+.2f}, {100 * interval.high:+.2f}], " if interval.known else ""
    return interval, (
        f"{100 * interval.mean:+.2f} points, {ends}n={interval.count} seeds, {found.num_tasks} tasks"
    )


def _above(interval: Interval) -> str:
    return OPEN if not interval.known else MET if interval.low > 0 else NOT_MET


def _per_task(results: Results) -> tuple[str, str]:
    said = "no task wholly more than 1 point below the best baseline chosen on validation"
    if BEST_BASELINE not in results.methods or results.main not in results.methods:
        return OPEN, f"{said}: no rows of both"
    found = {task: results.on_task(results.main, BEST_BASELINE, task) for task in results.tasks}
    below = [
        f"{task} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"
        for task, one in found.items()
        if is_below(one)
    ]
    missing = [task for task, one in found.items() if one.count == 0]
    told = f"below on {', '.join(below)}" if below else "none is"
    if missing:
        told += f"; nothing known of {', '.join(missing)}"
    return NOT_MET if below else OPEN if missing else MET, f"{said}: {told}"
