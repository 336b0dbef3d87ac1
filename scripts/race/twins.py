"""Twins: how often a candidate is replaced that is no worse, at several levels, and how late a worse one is."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
from speed.measure import finish, head

from evo_mtl.cli.text import table
from evo_mtl.engines.workbench import set_threads
from evo_mtl.evolution.candidate import OfTurn
from evo_mtl.evolution.race import Race, Tally
from evo_mtl.genome.sections import RaceRules
from evo_mtl.seeding import generator
from evo_mtl.testing.worlds import coloured
from evo_mtl.training.contestant import Contestants, one_by_one
from race.ground import Ground, Pictures, a_ground, counts, filled, levels, parser

EVERY = 4
ALIKE = 0.5


def main(arguments: Sequence[str]) -> int:
    """Prints a row a level of twins by chance, of worse ones by chance, and of twins that learn."""
    parse = parser("twins", __doc__)
    parse.add_argument("--levels", type=levels, default=[0.01, 0.05, 0.2, 0.5], help="(0.01,0.05,0.2,0.5)")
    parse.add_argument("--gaps", type=levels, default=[0.02, 0.05, 0.1, 0.2], help="(0.02,0.05,0.1,0.2)")
    parse.add_argument("--races", type=int, default=200, help="by chance, a level (200)")
    parse.add_argument("--batches", type=int, default=250, help="of 32 answers, by chance (250)")
    parse.add_argument("--sizes", type=counts, default=[2, 8], help="candidates of a race by chance (2,8)")
    parse.add_argument("--real", type=int, default=10, help="races of contestants that learn (10)")
    parse.add_argument("--real-batches", type=int, default=40, help="of 8 images, where they learn (40)")
    options = parse.parse_args(arguments)
    if options.quick:
        options.races, options.batches, options.real, options.real_batches = 2, 20, 1, 6
        options.levels, options.gaps, options.sizes = [0.05], [0.2], [2]
    set_threads(1)
    here = head(f"Twins: replaced candidates per candidate; a round every {EVERY} batches")
    found = [_by_chance(level, size, options) for level in options.levels for size in options.sizes]
    late = [_late(level, gap, options) for level in options.levels for gap in options.gaps]
    learned = _learned(options)
    names = ["answers", "level", "candidates", "races", "replaced", "a candidate", "ratio to the level"]
    print(
        table(names, [_row("by chance", *one) for one in found] + [_row("learned", *one) for one in learned])
    )
    print(table(["worse by", "level", "races", "replaced", "examples until then (mean)"], late))
    return finish(options, here, by_chance=found, learned=learned, late=late)


Found = tuple[float, int, int, int]


def _row(kind: str, level: float, size: int, races: int, lost: int) -> list[str]:
    share = lost / (races * size)
    cells = [f"{level:g}", str(size), str(races), str(lost), f"{share:.4f}", f"{share / level:.3f}"]
    return [kind, *cells]


def _by_chance(level: float, size: int, options: argparse.Namespace) -> Found:
    """Twins that are right in four of five examples, half of which all of them answer alike."""
    batches, races = options.batches, options.races
    lost = 0
    for number in range(races):
        rng = generator(0, "twins", size, number)
        answers = (_answers(rng, np.full(size, 0.8), 32) for _ in range(batches))
        lost += len(left(answers, RaceRules(population=size, age=256, level=level, window=384)))
    return level, size, races, lost


def _late(level: float, gap: float, options: argparse.Namespace) -> list[str]:
    """Two candidates, of which the second is right less often."""
    batches, races = options.batches, options.races
    at = []
    for number in range(races):
        rng = generator(0, "worse", number)
        answers = (_answers(rng, np.array([0.8, 0.8 - gap]), 32) for _ in range(batches))
        gone = left(answers, RaceRules(population=2, age=256, level=level, window=384))
        at += [gone[1]] if 1 in gone else []
    when = f"{mean(at):.0f}" if at else "-"
    return [f"{gap:g}", f"{level:g}", str(races), str(len(at)), when]


def _answers(rng: np.random.Generator, shares: np.ndarray, count: int) -> np.ndarray:
    """Which examples each answers rightly, ``(candidates, count)``; an example is as hard for all as ``ALIKE`` says."""
    own, common = rng.random((len(shares), count)), rng.random(count)
    alike = rng.random(count) < ALIKE
    return np.where(alike, common, own) < shares[:, None]


def left(answers: Iterable[np.ndarray], rules: RaceRules) -> dict[int, int]:
    """Who is replaced in a race by these answers, and after how many examples; nobody takes a free place.

    Args:
        answers: Of each batch ``(candidates, B)`` bool.
        rules: Of the race.
    """
    race, gone, seen = None, dict[int, int](), 0
    for number, right in enumerate(answers):
        if race is None:
            race = Race(rules, [Tally.new(OfTurn(0, i), 1) for i in range(len(right))])
        labels = np.zeros(right.shape[1], dtype=np.int64)
        race.see(labels, {name: right[name.child] for name in race.tallies})
        seen += right.shape[1]
        if (number + 1) % EVERY == 0:
            scores = {name: race.quality(name, "accuracy") for name in race.tallies}
            lost = race.losers(race.leader(scores))
            gone |= {name.child: seen for name in lost}
            staying = [tally for name, tally in race.tallies.items() if name not in lost]
            race = Race(rules, staying, [d for d in race.duels if not {d.first, d.second} & set(lost)])
    return gone


def _learned(options: argparse.Namespace) -> list[Found]:
    """Four contestants of one genome that descend with draws of their own, on images of which a third have a wrong label."""
    races, batches = options.real, options.real_batches
    lost = dict.fromkeys(options.levels, 0)
    with tempfile.TemporaryDirectory() as name:
        ground = a_ground(Path(name), True, 3)
        for number in range(races):
            answers = _learn(ground, number, batches)
            for level in lost:
                lost[level] += len(left(answers, RaceRules(population=4, age=24, level=level, window=32)))
    return [(level, 4, races, count) for level, count in lost.items()]


def _learn(ground: Ground, number: int, batches: int) -> list[np.ndarray]:
    arena = ground.fresh(number)
    trained = [name for name, genome in ground.seeds.items() if genome.head.trained]
    everybody = Contestants(ground.contestants(filled(trained, 4), arena), arena, one_by_one)
    rng = generator(number, "learned twins")
    images, labels = coloured(8 * batches, 3, number)
    labels = np.where(rng.random(len(labels)) < 1 / 3, rng.integers(0, 3, len(labels)), labels)
    order = rng.permutation(len(labels)).reshape(batches, 8)
    return [np.array(everybody.see(Pictures(images[i], labels[i]), at)) for at, i in enumerate(order)]
