"""The thesis' table with ours beside it, and what else was measured, in plain text or in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from search.drawing import Draw, markdown

from evo_mtl.cli.text import short, table
from thesis.asked import MAIN_RATE, MIXED_BATCH, SETS, Cell
from thesis.findings import LARGE, SMALL
from thesis.results import Results, published, published_results
from thesis.splits import BEST, SPLITS, cuts_of, resnet_cuts

NAMES = {"mnist": "MNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100", "fmnist": "FMNIST"}
COLUMNS = tuple((batch, key) for batch in (LARGE, SMALL) for key in ("val1", "val2"))


def everything(results: Results, trunk: str, as_markdown: bool) -> str:
    """All tables that have something to say."""
    draw: Draw = markdown if as_markdown else lambda head, rows: table(head, rows)
    parts = [
        ("Shares of parameters, beside those of the thesis' ResNet-18", shares(trunk, draw)),
        ("Table 1 (LR1 = 1e-5, LR2 = 1e-2): ours, and the thesis' in brackets, in %", table_1(results, draw)),
        (
            "Forgotten: mean of Val1 - Val2 over all sets but the last, in points (thesis)",
            forgotten(results, draw),
        ),
        ("Setting 2: accuracy after all tasks, in %", setting_2(results, draw)),
        ("LR1: mean over sets, in %: Val1, Val2, forgotten", rates(results, draw)),
        ("Norms at LR1 = 1e-5: forgotten, in points", norms(results, draw)),
    ]
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts if text)


def shares(trunk: str, draw: Draw) -> str:
    """A line a split: how many parameters are frozen, common, own."""
    lines = []
    for split in SPLITS:
        found, exact = cuts_of(split, trunk), resnet_cuts(split)
        line = [split, f"{found.common}, {found.own}"]
        for ours, count, theirs in zip(found.shares, found.parameters, exact.shares):
            line.append(f"{short(count)}: {100 * ours:.1f} % ({100 * theirs:.1f} %)")
        lines.append(line)
    return draw(["split", "first common, own stage", "frozen", "common", "own, without its head"], lines)


def table_1(results: Results, draw: Draw) -> str:
    """The thesis' Table 1, a line a split and set."""
    thesis, lines = published_results(), []
    for split in SPLITS:
        cells = {batch: Cell("sequential", split, batch) for batch in (LARGE, SMALL)}
        if not any(results.seeds(cell) for cell in cells.values()):
            continue
        for i, name in enumerate(SETS):
            line = [split, NAMES[name]]
            for batch, key in COLUMNS:
                theirs = thesis.points(cells[batch], key)[0, i]
                line.append(f"{_mean(results, cells[batch], key, i)} ({theirs:.0f})")
            lines.append(line)
    head = ["Split (in M)", "Dataset", "B1-Val1", "B1-Val2", "B2-Val1", "B2-Val2"]
    return draw(head, lines) if lines else ""


def forgotten(results: Results, draw: Draw) -> str:
    """A line a split."""
    thesis, lines = published_results(), []
    for split in SPLITS:
        cells = [Cell("sequential", split, batch) for batch in (LARGE, SMALL)]
        if any(results.seeds(cell) for cell in cells):
            found = [
                f"{_spread(results, cell, 'forgotten')} ({thesis.points(cell, 'forgotten').mean():.1f})"
                for cell in cells
            ]
            lines.append([split, *found, str(max(len(results.seeds(cell)) for cell in cells))])
    return draw(["split", "batches of 256", "batches of 64", "seeds"], lines) if lines else ""


def setting_2(results: Results, draw: Draw) -> str:
    """Mixed order beside the same splits in sequence, with the thesis' batches and with equal ones."""
    told, lines = published()["mixed"], []
    for split in BEST:
        for order, batch in (("mixed", MIXED_BATCH), ("sequential", LARGE), ("sequential", MIXED_BATCH)):
            cell = Cell(order, split, batch)
            if results.seeds(cell):
                found = [_mean(results, cell, "val2", i) for i in range(len(SETS))]
                low, high = told[order]
                theirs = f"{low} to {high}" if batch != MIXED_BATCH or order == "mixed" else ""
                lines.append([split, order, str(batch), *found, _mean(results, cell, "val2"), theirs])
    head = ["split", "order", "batch", *NAMES.values(), "mean", "CIFAR10 in the thesis' text"]
    return draw(head, lines) if any(line[1] == "mixed" for line in lines) else ""


def rates(results: Results, draw: Draw) -> str:
    """A line a rate, a column a split and batch."""
    swept = [
        cell
        for cell in results.cells
        if cell.order == "sequential" and cell.norm == "train" and cell.batch in (LARGE, SMALL)
    ]
    found = sorted({cell.rate for cell in swept})
    there = {(cell.split, cell.batch) for cell in swept}
    columns = [(s, b) for s in SPLITS for b in (LARGE, SMALL) if (s, b) in there]
    if len(found) < 2:
        return ""
    lines = [
        [f"{rate:g}", *(_three(results, Cell("sequential", s, b, rate)) for s, b in columns)]
        for rate in found
    ]
    return draw(["LR1", *(f"{s}, {b}" for s, b in columns)], lines)


def norms(results: Results, draw: Draw) -> str:
    """What is forgotten where norms of common and own stages renew their statistics, and where they keep them."""
    lines = list(_norm_lines(results))
    return draw(["split", "batch", "renewed", "kept", "Val1 renewed", "Val1 kept"], lines) if lines else ""


def _norm_lines(results: Results) -> Iterator[list[str]]:
    for split in SPLITS:
        for batch in (LARGE, SMALL):
            both = [Cell("sequential", split, batch, MAIN_RATE, norm) for norm in ("train", "eval")]
            if all(results.seeds(cell) for cell in both):
                lost = [_mean(results, cell, "forgotten") for cell in both]
                yield [split, str(batch), *lost, *(_mean(results, cell, "val1") for cell in both)]


def _three(results: Results, cell: Cell) -> str:
    if not results.seeds(cell):
        return "-"
    return " ".join(_mean(results, cell, figure) for figure in ("val1", "val2", "forgotten"))


def _mean(results: Results, cell: Cell, figure: str, of_set: int | None = None) -> str:
    if not results.seeds(cell):
        return "-"
    found = results.points(cell, figure)
    return f"{(found if of_set is None else found[:, of_set]).mean():.1f}"


def _spread(results: Results, cell: Cell, figure: str) -> str:
    """The mean, and the standard deviation over seeds."""
    if not results.seeds(cell):
        return "-"
    means: Sequence[float] = results.points(cell, figure).mean(1)
    return f"{np.mean(means):.1f}" + (f" ± {np.std(means, ddof=1):.1f}" if len(means) > 1 else "")
