"""The command in three steps: read what is asked, carry it out, report."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from online.going_on import go_on
from online.running import Runner, measured
from search.seeds import read_seeds

from evo_mtl.errors import EvoMtlError, InputError
from evo_mtl.learners.rows import Row, read_rows
from thesis.asked import MAIN_RATE, RATES, Asked, Work, work
from thesis.findings import report as of_findings
from thesis.results import Results
from thesis.running import IDENTITY, KEYS, commands, do
from thesis.splits import OFFLINE, read_splits
from thesis.tables import everything

WHOLE = {
    **{"splits": "all", "batches": "256,64", "rates": ",".join(f"{rate:g}" for rate in RATES)},
    **{"norms": "train,eval", "seeds": "0,1,2", "limit": None},
}
QUICK = {
    **{"splits": "best", "batches": "256,64", "rates": f"{MAIN_RATE:g},0.01"},
    **{"norms": "train,eval", "seeds": "0", "limit": 2000},
}
"""What is left out is one of these."""


def read(options: argparse.Namespace) -> Asked:
    """What the options ask for.

    Raises:
        InputError: They are wrong.
    """
    usual = QUICK if options.quick else WHOLE
    chosen: dict[str, Any] = {
        key: value if getattr(options, key) is None else getattr(options, key) for key, value in usual.items()
    }
    for name in ("limit", "size", "processes"):
        value = chosen.get(name, getattr(options, name))
        if value is not None and value < 1:
            raise InputError(f"expected a number of at least 1, met {value}", f"--{name}")
    if (options.source == "folder") != (options.data is not None):
        raise InputError("expected --data DIR, or --source torchvision", "--data")
    return Asked(
        folder=options.out.expanduser().absolute(),
        data=options.data and options.data.expanduser().absolute(),
        root=options.root and options.root.expanduser().absolute(),
        download=options.download,
        trunk=options.trunk,
        weights=options.weights if options.trunk == "resnet18" else OFFLINE["weights"],
        splits=read_splits(chosen["splits"]),
        batches=tuple(int(number) for number in _numbers(chosen["batches"], "--batches")),
        rates=_numbers(chosen["rates"], "--rates"),
        norms=_words(chosen["norms"], ("train", "eval"), "--norms"),
        seeds=read_seeds(chosen["seeds"]),
        settings=_words(options.settings, ("1", "2"), "--settings"),
        size=options.size,
        limit=chosen["limit"],
    )


def _numbers(text: str, place: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or len(set(found)) < len(found) or not all(0 < one < 1e6 for one in found):
        raise InputError(f"expected different numbers above 0, met {text!r}", place)
    return found


def _words(text: str, known: tuple[str, ...], place: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(","))
    if not set(words) <= set(known) or len(set(words)) < len(words):
        raise InputError(f"expected some of {','.join(known)}, met {text!r}", place)
    return words


def carry_out(
    asked: Asked, processes: int, until: float | None = None, run: Runner = measured, keep: bool = False
) -> list[EvoMtlError]:
    """Does the runs that have no row; why some failed. See :func:`online.going_on.go_on`.

    Raises:
        InputError: Somebody else works in the folder, or a row was asked for otherwise.
    """
    return go_on(
        rows_file(asked),
        lambda: missing(asked),
        lambda piece: do(piece, asked.folder, run, keep),
        _told,
        processes,
        until,
    )


def _told(piece: Work, row: Row) -> str:
    mean = sum(one["val2"] for one in row["sets"].values()) / len(row["sets"])
    return f"{piece.name}: {100 * mean:.1f} % after all tasks, {row['cpu_seconds']:.0f} s of the processor"


def rows_file(asked: Asked) -> Path:
    """Where the rows are."""
    return asked.folder / "rows.jsonl"


def rows(asked: Asked) -> list[Row]:
    """The rows that are there of the trunk and its weights."""
    on = {"trunk": asked.trunk, "weights": asked.weights}
    found = read_rows(rows_file(asked), KEYS)
    return [row for row in found if {key: row[key] for key in on} == on]


def missing(asked: Asked) -> list[Work]:
    """Runs that have no row.

    Raises:
        InputError: A row was asked for with other data, limit or size.
    """
    there = {tuple(row[key] for key in IDENTITY): row["asked"] for row in rows(asked)}
    found = []
    for piece in work(asked):
        identity = tuple(piece.identity[key] for key in IDENTITY)
        if there.get(identity, piece.asked) != piece.asked:
            raise InputError(
                f"has a row of {piece.name} that was asked for with other data, limit or size; use another --out",
                rows_file(asked),
            )
        if identity not in there:
            found.append(piece)
    return found


def lines(asked: Asked) -> str:
    """The commands that are still to be run, one a line."""
    return "\n".join(
        shlex.join(["evo-mtl", *words])
        for piece in missing(asked)
        for words in commands(piece, asked.folder).values()
    )


def report(asked: Asked, as_markdown: bool) -> str:
    """Tables and verdicts of the rows that are there."""
    found = rows(asked)
    if not found:
        return "no rows yet"
    results = Results(found)
    return "\n\n".join([everything(results, asked.trunk, as_markdown), "Findings", of_findings(results)])
