"""A run as the commands that a user would give, with processor seconds and peak memory; its row."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo_mtl.errors import EvoMtlError
from evo_mtl.files import make_folder
from online.asked import Work
from online.methods import OFFLINE

HERE = Path(__file__).resolve().parents[2]


class CommandFailed(EvoMtlError):
    """A command of a run ended in an error; the others go on."""


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes:
        status: Its exit status.
        out: What it printed on standard output.
        said: The last line on standard error.
        seconds: By the clock.
        cpu: Processor seconds of it and of all processes that it waited for.
        peak: Bytes of memory that the largest of these processes held at most.
    """

    status: int
    out: str
    said: str
    seconds: float
    cpu: float
    peak: int


Runner = Callable[[Sequence[str], Path], Ran]
"""Runs ``evo-mtl`` with these words; what it prints is kept in files beside the path."""


def measured(words: Sequence[str], log: Path) -> Ran:
    """``evo-mtl`` in a process of its own.

    A process counts as its memory at least what this one holds when it starts it, which is less than torch needs.
    """
    make_folder(log.parent)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "GOMP_SPINCOUNT": "0"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    out, err = (log.with_name(f"{log.name}.{kind}") for kind in ("out", "err"))
    begun = time.monotonic()
    with out.open("wb") as printed, err.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "evo_mtl", *words], stdout=printed, stderr=said, env=environment
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    lines = err.read_text(errors="replace").strip().splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    return Ran(
        process.returncode,
        out.read_text(errors="replace"),
        lines[-1] if lines else "",
        time.monotonic() - begun,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * unit,
    )


def commands(work: Work, folder: Path, more: Sequence[str] = ()) -> dict[str, list[str]]:
    """The commands of a run, by what they do."""
    run = str(folder / "runs" / work.name)
    return {
        "search": [
            *("search", "--tasks", str(work.stream), *work.method.options()),
            *("--seed", str(work.seed), "--run", run, "--quiet", *more),
        ],
        "evaluate": ["evaluate", run, "--json"],
        "show": ["show", run, "--json"],
    }


def do(work: Work, folder: Path, run: Runner, more: Sequence[str] = ()) -> dict[str, Any]:
    """Searches and evaluates; what an earlier call left unfinished is begun anew, so that its costs are whole.

    Args:
        work: What is run.
        folder: The benchmark's.
        run: How a command is run.
        more: Options of every search.

    Raises:
        CommandFailed: A command ended in an error.
    """
    shutil.rmtree(folder / "runs" / work.name, ignore_errors=True)
    make_folder(folder / "runs")
    found = {}
    for name, words in commands(work, folder, more).items():
        found[name] = run(words, folder / "logs" / f"{work.name}-{name}")
        if found[name].status:
            raise CommandFailed(f"{work.name}: evo-mtl {name}: {found[name].said}")
    search, evaluate = found["search"], found["evaluate"]
    return row(work, json.loads(evaluate.out), json.loads(found["show"].out)) | {
        "cpu_seconds": round(search.cpu, 2),
        "seconds": round(search.seconds, 2),
        "peak_memory": search.peak,
        "evaluate_cpu_seconds": round(evaluate.cpu, 2),
    }


def row(work: Work, evaluated: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """What the row of a run says, but for what it cost.

    Args:
        work: What was run.
        evaluated: What ``evaluate --json`` printed.
        shown: What ``show --json`` printed.
    """
    learned = sum(task["num_train"] + task["num_validation"] for task in shown["tasks"])
    return {
        **dict(zip(("method", "order", "permutation", "seed"), work.identity)),
        "asked": work.asked,
        "sets": {
            task["name"]: {
                "accuracy": task[task["metric"]],
                "prequential": task.get("prequential"),
                "logits_unchanged": task["logits_unchanged"],
                "added_parameters": task["added_parameters"],
            }
            for task in evaluated["tasks"]
        },
        "forgetting": evaluated["forgetting"],
        "undefined": evaluated["undefined"],
        "definitions": {key: evaluated["definitions"][key] for key in ("average_accuracy", "forgetting")},
        "examples": learned,
        "stored_examples": learned if work.method.regime == OFFLINE else 0,
        "added_parameters": evaluated["total_parameters"] - evaluated["trunk_parameters"],
    }
