"""The thesis' findings, each confirmed, refuted or inconclusive by paired differences.

*Confirmed*: the whole 95 % interval of the difference is on the side that the thesis says. *Refuted*: it is wholly on
the other. Of a claim that something makes little difference: every interval within two points, or one wholly outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from search.intervals import Interval

from thesis.asked import MAIN_RATE, MIXED_BATCH, SETS, Cell
from thesis.results import Pair, Results, interval, published, published_results
from thesis.splits import BEST, SPLITS

CONFIRMED, REFUTED, INCONCLUSIVE, OPEN = "confirmed", "refuted", "inconclusive", "no rows"
LITTLE = 2.0
"""Points that are little."""
LARGE, SMALL = 256, 64
"""The thesis' batches B1 and B2."""

THINNER = (("4-2.5-4.8", "4-4.8-2.4"), ("3-1-7.2", "3-3.5-4.8"))
"""Splits with the same frozen start: the second has the thinner own end."""
DEEPER = (("4-4.8-2.4", "6.5-2.3-2.4"), ("3-3.5-4.8", "4-2.5-4.8"))
"""Splits with the same own end: the second has the deeper frozen start."""


@dataclass(frozen=True)
class Finding:
    """A claim, and the differences that decide it.

    Attributes:
        claim: In words; quotation marks where the words are the thesis'.
        pairs: Compared cells: the difference is expected to be above 0.
        figure: Of results.
        sets: Of which it is taken.
        little: Whether the claim is that no difference is large, each pair of settings by itself.
        ours: Whether it is not the thesis' but ours.
    """

    claim: str
    pairs: tuple[Pair, ...]
    figure: str
    sets: tuple[str, ...] = SETS
    little: bool = False
    ours: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the rows say of a finding.

    Attributes:
        finding: Of which.
        word: Confirmed, refuted, inconclusive, or that there are no rows.
        gain: The difference in points; of a claim of little difference the largest one.
        pairs: Compared pairs that it rests on.
        thesis: The same difference in the thesis' own table; not a number where it has none.
    """

    finding: Finding
    word: str
    gain: Interval
    pairs: int
    thesis: float


def findings(results: Results) -> list[Finding]:
    """All, with the pairs of which there may be rows."""
    main = [cell for cell in results.cells if cell.order == "sequential" and cell.norm == "train"]
    at = [Cell("sequential", split, batch) for split in SPLITS for batch in (LARGE, SMALL)]

    def of_splits(splits: Sequence[tuple[str, str]]) -> tuple[Pair, ...]:
        return tuple(
            (Cell("sequential", a, batch), Cell("sequential", b, batch))
            for a, b in splits
            for batch in (LARGE, SMALL)
        )

    def of_rates(keep: Callable[[Cell], bool]) -> tuple[Pair, ...]:
        """The highest rate against the lowest, of each split and batch."""
        found = []
        for cell in at:
            rates = [one.rate for one in main if replace(one, rate=cell.rate) == cell]
            if keep(cell) and len(rates) > 1:
                found.append((replace(cell, rate=max(rates)), replace(cell, rate=min(rates))))
        return tuple(found)

    def of_any_rate(keep: Callable[[Cell], bool]) -> tuple[Pair, ...]:
        """Every rate against the main one."""
        others = [one for one in main if keep(one) and one.rate != MAIN_RATE]
        return tuple((one, replace(one, rate=MAIN_RATE)) for one in others)

    smaller = tuple((Cell("sequential", s, SMALL), Cell("sequential", s, LARGE)) for s in SPLITS)
    orders = tuple((Cell("sequential", s, LARGE), Cell("mixed", s, MIXED_BATCH)) for s in BEST)
    control = tuple((Cell("sequential", s, MIXED_BATCH), Cell("mixed", s, MIXED_BATCH)) for s in BEST)
    others = [split for split in SPLITS if split not in BEST]
    initial = tuple(
        (Cell("sequential", s, batch), Cell("sequential", other, batch))
        for s in BEST
        for other in others
        for batch in (LARGE, SMALL)
    )
    norms = tuple((cell, replace(cell, norm="eval")) for cell in at)
    return [
        Finding(
            '"thinner task-specific layers experienced less forgetting"', of_splits(THINNER), "forgotten"
        ),
        Finding("a deeper frozen start forgets less, with the same own end", of_splits(DEEPER), "forgotten"),
        Finding(
            '6.5-2.3-2.4 is "the best balance": most after all tasks (beside the best of the others)',
            _best_other(results, at),
            "val2",
        ),
        Finding(
            'the last two splits: "superior performance in […] initial learning" (beside the other three)',
            initial,
            "val1",
        ),
        Finding(
            '"Larger batch sizes generally resulted in less forgetting" (64 beside 256)', smaller, "forgotten"
        ),
        Finding(
            '"Higher learning rates with smaller batch sizes led to increased catastrophic forgetting"',
            of_rates(lambda cell: cell.batch == SMALL),
            "forgotten",
        ),
        Finding("a higher LR1 forgets more with batches of 256 too", of_rates(_is_large), "forgotten"),
        Finding(
            'LR1 "had little effect on performance with larger batch sizes" (after all tasks, beside 1e-5)',
            of_any_rate(_is_large),
            "val2",
            little=True,
        ),
        Finding(
            'the last two splits: "remarkable stability" over LR1 (after all tasks, beside 1e-5)',
            of_any_rate(lambda cell: cell.split in BEST and cell.batch in (LARGE, SMALL)),
            "val2",
            little=True,
        ),
        Finding(
            'a higher LR1 brings "improvement in handling newer tasks like CIFAR10 and CIFAR100" (last two splits)',
            of_rates(lambda cell: cell.split in BEST),
            "val1",
            ("cifar10", "cifar100"),
        ),
        Finding(
            "mixed order is harder: CIFAR-10, mixed 512 beside sequential 256", orders, "val2", ("cifar10",)
        ),
        Finding("mixed order is harder: all four sets, the same", orders, "val2"),
        Finding("mixed order is harder: all four sets, both with batches of 512", control, "val2", ours=True),
        Finding(
            "what is forgotten at LR1 = 1e-5 is statistics of the norms: less where they are kept as they were",
            norms,
            "forgotten",
            ours=True,
        ),
    ]


def _is_large(cell: Cell) -> bool:
    return cell.batch == LARGE


def _best_other(results: Results, at: Sequence[Cell]) -> tuple[Pair, ...]:
    """The split that the thesis holds for the best beside the one that is the best of the others here."""
    means: dict[str, list[float]] = {}
    for cell in at:
        if results.seeds(cell):
            means.setdefault(cell.split, []).append(float(results.points(cell, "val2").mean()))
    means.pop(BEST[0], None)
    if not means:
        return ()
    best = max(means, key=lambda split: float(np.mean(means[split])))
    return tuple(
        (Cell("sequential", BEST[0], batch), Cell("sequential", best, batch)) for batch in (LARGE, SMALL)
    )


def verdict(finding: Finding, results: Results) -> Verdict:
    """What the rows say of a finding."""
    told = published_results().gains(finding.pairs, finding.figure, finding.sets)
    thesis = float(told.mean()) if told.size else float("nan")
    there = [pair for pair in finding.pairs if all(results.seeds(cell) for cell in pair)]
    if finding.little:
        gains = [interval(results.gains([pair], finding.figure, finding.sets)) for pair in there]
        gains = [gain for gain in gains if gain.count]
        if not gains:
            return Verdict(finding, OPEN, interval(np.zeros((0, 0))), 0, thesis)
        worst = max(gains, key=lambda gain: abs(gain.mean))
        return Verdict(finding, _little(gains), worst, len(gains), thesis)
    gain = interval(results.gains(there, finding.figure, finding.sets))
    return Verdict(finding, _above(gain), gain, len(there), thesis)


def _above(gain: Interval) -> str:
    if not gain.count:
        return OPEN
    if not gain.known:
        return INCONCLUSIVE
    return CONFIRMED if gain.low > 0 else REFUTED if gain.high < 0 else INCONCLUSIVE


def _little(gains: Sequence[Interval]) -> str:
    if any(gain.known and (gain.low > LITTLE or gain.high < -LITTLE) for gain in gains):
        return REFUTED
    within = all(gain.known and gain.low >= -LITTLE and gain.high <= LITTLE for gain in gains)
    return CONFIRMED if within else INCONCLUSIVE


def report(results: Results) -> str:
    """A line a finding, then where the thesis contradicts itself."""
    found = [verdict(finding, results) for finding in findings(results)]
    lines = [_line(one) for one in found]
    lines += ["", "Where the thesis contradicts itself:"]
    return "\n".join([*lines, *(f"* {text}" for text in published()["contradictions"])])


def _line(one: Verdict) -> str:
    text = f"{one.word:<12} {'(ours) ' if one.finding.ours else ''}{one.finding.claim}"
    if one.word == OPEN:
        return text
    gain, named = one.gain, "largest difference" if one.finding.little else "difference"
    ends = f" [{gain.low:+.1f}, {gain.high:+.1f}]" if gain.known else ""
    counts = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((one.pairs, "pair"), (gain.count, "seed"))]
    thesis = f"; in the thesis' table {one.thesis:+.1f}" if np.isfinite(one.thesis) else ""
    return f"{text}: {named} {gain.mean:+.1f}{ends} points, {', '.join(counts)}{thesis}"
