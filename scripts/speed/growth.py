"""Growth: what opening, answering and the next task cost when 2, 10, 100 and 1,000 tasks are archived."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import load
from evo_mtl.cli.text import table
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.searching.runner import run_search
from evo_mtl.testing.growth import configuration, fabricate
from speed.measure import (
    Reading,
    Readings,
    alternate,
    finish,
    head,
    in_fresh_process,
    middle,
    num_rounds,
    parser,
    peak_memory,
    ratio,
    timed,
)

WORK = ("open", "evaluate", "add")


def main(arguments: Sequence[str]) -> int:
    """Prints a table of sizes."""
    parse = parser("growth", __doc__)
    parse.add_argument("--tasks", default="2,10,100,1000", help="archived tasks (2,10,100,1000)")
    options = parse.parse_args(arguments)
    counts = [2, 4] if options.quick else [int(count) for count in options.tasks.split(",")]
    here = head("A run of tiny tasks, each piece of work in a fresh process, imports not counted")
    memory: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for count in counts:
            start = time.perf_counter()
            fabricate(Path(name) / str(count), count)
            _open(Path(name) / str(count))  # whatever a reader or a search leaves behind for the next one
            print(f"{count} tasks made in {time.perf_counter() - start:.1f} s", flush=True)

        def read(work: str, count: int) -> Reading:
            answer = in_fresh_process("growth", {"work": work, "folder": str(Path(name) / str(count))})
            memory.setdefault(f"{work} {count}", []).append(answer["peak"])
            return Reading(answer["wall"], answer["cpu"])

        sides = {f"{work} {count}": partial(read, work, count) for count in counts for work in WORK}
        readings = alternate(sides, num_rounds(options))
    _show(counts, readings, memory)
    return finish(options, here, readings=readings, peak_bytes=memory)


def _show(counts: Sequence[int], readings: Readings, memory: dict[str, list[float]]) -> None:
    """A row a number of tasks; the ratio is that of adding a task, to adding it where there were fewest."""
    rows = []
    for count in counts:
        cells = [
            f"{middle(readings[f'{work} {count}'], clock):.3f}" for work in WORK for clock in ("wall", "cpu")
        ]
        peak = max(memory[f"add {count}"]) / 2**20
        more = ratio(readings[f"add {count}"], readings[f"add {counts[0]}"], "cpu")
        rows.append([str(count), *cells, f"{peak:.0f}", str(more)])
    names = [
        "tasks",
        "open s",
        "CPU s",
        "evaluate s",
        "CPU s",
        "add s",
        "CPU s",
        "peak MB",
        "ratio of adding (CPU)",
    ]
    print(table(names, rows))


def in_child(request: dict[str, Any]) -> dict[str, Any]:
    """Seconds and peak memory of one piece of work; the run is put back as it was."""
    folder = Path(request["folder"])
    run, before = folder / "run", folder / "before"
    if request["work"] == "add":
        shutil.copytree(run, before)
    reading = timed(partial({"open": _open, "evaluate": _evaluate, "add": _add}[request["work"]], folder))
    peak = peak_memory()
    if before.exists():
        shutil.rmtree(run)
        before.rename(run)
    return {"wall": reading.wall, "cpu": reading.cpu, "peak": peak}


def _open(folder: Path) -> None:
    load(folder / "run")


def _evaluate(folder: Path) -> None:
    evaluate(folder / "run", ["t01"])


def _add(folder: Path) -> None:
    run_search(RunFolder(folder / "run"), configuration(folder), Options())
