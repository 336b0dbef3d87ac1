"""What was expected, each expectation met, not met or open, with its figures."""

from __future__ import annotations

from collections.abc import Iterator

from search.intervals import Interval

from online.results import Results
from online.tables import points

MET, NOT_MET, OPEN = "met", "NOT MET", "open"
ABOVE = (("depth_ridge", 0.02), ("fixed_split", 0.20))
"""By how much the main method was expected to be above others on the mean."""
BELOW_SEQUENTIAL = 0.01


def verdicts(results: Results) -> str:
    """A line an expectation."""
    return "\n".join(f"{verdict:<8} {text}" for verdict, text in _all(results))


def _all(results: Results) -> Iterator[tuple[str, str]]:
    main = results.main
    for order in results.orders:
        rows = list(results.rows(main, order).values())
        changed = [
            f"{name} (repeat {row['permutation']}, seed {row['seed']})"
            for row in rows
            for name in results.sets
            if not row["sets"][name]["logits_unchanged"]
        ]
        lost = [row["forgetting"] for row in rows if row["forgetting"] is not None]
        verdict = OPEN if not lost and not changed else NOT_MET if changed or any(lost) else MET
        said = (
            f"changed: {', '.join(changed)}"
            if changed
            else f"{len(rows)} runs, every logit as it was archived"
        )
        yield verdict, f"{order}: {main} forgets exactly nothing: {said if rows else 'no rows'}"
        ridge = results.difference((main, order), ("depth_ridge", order))
        verdict = OPEN if not ridge.known else NOT_MET if ridge.high < 0 else MET
        yield verdict, f"{order}: {main} not below depth_ridge by its interval: {points(ridge)}"
        for name, least in ABOVE:
            gain = results.difference((main, order), (name, order))
            text = f"{order}: {main} above {name} by at least {100 * least:.0f} points: {points(gain)}"
            yield _at_least(gain, least), text
    if {"sequential", "mixed"} <= set(results.orders):
        loss = results.difference((main, "mixed"), (main, "sequential"))
        said = f"{main}: mixed at most {100 * BELOW_SEQUENTIAL:.0f} point below sequential: {points(loss)}"
        yield _at_least(loss, -BELOW_SEQUENTIAL), said


def _at_least(gain: Interval, least: float) -> str:
    return OPEN if gain.count == 0 else MET if gain.mean >= least else NOT_MET
