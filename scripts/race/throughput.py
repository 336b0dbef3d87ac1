"""Throughput: races of 8 candidates beside the frozen forward pass of the bare trunk, with and without sharing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from speed.measure import Reading, alternate, finish, head, middle, ratio, timed

from evo_mtl.cli.text import table
from evo_mtl.engines.workbench import set_threads
from evo_mtl.network.forward import CHUNK
from evo_mtl.network.route import Node, Route
from evo_mtl.testing.worlds import coloured
from evo_mtl.training.contestant import Contestants, one_by_one
from race.ground import Ground, Pictures, a_ground, filled, parser

NUM_CLASSES = 10
See = Callable[[int], object]


def main(arguments: Sequence[str]) -> int:
    """Prints a row a race."""
    parse = parser("throughput", __doc__)
    parse.add_argument("--rounds", type=int, default=3, help="each side once a round (3)")
    parse.add_argument("--batches", type=int, default=4, help="batches of a reading (4)")
    parse.add_argument("--batch", type=int, default=32, help="images of a batch (32)")
    parse.add_argument("--warm", type=int, default=4, help="batches learned before the first reading (4)")
    options = parse.parse_args(arguments)
    if options.quick:
        options.rounds = options.batches = options.warm = 1
        options.batch = 8
    set_threads(1)
    size = 32 if options.quick else 64
    here = head(f"{options.batch} images of {size} px a batch, one thread, 8 candidates")
    images, labels = coloured(options.batch * 8, NUM_CLASSES, 0, size)
    order = np.random.default_rng(0).permutation(len(images)).reshape(8, -1)
    batches = [Pictures(images[some], labels[some]) for some in order]
    with tempfile.TemporaryDirectory() as name:
        ground = a_ground(Path(name), options.quick, NUM_CLASSES)
        sides = {"trunk": _trunk(ground, batches, size)}
        races = _races(ground)
        for race, names in races.items():
            sides[f"{race}, shared"] = _shared(ground, names, batches)
            sides[f"{race}, apart"] = _apart(ground, names, batches)
        done = dict.fromkeys(sides, 0)

        def read(side: str, count: int) -> Reading:
            first = done[side]
            done[side] += count
            return timed(lambda: [sides[side](number) for number in range(first, first + count)])

        for side in sides:
            read(side, options.warm)
        readings = alternate({side: partial(read, side, options.batches) for side in sides}, options.rounds)
    total, rows = options.batches * options.batch, []
    for side, found in readings.items():
        again = readings[side.replace("apart", "shared")]
        rows.append(
            [
                side,
                f"{total / middle(found, 'cpu'):.0f}",
                str(ratio(found, readings["trunk"], "cpu")),
                str(ratio(found, again, "cpu")) if again is not found else "-",
            ]
        )
    names = ["race", "images a CPU s", "ratio: times the trunk's (CPU)", "times the shared one's (CPU)"]
    print(table(names, rows))
    return finish(options, here, readings=readings, races=races)


def _races(ground: Ground) -> dict[str, list[str]]:
    """Seeds by name: all of them, the solved ones, the trained ones; each filled up to 8 with more of the same."""
    solved = [name for name, genome in ground.seeds.items() if not genome.head.trained]
    trained = [name for name in ground.seeds if name not in solved]
    return {
        "all seeds": filled(list(ground.seeds), 8),
        "solved": filled(solved, 8),
        "trained": filled(trained, 8),
    }


def _trunk(ground: Ground, batches: Sequence[Pictures], size: int) -> See:
    """The whole trunk and a mean over places, nothing else."""
    stages = [Node("stage", (i - 1,), one, f"stage:{i}") for i, one in enumerate(ground.components)]
    route = Route(ground.arena.layout.input.at(size), (*stages, Node("pool", (len(stages) - 1,), grid=1)))

    def see(number: int) -> object:
        rows = batches[number % len(batches)].rows(route.input)
        for start in range(0, len(rows), CHUNK):
            ground.arena.shared.outputs([route], [[len(stages)]], {size: rows[start : start + CHUNK]})
        return None

    return see


def _shared(ground: Ground, names: Iterable[str], batches: Sequence[Pictures]) -> See:
    """As a search does it."""
    arena = ground.fresh()
    everybody = Contestants(ground.contestants(names, arena), arena, one_by_one)
    return lambda number: everybody.see(batches[number % len(batches)], number)


def _apart(ground: Ground, names: Iterable[str], batches: Sequence[Pictures]) -> See:
    """Every candidate by itself: its own prefix, its own sums."""
    each = [_shared(ground, [name], batches) for name in names]
    return lambda number: [see(number) for see in each]
