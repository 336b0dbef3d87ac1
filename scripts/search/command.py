"""The command in three steps: read what is asked, carry it out, report."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from statistics import median

from evo_mtl.errors import EvoMtlError, InputError
from evo_mtl.files import lock, make_folder
from evo_mtl.learners.fine_tuning import DEFAULT_GRID
from evo_mtl.registry import suggestion
from evo_mtl.training.arrays import check_cache_folder
from search import asked as asking
from search.asked import Asked
from search.carrying_out import do_all
from search.results import Results
from search.rows import Rows
from search.seeds import read_seeds
from search.tables import everything
from search.verdicts import verdicts
from search.work import Place


def read(options: argparse.Namespace) -> Asked:
    """What the options ask for.

    Raises:
        InputError: They are wrong, or a file they name is.
    """
    for name in ("size", "processes"):
        if getattr(options, name) < 1:
            raise InputError(f"expected a number of at least 1, met {getattr(options, name)}", f"--{name}")
    overrides, seeds = tuple(options.set), read_seeds(options.seeds)
    methods, idle = asking.methods(
        options.space,
        options.tasks,
        overrides,
        options.main,
        options.algorithms,
        options.baselines,
        options.ablations,
        seeds,
    )
    for name in idle:
        print(f"without {name}: this space has none of it, left out", file=sys.stderr)
    clocked = ()
    if options.seconds is not None:
        _seconds(options.seconds)
        names = [name.strip() for name in options.clocked.split(",")]
        clocked = asking.clocked([m for m in methods if m.algorithm], names, overrides)
    return Asked(
        tasks=options.tasks,
        folder=options.out.expanduser().absolute(),
        space=options.space,
        overrides=overrides,
        methods=methods,
        clocked=clocked,
        size=options.size,
        grid=asking.check_grid(options.grid or DEFAULT_GRID),
    )


def carry_out(asked: Asked, options: argparse.Namespace, until: float | None) -> list[EvoMtlError]:
    """Does what is missing; searches with a budget in seconds last, since they need to know how many.

    Returns:
        Failures that concern one piece of work.

    Raises:
        InputError: Another benchmark works in the folder, its rows were asked for otherwise, or the cache is
            a folder of other things.
    """
    cache = None if options.cache is None else options.cache.expanduser().absolute()
    if cache is not None:
        check_cache_folder(cache)
    make_folder(asked.folder)
    place = Place(asked.folder, cache, until)
    with lock(asked.folder / ".lock"):
        failures = do_all(_missing(asking.work(asked, asked.methods), asked), place, options.processes)
        if asked.clocked and (seconds := _limit(asked, options)) is not None:
            # With a cache of their own: what was kept by others would cost them no seconds.
            pieces = _missing(asking.work(asked, asked.clocked, seconds), asked)
            failures += do_all(pieces, replace(place, cache=None), options.processes)
    return failures


def report(asked: Asked, main: str, as_markdown: bool) -> str:
    """Tables and verdicts of the rows that are there."""
    rows = Rows(asked.folder).read()
    if not rows:
        return "no rows yet"
    results = Results(rows, [task.name for task in asked.stream.tasks], main)
    return f"{everything(results, as_markdown)}\n\nWhat was expected\n\n{verdicts(results)}"


def _missing(pieces: list, asked: Asked) -> list:
    """Pieces of which a row is missing.

    Raises:
        InputError: A row was asked for otherwise.
    """
    rows = Rows(asked.folder)
    known, tasks = rows.read(), {task.name for task in asked.stream.tasks}
    found = []
    for piece in pieces:
        wanted = {task.name for task in piece.tasks} if hasattr(piece, "tasks") else tasks
        if wanted - rows.there(piece.method, piece.seed, piece.asked, known):
            found.append(piece)
    return found


def _seconds(text: str) -> float | None:
    """Seconds of ``--seconds``; ``None`` for the median."""
    if text == "median":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(
            f"expected seconds or median, met {text!r}{suggestion(text, ['median'])}", "--seconds"
        )
    return seconds


def _limit(asked: Asked, options: argparse.Namespace) -> float | None:
    """Processor seconds a task; once found, the median is kept, so that later calls have the same.

    ``None`` while the main search is not done.
    """
    seconds = _seconds(options.seconds)
    if seconds is not None:
        return seconds
    path = asked.folder / "seconds"
    if not path.exists():
        rows = [row for row in Rows(asked.folder).read() if row["method"] == options.main]
        wanted = [m for m in asked.methods if m.name == options.main]
        if not wanted or len(rows) < len(wanted[0].seeds) * len(asked.stream.tasks):
            print(f"seconds: {options.main} is not done yet", file=sys.stderr)
            return None
        path.write_text(f"{median(row['cpu_seconds'] for row in rows):.1f}\n")
    return float(path.read_text())
