"""Start: how soon `evo-mtl --help` answers, and `evo-mtl evaluate` beyond importing torch and timm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from evo_mtl.cli.text import table
from evo_mtl.errors import EvoMtlError
from speed.measure import SCRIPT, Reading, alternate, finish, head, middle, num_rounds, parser

HELP_TARGET, EVALUATE_TARGET = 0.5, 2.0


def main(arguments: Sequence[str]) -> int:
    """Prints seconds, and their ratio to what was promised."""
    options = parser("start", __doc__, rounds=7).parse_args(arguments)
    here = head("Starting: fresh processes, files in the page cache")
    from evo_mtl.run.config import make_config
    from evo_mtl.run.folder import RunFolder
    from evo_mtl.run.options import Options
    from evo_mtl.searching.runner import run_search
    from evo_mtl.testing.worlds import write_space, write_stream

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = folder / "run"
        config = make_config(write_stream(folder, ["squares"]), str(write_space(folder)))
        run_search(RunFolder(run), config, Options())
        command = [sys.executable, "-m", "evo_mtl"]
        sides = {
            "help": partial(_fresh, [*command, "--help"]),
            "evaluate": partial(_fresh, [*command, "evaluate", str(run)]),
            "imports": partial(_fresh, [sys.executable, "-c", "import torch, timm"]),
        }
        readings = alternate(sides, num_rounds(options))
    beyond = [a.wall - b.wall for a, b in zip(readings["evaluate"], readings["imports"])]
    found = {
        "evo-mtl --help": (middle(readings["help"]), HELP_TARGET),
        "evo-mtl evaluate, beyond imports": (
            middle(readings["evaluate"]) - middle(readings["imports"]),
            EVALUATE_TARGET,
        ),
    }
    spread = [sorted(one.wall for one in readings["help"]), sorted(beyond)]
    rows = [
        [
            name,
            f"{seconds:.2f}",
            f"{each[0]:.2f} to {each[-1]:.2f}",
            f"{target:.1f}",
            f"{seconds / target:.2f}",
        ]
        for (name, (seconds, target)), each in zip(found.items(), spread)
    ]
    print(table(["command", "seconds", "spread", "target", "ratio to target"], rows))
    print(f"python -c 'import torch, timm': {middle(readings['imports']):.2f} s")
    return finish(options, here, seconds=found, readings=readings)


def _fresh(command: Sequence[str]) -> Reading:
    """A command in a process of its own; the computing of that process is read when it has ended."""
    before, wall = os.times(), os.times().elapsed
    done = subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode != 0:
        raise EvoMtlError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Reading(after.elapsed - wall, cpu)
