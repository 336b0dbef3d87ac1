"""Cheap looks: were they right? Rank correlation of what they said with what training then gave.

After its looks, every task trains a grid of candidates (depth, boundary, image size) on the root trunk. What is
printed for each task is Spearman's correlation over all of them, over depths (the best boundary of each) and
over sizes, the quality that following the looks gave up against the best of the grid, and the seconds of both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evo_mtl.archive.timings import read_timings
from evo_mtl.cli.text import table
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.looks import Looks, rank_correlation
from evo_mtl.files import canonical_json
from evo_mtl.genome.space import read_space
from evo_mtl.plain import plain
from evo_mtl.run.config import make_config
from evo_mtl.run.events import Generation, Looked, history
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.searching.runner import run_search
from evo_mtl.testing.worlds import write_space, write_stream
from speed.measure import finish, head, parser

DEPTHS, BOUNDARIES, SIZES = (9, 12, 16, 18), (4, 9, 12), (48, 64, 80, 96)


def main(arguments: Sequence[str]) -> int:
    """Prints a line a task."""
    parse = parser("looks", __doc__)
    parse.add_argument("--tasks", metavar="STREAM.yaml", help="tasks of your own; tiny ones with --quick")
    parse.add_argument("--space", default="small", help="whose trunk and hyperparameters (small)")
    parse.add_argument("--epochs", type=int, default=4, help="of every trained candidate (4)")
    parse.add_argument("--workers", type=int, default=2)
    options = parse.parse_args(arguments)
    if not (options.tasks or options.quick):
        parse.error("--tasks is needed, unless --quick")
    here = head("Looks against a grid of trained candidates")
    with tempfile.TemporaryDirectory() as name:
        tasks, space = options.tasks, options.space
        if options.quick:
            tasks, space = write_stream(Path(name), ["a"]), str(write_space(Path(name)))
        path = Path(name) / "grid.yaml"
        path.write_bytes(canonical_json(_grid(space, options)))
        config = make_config(tasks, str(path))
        run = RunFolder(Path(name) / "run")
        run_search(run, config, Options(workers=options.workers))
        rows = [_row(task.name, run) for task in config.stream.tasks]
    names = ["task", "all", "depths", "sizes", "followed", "best of grid", "looks s", "grid s"]
    print(table(names, [[_cell(row[key]) for key in names] for row in rows]))
    times = sum(row["grid s"] for row in rows) / sum(row["looks s"] for row in rows)
    print(f"\nSpearman's rank correlations; seconds, grid to looks: ratio {times:.1f}")
    return finish(options, here, tasks=rows)


def _grid(space: str, options: Any) -> dict[str, Any]:
    """A search space of looks and trained seeds, without a generation after them."""
    content = read_space(space).model_dump(mode="json")
    depths, boundaries, sizes = ((4, 5), (1, 3), (32, 48)) if options.quick else (DEPTHS, BOUNDARIES, SIZES)
    wanted = [(depth, first, sizes[-1]) for depth in depths for first in boundaries if first < depth]
    wanted += [(depths[-2], boundaries[-2], size) for size in sizes[:-1]]
    seeds = [
        {
            "name": f"depth {depth} from {first} at {size}",
            "depth": depth,
            "open_from": first,
            "taps": "groups",
            "values": {"epochs": options.epochs, "image_size": size},
        }
        for depth, first, size in wanted
    ]
    changed = {"stages": {**content["stages"], "depths": depths}, "budget": {"generations": 0}}
    return {**content, **changed, "name": "grid", "looks": {"sizes": sizes}, "seeds": seeds}


def _row(task: str, run: RunFolder) -> dict[str, Any]:
    looks, tried = Looks(), list[Evaluation]()
    for event in history(run.journal):
        if isinstance(event, Looked) and event.task == task:
            looks = Looks(event.looks)
        if isinstance(event, Generation) and event.task == task:
            tried = [e for e in event.evaluations if e.ok]
    genomes = [evaluation.candidate.genome for evaluation in tried]
    qualities = [evaluation.quality for evaluation in tried]
    largest = max(genome["image_size"] for genome in genomes)

    def seen(depth: int, size: int) -> float:
        return next(look.at(depth) for look in looks.of_root if look.image_size == size)

    depths = sorted({genome.depth for genome in genomes})
    by_depth = [
        max(q for g, q in zip(genomes, qualities) if g.depth == depth and g["image_size"] == largest)
        for depth in depths
    ]
    place = next(g for g in genomes if g["image_size"] < largest)
    alike = [
        (g["image_size"], q)
        for g, q in zip(genomes, qualities)
        if (g.depth, g.first_open) == (place.depth, place.first_open)
    ]
    of_size = {look.image_size: look.quality for look in looks.of_root}
    depth = looks.depth(depths, largest)
    followed = [q for g, q in zip(genomes, qualities) if g.depth == depth and g["image_size"] == largest]
    timings = [one for one in read_timings(run.timings) if one.get("task") == task]
    return {
        "task": task,
        "all": rank_correlation([seen(g.depth, g["image_size"]) for g in genomes], qualities),
        "depths": rank_correlation([seen(depth, largest) for depth in depths], by_depth),
        "sizes": rank_correlation([of_size[size] for size, _ in alike], [q for _, q in alike]),
        "followed": max(followed),
        "best of grid": max(qualities),
        "looks s": next(one["seconds"] for one in timings if "looks" in one),
        "grid s": sum(one["seconds"] for one in timings if "generation" in one),
        "tried": [[str(e.candidate.origin), e.quality] for e in tried],
        "looks": [plain(look) for look in looks.all],
    }


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
