"""Carries out what is asked for, and reports it."""

from __future__ import annotations

import sys

from search.drawing import markdown

from evo_mtl.cli.text import table
from evo_mtl.engines.workbench import set_threads
from evo_mtl.errors import CandidateError, InputError
from evo_mtl.learners.rows import Row, append_row, read_rows
from evo_mtl.streams.task import open_task
from points.asked import Asked
from points.tables import Found, everything
from points.trying import row


def rows_of(asked: Asked) -> list[Row]:
    """Rows that are there.

    Raises:
        InputError: Some were asked for otherwise.
    """
    path = asked.out / "rows.jsonl"
    found = read_rows(path, ("row", "task", "seed", "asked", "held_out", "correct", "labels"))
    for one in found:
        if one["row"] in asked.names and one["asked"] != asked.digest(one["row"]):
            raise InputError(
                f"has rows of {one['row']!r} that were asked for otherwise; use another --out", path
            )
    return found


def carry_out(asked: Asked) -> None:
    """Adds the rows that are missing, a task and seed at a time; what cannot be trained is said, and has none."""
    set_threads(1)
    there = {(one["row"], one["task"], one["seed"]) for one in rows_of(asked)}
    for seed in asked.seeds:
        for config in asked.stream.tasks:
            missing = [name for name in asked.names if (name, config.name, seed) not in there]
            task = open_task(config, trust_python=True) if missing else None
            for name in missing:
                assert task is not None
                try:
                    found = row(asked, task, seed, name)
                except CandidateError as error:
                    print(f"left out: {error}", file=sys.stderr, flush=True)
                    continue
                append_row(asked.out / "rows.jsonl", found)
                said = f"held out {found['held_out']:.4f}, {found['cpu_seconds']:.0f} s of the processor"
                print(f"{config.name}, seed {seed}, {name}: {said}", file=sys.stderr, flush=True)


def report(asked: Asked, as_markdown: bool) -> str:
    """The table of all tasks and seeds that have all their rows."""
    wanted = [(task.name, seed) for task in asked.stream.tasks for seed in asked.seeds]
    rows = [one for one in rows_of(asked) if (one["task"], one["seed"]) in wanted]
    return everything(
        Found(rows, asked.names), markdown if as_markdown else lambda head, rows: table(head, rows)
    )
