"""Carrying out a look: one pass of a task's images through frozen stages, and ridge heads on what was pooled there."""

from __future__ import annotations

import numpy as np

from evo_mtl.evolution.descriptors import descriptor
from evo_mtl.evolution.looks import Look, LookRequest
from evo_mtl.files import digest
from evo_mtl.genome.genome import Genome
from evo_mtl.network.assembly import assemble
from evo_mtl.network.closed_form import choose_ridge, ridge_multiply_adds, standardise
from evo_mtl.network.cost import line_multiply_adds
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import Route
from evo_mtl.seeding import generator
from evo_mtl.training import metrics
from evo_mtl.training.kept import frozen_sweep
from evo_mtl.training.trial import Bench


def do_look(request: LookRequest, max_images: int, bench: Bench) -> Look:
    """Looks at a line of frozen stages.

    Args:
        request: The line, and the image size in its genome.
        max_images: Most training images that are read; more are drawn by address.
        bench: The task's surroundings.
    """
    genome, task = request.genome, bench.images.task
    route = assemble(genome, bench.layout)
    rows, key, pixels = _training_images(genome, max_images, bench)
    labels, truth = task.train.labels[rows], task.validation.labels
    train = _taps(route, key, pixels, bench)
    validation = _taps(route, *bench.images.validation(genome), bench)

    def quality(places: list[int]) -> float:
        x = np.concatenate([train[i] for i in places], axis=1)
        mean, scale = (one.numpy() for one in standardise(x))
        head = choose_ridge((x - mean) / scale, labels, num_classes=len(task.classes))
        seen = (np.concatenate([validation[i] for i in places], axis=1) - mean) / scale
        scores = seen @ head.weight.numpy().T + head.bias.numpy()
        return metrics.score(task.metric, scores.argmax(1), truth)

    stages = tuple(tap.stage for tap in genome.taps)
    with bench.spent.on("solve"):
        alone = tuple(quality([i]) for i in range(len(stages)))
        together = quality(list(range(len(stages))))
    images, multiply_adds = look_work(genome, len(pixels), len(truth), bench.layout)
    return Look(request.parent, genome.image_size, stages, alone, together, len(truth), images, multiply_adds)


def describe(genome: Genome, max_images: int, bench: Bench) -> str | None:
    """The task's descriptor, computed from what a look at the root trunk has pooled and kept.

    Args:
        genome: The root trunk as looks read it.
        max_images: As the look was told.
        bench: The task's surroundings.
    """
    _, key, pixels = _training_images(genome, max_images, bench)
    return descriptor(_taps(assemble(genome, bench.layout), key, pixels, bench))


def _training_images(genome: Genome, max_images: int, bench: Bench) -> tuple[np.ndarray, str, np.ndarray]:
    """Places, key and pixels of the training images that a look reads."""
    key, pixels = bench.images.train(genome, 0)
    rows = np.arange(len(pixels))
    if len(rows) > max_images:
        rng = generator(bench.seed, "task", bench.images.task.name, "look images")
        rows = np.sort(rng.permutation(len(pixels))[:max_images])
        key, pixels = f"{key} rows {digest(rows.tobytes())}", pixels[rows]
    return rows, key, pixels


def look_work(genome: Genome, num_train: int, num_validation: int, layout: TrunkLayout) -> tuple[int, float]:
    """Images presented and planned multiply-adds of a look."""
    forward = sum(line_multiply_adds(layout, genome.depth, genome.adapters, genome.image_size))
    widths = [layout.channels[tap.stage] for tap in genome.taps]
    solved = sum(ridge_multiply_adds(num_train, width) for width in (*widths, sum(widths)))
    images = num_train + num_validation
    return images, float(images * forward + solved)


def _taps(route: Route, key: str, pixels: np.ndarray, bench: Bench) -> list[np.ndarray]:
    """What is pooled at each tap, ``(N, C)`` float64."""
    places = list(route.nodes[-2].inputs)
    with bench.spent.on("frozen"):
        cache = bench.cache
        [found] = frozen_sweep([route], [places], pixels, key, bench.shared, cache, cache.max_bytes // 4)
    return [np.asarray(found[i][0], dtype=np.float64) for i in places]
