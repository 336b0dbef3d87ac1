"""Answers: several tasks answered for the same images, against as many separate models one after another."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evo_mtl.answering.model import Model, load
from evo_mtl.cli.text import table
from evo_mtl.genome.genome import AdapterGene, Genome, settle
from evo_mtl.network.assembly import assemble
from evo_mtl.network.components import load_module
from evo_mtl.network.cost import line_multiply_adds
from evo_mtl.network.kinds.kind import new
from evo_mtl.run.config import make_config
from evo_mtl.run.events import Chosen
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.root import read_root
from evo_mtl.run.snapshot import Archive
from evo_mtl.searching.runner import run_search
from evo_mtl.testing.worlds import coloured
from speed.measure import Ratio, Reading, alternate, finish, head, num_rounds, parser, ratios, timed
from speed.world import TINY_TRUNK, TRUNK, a_task

SPACE = """\
name: answers
trunk: {{name: {name}, weights: "{weights}", cut: {cut}}}
heads: [ridge]
hyperparameters: {{image_size: {{values: [{size}], default: {size}}}}}
budget: {{generations: 0, children: 1}}
seeds:
  - {{name: depth_ridge, taps: groups, grids: [1, 2], head: ridge}}
"""


def main(arguments: Sequence[str]) -> int:
    """Prints both archives at both batch sizes."""
    parse = parser("answers", __doc__)
    parse.add_argument("--tasks", type=int, default=20)
    parse.add_argument("--images", type=int, default=128, help="images a reading, fewer one by one (128)")
    parse.add_argument("--size", type=int, default=64, help="their side in pixels (64)")
    options = parse.parse_args(arguments)
    tasks, images, size = (3, 64, 32) if options.quick else (options.tasks, options.images, options.size)
    here = head(f"{tasks} tasks answered for the same images of {size} px, 1 thread")
    found, rows = {}, []
    with tempfile.TemporaryDirectory() as name:
        heads_only = grown(Path(name), tasks, size, options.quick)
        archives = {"heads only": (heads_only, 0), "own last stages": (with_own_ends(heads_only), 2)}
        for what, (folder, own) in archives.items():
            model = load(folder)
            ideal = ideal_ratio(model, own)
            for batch in (64, 1):
                count = images if batch > 1 else max(2, images // 32)
                by, speeds, readings = compared(model, count, size, batch, num_rounds(options))
                cells = [
                    f"{speeds['separate']:.1f}",
                    f"{speeds['shared']:.1f}",
                    str(by["wall"]),
                    str(by["cpu"]),
                ]
                rows.append([what, str(batch), *cells, f"{ideal:.1f}"])
                found[f"{what}, batch {batch}"] = {"ratios": by, "ideal": ideal, "readings": readings}
    names = [
        "archive",
        "batch",
        "separate images/s",
        "shared images/s",
        "ratio (wall)",
        "ratio (CPU)",
        "ideal",
    ]
    print(table(names, rows))
    print("ideal: multiply-adds of the separate models over those of the shared routes")
    return finish(options, here, answers=found)


def grown(folder: Path, tasks: int, size: int, quick: bool) -> Path:
    """A run of several tasks whose routes are the root trunk and a ridge head each."""
    names = [f"task{i:02}" for i in range(tasks)]
    lines = ["name: answers", "tasks:"]
    for name in names:
        a_task(folder, name, 40 if not quick else 16, size, 5 if not quick else 2)
        lines.append(f'  - {{name: {name}, source: "npz:{name}.npz", validation: 0.25}}')
    (folder / "stream.yaml").write_text("\n".join(lines) + "\n")
    choice = TINY_TRUNK if quick else TRUNK
    (folder / "space.yaml").write_text(SPACE.format(**choice.model_dump(), size=size))
    config = make_config(folder / "stream.yaml", str(folder / "space.yaml"))
    run_search(RunFolder(folder / "run"), config, Options())
    return folder / "run"


def with_own_ends(run: Path) -> Path:
    """A copy of a run in which each task has its own two last stages and two adapters there."""
    copy = run.with_name("own")
    shutil.copytree(run, copy)
    folder, _, state = open_run(copy)
    store, layout = folder.store(), read_root(next(iter(state.roots.values()))).layout
    with Archive(folder.journal) as archive:
        for number, name in enumerate(state.routes):
            answer = state.answer(name)
            genome = answer.way.genome
            stages = range(genome.depth - 2, genome.depth)
            trained = {}
            for stage in stages:
                module = load_module(store.read, genome.stages[stage].component)
                with torch.no_grad():  # any other weights: a component of its own
                    next(module.parameters()).mul_(1.001 + 0.001 * number)
                trained[f"stage:{stage}"] = store.write(module.state_dict(), layout.stage_spec(stage))
                drawn = torch.Generator().manual_seed(number)
                spec = layout.adapter_spec(_adapter(stage))
                trained[f"adapter:{stage}"] = store.write(new(spec, drawn).state_dict(), spec)
            genes = tuple(map(_adapter, stages))
            changed: Genome = settle(replace(genome, adapters=genes), trained)
            route = assemble(changed, layout)
            closed = replace(route, nodes=tuple(replace(node, open=False) for node in route.nodes))
            way = replace(answer.way, genome=changed, route=closed)
            archive.append(Chosen(name, replace(answer, way=way)))
    return copy


def _adapter(stage: int) -> AdapterGene:
    return AdapterGene(stage, "bottleneck", (("width", 32),), open=False)


def ideal_ratio(model: Model, own: int) -> float:
    """Multiply-adds of separate models over those of routes that share all but their last ``own`` stages."""
    layout = model.root(model.tasks[0]).layout
    depth = len(layout.channels)
    adapters = tuple(map(_adapter, range(depth - own, depth)))
    size = model.route(model.tasks[0]).input.size
    work = line_multiply_adds(layout, depth, adapters, size)
    tasks, ends = len(model.tasks), sum(work[depth - own :]) if own else 0
    return tasks * sum(work) / (sum(work) - ends + tasks * ends)


def compared(
    model: Model, count: int, size: int, batch: int, rounds: int
) -> tuple[dict[str, Ratio], dict[str, float], dict[str, list[Reading]]]:
    """Ratios, images a second and readings; both sides answer the same images, batch by batch."""
    images, _ = coloured(count, 5, 1, size)
    tasks = model.tasks
    modules = [model.as_module(task) for task in tasks]

    def shared() -> Any:
        return [model.predict_many(images[s : s + batch], tasks) for s in range(0, count, batch)]

    @torch.no_grad()
    def separate() -> None:
        for module in modules:
            for start in range(0, count, batch):
                pixels = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2)
                module(pixels.float() / 255.0).argmax(1)

    shared(), separate()
    sides = {"separate": partial(timed, separate), "shared": partial(timed, shared)}
    readings = alternate(sides, rounds)
    speeds = {name: count / float(np.median([one.wall for one in found])) for name, found in readings.items()}
    return ratios(readings["separate"], readings["shared"]), speeds, readings
