"""All detectors on the same streams, as one table."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from boundaries.detectors import Detector, detectors
from boundaries.sets import Rows, read_sets
from boundaries.streams import Found, Stream, by_class, cut_by_classes, endless, sequential

KINDS = ("sets", "parts of a set", "sorted by class", "one set alone")
HEAD = (
    "| detector | batch | "
    + " | ".join(f"{kind}: missed, delay, false" for kind in KINDS[:3])
    + f" | {KINDS[3]}: false | ms a batch |\n|---|---|---|---|---|---|---|"
)


def table(options: argparse.Namespace) -> str:
    """Reads the sets, runs the streams, and gives the table; delays are ``mean (longest)`` in batches."""
    sets, widths = read_sets(options.data, options.sets, options.limit, options.size)
    lines = [HEAD]
    for size in options.batches:
        for name, make in detectors().items():
            lines.append(_row(name, lambda make=make: make(widths), sets, size, options))
    return "\n".join(lines)


def _row(
    name: str, make: Callable[[], Detector], sets: Sequence[Rows], size: int, options: argparse.Namespace
) -> str:
    found = {kind: Found() for kind in KINDS}
    started = time.process_time()
    for kind, stream in _streams(sets, size, options):
        found[kind].watch(make(), stream)
    seconds = time.process_time() - started
    batches = sum(one.batches for one in found.values())
    cells = [_told(found[kind]) for kind in KINDS[:3]] + [_rate(found[KINDS[3]])]
    return f"| {name} | {size} | {' | '.join(cells)} | {1000 * seconds / batches:.1f} |"


def _streams(sets: Sequence[Rows], size: int, options: argparse.Namespace) -> Iterator[tuple[str, Stream]]:
    """The same for every detector: draws hang on the order's number alone."""
    for order in range(options.orders):
        rng = np.random.default_rng(order)
        tasks = [sets[i] for i in rng.permutation(len(sets))]
        yield KINDS[0], sequential(tasks, options.images, size, rng)
        yield KINDS[2], by_class(tasks, options.images, size, rng)
        for one in sets:
            parts = cut_by_classes(one, options.parts, rng)
            if len(parts) > 1:
                yield KINDS[1], sequential(parts, options.images, size, rng)
    for i, one in enumerate(sets):
        yield KINDS[3], endless(one, options.long, size, np.random.default_rng(i))


def _told(found: Found) -> str:
    delay = f"{np.mean(found.delays):.2f} ({max(found.delays)})" if found.delays else "-"
    return f"{found.missed} of {found.boundaries}, {delay}, {_rate(found)}"


def _rate(found: Found) -> str:
    """False alarms in 1,000 batches."""
    return f"{1000 * found.false / max(found.batches, 1):.1f}"
