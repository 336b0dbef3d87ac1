"""The winner's luck: the best of many candidates was lucky, too; by how much (the field's optimism).

For each candidate it is kept which validation images it answered correctly, at every validation while it
trained. The whole choice (of the candidate, and of the moment in its training) is then made again on
bootstrap draws of the images, and what was chosen is judged on the images outside the draw.

Two things are not undone: later candidates were bred from earlier ones by the same images, and the search
space was thought out before. The interval is the bootstrap's; it is too wide rather than too narrow, since
only about a third of the images lie outside a draw.

References:
    Tsamardinos, Greasidou and Borboudakis 2018, Bootstrapping the out-of-sample predictions (BBC-CV).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import Right
from evo_mtl.genome.sections import Objective
from evo_mtl.plain import Count, Share

DRAWS = 500
DEFINITION = "bbc-cv:tsamardinos2018_500_draws_chosen_inside_judged_outside"
NUMBERS_AT_ONCE = 2**22
"""Of a block of draws by images; it bounds memory and changes no result."""


@dataclass(frozen=True)
class Corrected:
    """A winner's quality after correction.

    Attributes:
        quality: Mean over the draws of what the winner of each reached outside it.
        low, high: Between them lie 95 % of the draws.
        candidates: How many the choice was among.
        definition: Names the method.
    """

    quality: Share
    low: Share
    high: Share
    candidates: Count
    definition: str = DEFINITION


def pack(right: Sequence[np.ndarray]) -> Right:
    """Whether each image was answered correctly, ``(N,)`` bool at each validation, in short."""
    return Right(len(right[0]), tuple(np.packbits(one).tobytes().hex() for one in right))


def unpack(right: Right) -> np.ndarray:
    """What :func:`pack` was given, ``(validations, N)`` bool."""
    rows = [np.frombuffer(bytes.fromhex(text), dtype=np.uint8) for text in right.bits]
    return np.unpackbits(np.stack(rows), axis=1, count=right.images).astype(bool)


def corrected_quality(
    evaluations: Sequence[Evaluation],
    root: tuple[int, float],
    objective: Objective,
    classes: np.ndarray,
    rng: np.random.Generator,
) -> Corrected | None:
    """The winner's quality, corrected for having been chosen.

    Args:
        evaluations: All of a task's search, oldest first; those whose notes do not hold what they answered
            are left out.
        root: Parameters and multiply-adds of the root trunk.
        objective: Of the search: winners of draws are chosen by score.
        classes: ``(N,)`` of the images; each counts as much as every other. One class for plain accuracy.
        rng: Draws the images.

    Returns:
        ``None`` where fewer than two images, or no candidate, can be drawn from. Where some candidates answered
        fewer images than others, all are compared on the first images, which all answered.
    """
    answered = [(one, one.notes.right) for one in evaluations if one.ok]
    known = [(one, unpack(right)) for one, right in answered if right is not None]
    tables = [table for _, table in known]
    count = min((table.shape[1] for table in tables), default=0)
    if count < 2:
        return None
    right = np.concatenate([table[:, :count] for table in tables])
    factors = np.repeat(
        [fitness(1.0, one.cost, root, objective) for one, _ in known], [len(table) for table in tables]
    )
    found = judged_outside(right, factors, classes[:count], rng, DRAWS)
    low, high = np.quantile(found, [0.025, 0.975])
    return Corrected(float(found.mean()), float(low), float(high), len(known))


def judged_outside(
    right: np.ndarray, factors: np.ndarray, classes: np.ndarray, rng: np.random.Generator, draws: int
) -> np.ndarray:
    """For each draw, the quality outside it of what is best inside it, ``(draws,)``.

    Args:
        right: ``(M, N)`` bool, a row for each choice there was, oldest first; of equals the newest is chosen.
        factors: ``(M,)``, score per quality.
        classes: ``(N,)``.
        rng: Draws ``N`` images with replacement, each time until one is left outside.
        draws: How often.
    """
    count = right.shape[1]
    members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    numbers = right.astype(np.float32)  # sums of so few ones are exact in float32
    found: list[np.ndarray] = []
    block = max(NUMBERS_AT_ONCE // count, 1)
    for start in range(0, draws, block):
        times = np.stack([_draw(count, rng) for _ in range(min(block, draws - start))])
        inside = _mean_share(
            [(numbers[:, of] @ times[:, of].T.astype(np.float32)).T for of in members],
            [times[:, of].sum(1) for of in members],
        )
        scores = inside * factors
        chosen = scores.shape[1] - 1 - scores[:, ::-1].argmax(1)
        outside = times == 0
        hits = right[chosen] & outside
        found.append(
            _mean_share(
                [hits[:, of].sum(1, keepdims=True) for of in members],
                [outside[:, of].sum(1) for of in members],
            )[:, 0]
        )
    return np.concatenate(found)


def _draw(count: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image is drawn, ``(N,)``; at least one is not."""
    while True:
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        if not times.all():
            return times


def _mean_share(hits: Sequence[np.ndarray], sizes: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the classes that occur in a draw of the share answered correctly, ``(B, M)``.

    Args:
        hits: For each class ``(B, M)``.
        sizes: For each class ``(B,)``.
    """
    shares = sum(
        np.asarray(hit, dtype=np.float64) / np.maximum(size, 1)[:, None]
        for hit, size in zip(hits, sizes, strict=True)
    )
    occurring = sum((size > 0).astype(np.int64) for size in sizes)
    return np.asarray(shares / np.asarray(occurring)[:, None])
