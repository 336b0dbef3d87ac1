"""A run as the commands that a user would give; its row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from online.running import CommandFailed, Runner

from evo_mtl.files import make_folder
from thesis.asked import Work

IDENTITY = ("trunk", "weights", "order", "split", "batch", "rate", "norm", "seed")
KEYS = (*IDENTITY, "asked", "sets", "cpu_seconds")
"""What every row has."""


def commands(work: Work, folder: Path) -> dict[str, list[str]]:
    """The commands of a run, by what they do."""
    run = str(folder / "runs" / work.name)
    return {
        "search": [
            *("search", "--tasks", str(work.stream), "--space", str(work.space)),
            *("--seed", str(work.seed), "--run", run, "--quiet"),
        ],
        "evaluate": ["evaluate", run, "--json"],
    }


def do(work: Work, folder: Path, run: Runner, keep: bool = False) -> dict[str, Any]:
    """Searches and evaluates; what an earlier call left unfinished is begun anew.

    Args:
        work: What is run.
        folder: Where rows and runs are.
        run: How a command is run.
        keep: Whether the run's folder stays when its row is there.

    Raises:
        CommandFailed: A command ended in an error.
    """
    place = folder / "runs" / work.name
    shutil.rmtree(place, ignore_errors=True)
    make_folder(folder / "runs")
    found = {}
    for name, words in commands(work, folder).items():
        found[name] = run(words, folder / "logs" / f"{work.name}-{name}")
        if found[name].status:
            raise CommandFailed(f"{work.name}: evo-mtl {name}: {found[name].said}")
    if not keep:
        shutil.rmtree(place, ignore_errors=True)
    search, evaluate = found["search"], found["evaluate"]
    return row(work, json.loads(evaluate.out)) | {
        "cpu_seconds": round(search.cpu + evaluate.cpu, 1),
        "seconds": round(search.seconds, 1),
        "peak_memory": search.peak,
    }


def row(work: Work, evaluated: Mapping[str, Any]) -> dict[str, Any]:
    """What the row of a run says, but for what it cost.

    Val2 is what a task's route answers at the end, with the common stages as the last task left them; Val1 with those
    that it was archived with, which is what it answered right after the task. In mixed order all tasks end together.

    Args:
        work: What was run.
        evaluated: What ``evaluate --json`` printed.
    """
    sets = {}
    for task in evaluated["tasks"]:
        found = {"val2": float(task["accuracy"]), "test": task["num_examples"]}
        if work.cell.order == "sequential":
            found["val1"] = float(task["quality_when_archived"])
        sets[task["name"]] = found
    return {**work.identity, "asked": work.asked, "sets": sets}
