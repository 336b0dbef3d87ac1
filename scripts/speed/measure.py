"""Measuring two sides against each other: alternating rounds, both clocks, ratios with their spread."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from evo_mtl.errors import EvoMtlError
from evo_mtl.seeding import generator

SCRIPT = Path(__file__).resolve().parents[1] / "benchmark_speed"


@dataclass(frozen=True)
class Reading:
    """Seconds by the wall clock, and of this process's own computing."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Ratio:
    """How many times longer the first side took: of the medians, and the lowest and highest of a round."""

    of_medians: float
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.of_medians:.2f} ({self.lowest:.2f} to {self.highest:.2f})"


Readings = dict[str, list[Reading]]


def parser(name: str, doc: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that every claim has."""
    result = argparse.ArgumentParser(f"scripts/benchmark_speed {name}", description=doc)
    result.add_argument(
        "--quick", action="store_true", help="a tiny world and one round, to see that it runs"
    )
    result.add_argument("--rounds", type=int, default=rounds, help=f"each side once a round ({rounds})")
    result.add_argument("--json", type=Path, metavar="FILE", help="write all readings there")
    return result


def num_rounds(options: argparse.Namespace) -> int:
    """Rounds asked for; one is enough to see that it runs."""
    return 1 if options.quick else max(1, options.rounds)


def timed(action: Callable[[], object]) -> Reading:
    """One reading of an action."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return Reading(time.perf_counter() - wall, time.process_time() - cpu)


def alternate(sides: Mapping[str, Callable[[], Reading]], rounds: int) -> Readings:
    """Each side once a round, in a shuffled order, so that what others do on the machine meets all alike."""
    found: Readings = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides)
        generator(0, "order of sides", number).shuffle(names)
        for name in names:
            found[name].append(sides[name]())
    return found


def ratio(slow: Sequence[Reading], fast: Sequence[Reading], clock: str = "wall") -> Ratio:
    """How many times longer ``slow`` took by a clock, ``"wall"`` or ``"cpu"``.

    Not a number where a side took no time: readings that are differences can be lost in noise.
    """
    above, below = ([getattr(one, clock) for one in side] for side in (slow, fast))
    rounds = [_over(a, b) for a, b in zip(above, below)]
    return Ratio(_over(median(above), median(below)), min(rounds), max(rounds))


def _over(above: float, below: float) -> float:
    return above / below if min(above, below) > 0 else float("nan")


def ratios(slow: Sequence[Reading], fast: Sequence[Reading]) -> dict[str, Ratio]:
    """By both clocks."""
    return {clock: ratio(slow, fast, clock) for clock in ("wall", "cpu")}


def middle(readings: Sequence[Reading], clock: str = "wall") -> float:
    """The median seconds."""
    return median(getattr(one, clock) for one in readings)


def in_fresh_process(claim: str, request: Mapping[str, Any], threads: int = 1) -> dict[str, Any]:
    """What a claim's ``in_child`` answers in a process that has done nothing else.

    Raises:
        EvoMtlError: It failed; with its last line.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": "0"}
    command = [sys.executable, str(SCRIPT), claim, "--child", json.dumps(request)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EvoMtlError(f"{claim}: a measuring process failed: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def peak_memory() -> int:
    """Bytes this process has held at most."""
    for line in _lines("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    # Elsewhere; on Linux this would begin with what the process that started this one held.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def machine() -> dict[str, Any]:
    """Where and when this is measured."""
    names = [n for n in _lines("/proc/cpuinfo") if n.startswith("model name")]
    return {
        "processor": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        **{name: version(name) for name in ("torch", "timm")},
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def head(title: str) -> dict[str, Any]:
    """Prints what is measured and where; returns the latter."""
    here = machine()
    print(f"{title}\n{', '.join(f'{key} {value}' for key, value in here.items())}\n", flush=True)
    return here


def finish(options: argparse.Namespace, here: Mapping[str, Any], **found: Any) -> int:
    """Writes the JSON that was asked for; the exit status of a claim that was measured."""
    if options.json:
        document = {"machine": here, "quick": options.quick, **found}
        options.json.write_text(json.dumps(document, indent=2, default=_plain) + "\n")
    return 0


def _plain(value: Any) -> Any:
    if isinstance(value, Reading | Ratio):
        return asdict(value)
    return str(value)
