"""What a generation reads of frozen stages, computed for all its candidates at once, before any is tried.

Candidates of a generation mostly read the same images through the same frozen stages. Each set of pixels
(training images in one view, or the validation images, at one size) is therefore passed through them
once, and every frontier is kept; a trial then finds what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.network.assembly import assemble
from evo_mtl.network.route import INPUT
from evo_mtl.training.kept import frozen_sweep
from evo_mtl.training.trial import Bench

VALIDATION = -1
"""Stands for the validation images where a view of the training images is named."""


@dataclass(frozen=True)
class Sweep:
    """One set of pixels, and who reads it.

    Attributes:
        view: Of the training images, or ``VALIDATION``.
        places: Indices of candidates in the generation; they agree in the data hyperparameters that this set of
            pixels depends on.
        share: Its share of the bytes that may be kept.
    """

    view: int
    places: tuple[int, ...]
    share: float


def planned_sweeps(candidates: Sequence[Candidate]) -> tuple[Sweep, ...]:
    """The sweeps that a generation needs, the largest first; a function of the genomes alone."""
    readers: dict[tuple[object, ...], list[int]] = {}
    for place, candidate in enumerate(candidates):
        genome = candidate.genome
        views = genome.views if genome.head.trained else 1
        for view in (VALIDATION, *range(views)):
            readers.setdefault((view, *_pixels(genome, view)), []).append(place)
    found = [Sweep(int(str(key[0])), tuple(places), 1 / len(readers)) for key, places in readers.items()]
    return tuple(sorted(found, key=lambda one: (one.view == VALIDATION, -len(one.places), one.view)))


def _pixels(genome: Genome, view: int) -> tuple[object, ...]:
    """What the pixels of a view depend on; views other than 0 are drawn, the others only have a size."""
    if view <= 0:
        return (genome.image_size,)
    return tuple(genome[name] for name in DATA_HYPERPARAMETERS if name != "views")


def do_sweep(candidates: Sequence[Candidate], view: int, share: float, bench: Bench) -> None:
    """Computes and keeps the frontiers of some candidates over one set of pixels."""
    genome = candidates[0].genome
    key, pixels = bench.images.validation(genome) if view == VALIDATION else bench.images.train(genome, view)
    routes = [assemble(one.genome, bench.layout) for one in candidates]
    wanted = [[i for i in route.frontier if i != INPUT] for route in routes]
    max_bytes = int(bench.cache.max_bytes * share)
    if bench.keeping and max_bytes and any(wanted):
        with bench.spent.on("frozen"):
            frozen_sweep(routes, wanted, pixels, key, bench.shared, bench.cache, max_bytes)
