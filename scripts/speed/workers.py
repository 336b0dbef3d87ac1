"""Workers: a generation tried by 1 process with 2 threads and by 2 processes with 1, images trained a second."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evo_mtl.cli.text import table
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
    ratio,
    timed,
)

SIDES = {"1 worker x 2 threads": (1, 2), "2 workers x 1 thread": (2, 1)}


def main(arguments: Sequence[str]) -> int:
    """Prints both sides and their ratio."""
    parse = parser("workers", __doc__)
    parse.add_argument("--images", type=int, default=400, help="images of the task (400)")
    parse.add_argument("--size", type=int, default=64, help="their side in pixels (64)")
    options = parse.parse_args(arguments)
    images, size = (48, 32) if options.quick else (options.images, options.size)
    here = head(f"A generation of 8 candidates on {images} images of {size} px, kept alive workers")
    planned: list[int] = []

    def read(workers: int, threads: int) -> Reading:
        request = {"workers": workers, "threads": threads, "images": images, "size": size}
        answer = in_fresh_process("workers", {**request, "quick": options.quick}, threads)
        planned.append(answer["images"])
        return Reading(answer["wall"], answer["wall"])  # what workers compute is not in this process's clock

    sides = {name: partial(read, *side) for name, side in SIDES.items()}
    readings: Readings = alternate(sides, num_rounds(options))
    one, two = readings.values()
    faster = ratio(one, two)
    rows = [
        [name, f"{middle(found):.2f}", f"{planned[0] / middle(found):.0f}"]
        for name, found in readings.items()
    ]
    print(table(["engine", "seconds", "images/s"], rows))
    print(f"ratio (wall) {faster}")
    return finish(options, here, ratio=faster, readings=readings, images=planned[0])


def in_child(request: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a generation on workers that have loaded everything, and the images it presents."""
    from evo_mtl.engines.local import ProcessEngine
    from evo_mtl.searching.trials import Trials
    from evo_mtl.streams.task import open_task
    from speed.world import NUM_CLASSES, a_place, a_plan, a_pricing, a_task, as_candidates

    size = request["size"]
    with tempfile.TemporaryDirectory() as name:
        place = a_place(Path(name), request["quick"])
        config = a_task(Path(name), "squares", request["images"], size)
        plan = a_plan(place, config, size, request["threads"])
        pricing = a_pricing(place, open_task(config), size, plan.validations)
        depth = place.facts.num_stages
        usual = {"image_size": size, "epochs": 1 if request["quick"] else 2}
        # A head alone three times, then ever more open stages.
        open_from = [depth, depth, depth, depth - 2, depth - 2, depth - 4, depth - 4, depth // 2]
        genomes = [
            place.genome(depth, first, **usual, learning_rate=0.001 * (1 + i))
            for i, first in enumerate(open_from)
        ]
        engine = ProcessEngine(request["workers"], place.site)
        trials = Trials(
            engine,
            plan,
            Path(name) / "timings.jsonl",
            NUM_CLASSES,
            lambda one: pricing.cost(one.genome).multiply_adds,
        )
        try:
            # Two at once, at another size, so that each worker has loaded torch and the trunk before the
            # clock starts, and nothing is kept yet.
            warm = [genome.with_values({"image_size": 40, "epochs": 1}) for genome in genomes[3:5]]
            trials.generation(as_candidates(config.name, warm), lambda one, seconds: None)
            candidates = as_candidates(config.name, genomes)
            reading = timed(lambda: trials.generation(candidates, lambda one, seconds: None))
        finally:
            engine.close()
    return {"wall": reading.wall, "images": sum(pricing.cost(genome).images for genome in genomes)}
