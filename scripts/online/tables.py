"""The tables of the comparison, in plain text or in Markdown."""

from __future__ import annotations

import math

import numpy as np
from search.drawing import Draw, markdown
from search.intervals import Interval

from evo_mtl.cli.text import short, table
from online.results import Results

HEAD = ("method", "n", "end accuracy", "MAIN minus it, points (95 %)", "prequential", "forgetting")
COSTS = ("stored examples", "added parameters", "processor s", "peak MB")


def everything(results: Results, as_markdown: bool) -> str:
    """All tables that have something to say."""
    draw: Draw = markdown if as_markdown else lambda head, rows: table(head, rows)
    parts = []
    for order in results.orders:
        parts.append((f"{order.capitalize()}: mean over sets and repeats", in_order(results, order, draw)))
        parts.append((f"{order.capitalize()}: end accuracy by set", by_set(results, order, draw)))
    parts.append(("Orders, in points: the first minus the other", between_orders(results, draw)))
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts if text)


def in_order(results: Results, order: str, draw: Draw) -> str:
    """A line a method: what it reached, what it forgot, what it took."""
    several = any(len({p for p, _ in results.rows(name, order)}) > 1 for name in results.methods(order))
    head = [word.replace("MAIN", results.main) for word in HEAD]
    head[3:3] = ["of the worst order of sets"] if several else []
    lines = []
    for name in results.methods(order):
        gain = results.difference((results.main, order), (name, order))
        line = [name, str(len(results.rows(name, order))), share(_mean(results, name, order, "accuracy"))]
        line += [share(results.worst(name, order))] if several else []
        line += ["" if name == results.main else points(gain)]
        line += [share(_mean(results, name, order, "prequential"))]
        line += [number(results.mean(name, order, "forgetting"), 4)]
        line += [number(results.mean(name, order, "stored_examples"), 0)]
        added = results.mean(name, order, "added_parameters")
        line += [short(added) if math.isfinite(added) else "-"]
        line += [number(results.mean(name, order, "cpu_seconds"), 0)]
        line += [number(results.mean(name, order, "peak_memory") / 1e6, 0)]
        lines.append(line)
    return draw([*head, *COSTS], lines)


def by_set(results: Results, order: str, draw: Draw) -> str:
    """A line a method, a column a set."""
    lines = []
    for name in results.methods(order):
        found = results.on_sets(name, order, "accuracy").mean(0)
        lines.append([name, *(share(float(one)) for one in found), share(float(found.mean()))])
    return draw(["method", *results.sets, "mean"], lines)


def between_orders(results: Results, draw: Draw) -> str:
    """A line for each method that has rows in several orders: by how much the first order is above each other one."""
    if len(results.orders) < 2:
        return ""
    first, *others = results.orders
    lines = []
    for name in results.methods(first):
        if results.is_offline(name):
            continue
        gains = [results.difference((name, first), (name, other)) for other in others]
        if any(gain.count for gain in gains):
            lines.append([name, *map(points, gains)])
    return draw(["method", *(f"{first} minus {other}" for other in others)], lines) if lines else ""


def _mean(results: Results, method: str, order: str, key: str) -> float:
    found = results.on_sets(method, order, key)
    return float(np.mean(found)) if found.size else float("nan")


def points(interval: Interval) -> str:
    """A difference in points with its interval, and the repeats it rests on."""
    if interval.count == 0:
        return "-"
    ends = f" [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}]" if interval.known else ""
    return f"{100 * interval.mean:+.2f}{ends} n={interval.count}"


def share(value: float) -> str:
    """An accuracy."""
    return f"{value:.4f}" if math.isfinite(value) else "-"


def number(value: float, digits: int) -> str:
    """A number, or a dash."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
