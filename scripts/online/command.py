"""The command in three steps: read what is asked, carry it out, report."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from search.seeds import read_seeds

from evo_mtl.errors import EvoMtlError, InputError
from evo_mtl.learners.rows import Row, read_rows
from online.asked import Asked, Work, read_orders, read_sets, work
from online.going_on import go_on
from online.methods import read_methods
from online.results import IDENTITY, KEYS, Results
from online.running import Runner, commands, do, measured
from online.tables import everything
from online.verdicts import verdicts


def read(options: argparse.Namespace) -> Asked:
    """What the options ask for.

    Raises:
        InputError: They are wrong, or a file they name is.
    """
    for name in ("limit", "batch_size", "permutations", "processes"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"expected a number of at least 1, met {value}", f"--{name.replace('_', '-')}")
    return Asked(
        folder=options.out.expanduser().absolute(),
        data=options.data.expanduser().absolute(),
        sets=read_sets(options.sets),
        orders=read_orders(options.orders),
        permutations=options.permutations,
        seeds=read_seeds(options.seeds),
        methods=tuple(
            method.with_set(options.set) for method in read_methods(options.methods, options.method)
        ),
        limit=options.limit,
        batch_size=options.batch_size,
        keys=tuple(options.stream),
    )


def rows_file(asked: Asked) -> Path:
    """Where the rows are."""
    return asked.folder / "rows.jsonl"


def carry_out(
    asked: Asked,
    processes: int,
    more: Sequence[str] = (),
    until: float | None = None,
    run: Runner = measured,
) -> list[EvoMtlError]:
    """Does the runs that have no row.

    Args:
        asked: What is compared.
        processes: Runs at a time.
        more: Options of every search.
        until: When no more runs are begun, by ``time.time``.
        run: How a command is run.

    Returns:
        Why runs failed; the others have their rows.

    Raises:
        InputError: Another benchmark works in the folder, or a row was asked for otherwise.
    """
    return go_on(
        rows_file(asked),
        lambda: missing(asked),
        lambda piece: do(piece, asked.folder, run, more),
        _told,
        processes,
        until,
    )


def _told(piece: Work, row: Row) -> str:
    mean = sum(its["accuracy"] for its in row["sets"].values()) / len(row["sets"])
    return f"{piece.name}: {mean:.4f}, {row['cpu_seconds']:.0f} s of the processor"


def missing(asked: Asked) -> list[Work]:
    """Runs that have no row.

    Raises:
        InputError: A row was asked for otherwise: other sets, limit, space or keys.
    """
    there = {tuple(row[key] for key in IDENTITY): row["asked"] for row in rows(asked)}
    found = []
    for piece in work(asked):
        if there.get(piece.identity, piece.asked) != piece.asked:
            raise InputError(
                f"has a row of {piece.name} that was asked for with other sets, keys or space; use another --out",
                rows_file(asked),
            )
        if piece.identity not in there:
            found.append(piece)
    return found


def lines(asked: Asked, more: Sequence[str] = ()) -> str:
    """The commands that are still to be run, one a line."""
    return "\n".join(
        shlex.join(["evo-mtl", *words])
        for piece in missing(asked)
        for words in commands(piece, asked.folder, more).values()
    )


def report(asked: Asked, main: str, as_markdown: bool) -> str:
    """Tables and verdicts of the rows that are there."""
    names = [method.name for method in asked.methods]
    found = [row for row in rows(asked) if row["method"] in names]
    if not found:
        return "no rows yet"
    results = Results(found, asked.sets, main)
    said = sorted({text for row in found for text in row["definitions"].values()})
    parts = [everything(results, as_markdown), "What was expected", verdicts(results), "\n".join(said)]
    return "\n\n".join(parts)


def rows(asked: Asked) -> list[Row]:
    """The rows that are there."""
    return read_rows(rows_file(asked), KEYS)
