"""Floor: a real search against what it cannot do without, and where its time went.

The floor is one pass over each distinct set of pixels as deep as a candidate has it frozen, plus the
planned multiply-adds of every candidate's open part, both at the speed this machine has for these very
stages without any of our code around them.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evo_mtl.archive.timings import read_timings
from evo_mtl.cli.text import table
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.network.cost import line_multiply_adds
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.run.config import make_config
from evo_mtl.run.events import Generation, history
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.root import read_root
from evo_mtl.searching.runner import run_search
from evo_mtl.testing.worlds import write_space, write_stream
from evo_mtl.training.trial import in_features
from speed.bare import Bare
from speed.measure import finish, head, parser

KINDS = ("images", "frozen", "open", "validation", "solve", "archive", "other")


def main(arguments: Sequence[str]) -> int:
    """Prints seconds, floor, ratio and the split."""
    parse = parser("floor", __doc__)
    parse.add_argument("--tasks", metavar="STREAM.yaml", help="tasks of your own; tiny ones with --quick")
    parse.add_argument("--space", default="small", help="search space (small)")
    parse.add_argument("--workers", type=int, default=1, help="a process each, one thread each (1)")
    parse.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the space")
    options = parse.parse_args(arguments)
    if not (options.tasks or options.quick):
        parse.error("--tasks is needed, unless --quick")
    with tempfile.TemporaryDirectory() as name:
        tasks, space = options.tasks, options.space
        if options.quick:
            tasks, space = write_stream(Path(name), ["a"]), str(write_space(Path(name)))
        config = make_config(tasks, space, overrides=options.set)
        run = RunFolder(Path(name) / "run")
        here = head(f"Search of {len(config.stream.tasks)} task(s), {options.workers} worker(s) x 1 thread")
        start = time.perf_counter()
        run_search(run, config, Options(workers=options.workers))
        seconds = time.perf_counter() - start
        spent, idle = where(run, seconds, options.workers)
        frozen, opened = floor(run, 1 if options.quick else 5)
    least = (frozen + opened) / options.workers
    rows = [
        [kind, f"{value:.1f}", f"{value / seconds / options.workers:.0%}"] for kind, value in spent.items()
    ]
    print(
        table(
            ["worker's time", "seconds", "share"],
            [*rows, ["outside jobs", f"{idle:.1f}", f"{idle / seconds / options.workers:.0%}"]],
        )
    )
    print(
        f"\nfloor {least:.1f} s: frozen {frozen:.1f} s, open parts {opened:.1f} s, by {options.workers} worker(s)"
    )
    print(f"search {seconds:.1f} s, ratio to the floor {seconds / least:.2f}")
    found = {"seconds": seconds, "floor": {"frozen": frozen, "open": opened}, "ratio": seconds / least}
    return finish(options, here, **found, spent=spent, idle=idle)


def where(run: RunFolder, seconds: float, workers: int) -> tuple[dict[str, float], float]:
    """Workers' seconds by kind of work, and those in which they had none (start, decisions, journal, idle)."""
    found: Counter[str] = Counter(dict.fromkeys(KINDS, 0.0))  # type: ignore[arg-type]
    busy = 0.0
    for record in read_timings(run.timings):
        if "spent" in record:
            busy += record["seconds"]
            found.update(record["spent"])
    return dict(found), max(0.0, workers * seconds - busy)


def floor(run: RunFolder, repeats: int) -> tuple[float, float]:
    """Least seconds of frozen passes and of open parts, of all tasks of a run."""
    state = open_run(run.path)[2]
    root = read_root(next(iter(state.roots.values())))
    layout, facts = root.layout, root.facts
    validations = open_run(run.path)[1].space.validations
    bare = Bare(layout, facts.components, run.store().read, repeats)
    frozen = opened = 0.0
    for name, stored in state.tasks.items():
        task = stored.brief
        sizes = {True: task.num_validation, False: task.num_train}
        deepest: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        for genome in _tried(run, name):
            first = genome.first_open if genome.head.trained else genome.depth
            for key in _pixels(genome):
                deepest[key] = max(deepest[key], first)
            if genome.head.trained:
                classes = task.num_classes
                work = _open_work(genome, layout, task.num_train, task.num_validation, classes, validations)
                opened += work / bare.training_rate(genome, in_features(genome, layout), classes)
        frozen += sum(sizes[key[0] < 0] * bare.forward(key[1], depth) for key, depth in deepest.items())
    return frozen, opened


def _tried(run: RunFolder, task: str) -> Iterator[Genome]:
    """Every candidate that was fitted."""
    for event in history(run.journal):
        if isinstance(event, Generation) and event.task == task:
            for evaluation in event.evaluations:
                yield evaluation.candidate.genome


def _pixels(genome: Genome) -> Iterator[tuple[Any, ...]]:
    """Names of the sets of pixels that a candidate reads: view (-1: validation), size, what drew them."""
    for view in range(-1, genome["views"] if genome.head.trained else 1):
        drawn = tuple(genome[name] for name in DATA_HYPERPARAMETERS if name != "views") if view > 0 else ()
        yield (view, genome["image_size"], *drawn)


def _open_work(
    genome: Genome, layout: TrunkLayout, num_train: int, num_validation: int, classes: int, validations: int
) -> float:
    """Planned multiply-adds of the open part, as a candidate is priced: three passes' worth a trained image."""
    stages = line_multiply_adds(layout, genome.depth, genome.adapters, genome["image_size"])
    work = sum(stages[genome.first_open :]) + in_features(genome, layout) * classes
    looks = num_train if genome.head.component is None else 0
    images = 3 * num_train * genome["epochs"] + looks + num_validation * (validations + 1)
    return float(work * images)
