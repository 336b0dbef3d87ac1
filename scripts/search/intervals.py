"""Paired differences with their uncertainty: over seeds (Student's t) and over test images and seeds (bootstrap)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A difference and where it lies at 95 %.

    Attributes:
        mean: The difference seen.
        low, high: Ends of the interval; not numbers where there is none.
        count: Seeds it rests on.
    """

    mean: float
    low: float
    high: float
    count: int

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


def over_seeds(differences: Sequence[float]) -> Interval:
    """Student's t interval of paired differences, one a seed; none for fewer than two seeds.

    Example:
        >>> over_seeds([1.0, 3.0])
        Interval(mean=2.0, low=-10.7062..., high=14.7062..., count=2)
    """
    values, count = np.asarray(differences, dtype=np.float64), len(differences)
    if count < 2:
        return Interval(float(values.mean()) if count else float("nan"), float("nan"), float("nan"), count)
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count)
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half), count)


@dataclass(frozen=True)
class Pair:
    """Two methods' answers to one seed's test images.

    Attributes:
        first, second: ``(N,)`` bool, which images each answered rightly.
        labels: ``(N,)`` true classes.
    """

    first: np.ndarray
    second: np.ndarray
    labels: np.ndarray


def over_images_and_seeds(
    pairs: Sequence[Pair], metric: str, rng: np.random.Generator, draws: int = DRAWS
) -> Interval:
    """Paired bootstrap of the mean over seeds of ``first`` minus ``second``, percentiles.

    Each draw takes seeds anew and test images anew. Where all seeds have the same test images, a draw takes
    the same of them for each (they are crossed); where the test split differs, each has its own.

    Args:
        pairs: One a seed.
        metric: ``accuracy`` or ``balanced_accuracy``.
        rng: Where the draws come from.
        draws: How many.
    """
    if not pairs:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    return _interval(_seen(pairs, metric), _means(pairs, metric, rng, draws), len(pairs))


def over_tasks(
    tasks: Sequence[Sequence[Pair]], metric: str, rng: np.random.Generator, draws: int = DRAWS
) -> Interval:
    """The same of the mean over tasks, which stay as they are while their seeds and test examples are drawn anew.

    Args:
        tasks: For each task its pairs, one a seed.
        metric: ``accuracy`` or ``balanced_accuracy``.
        rng: Where the draws come from.
        draws: How many.
    """
    seen = float(np.mean([_seen(pairs, metric) for pairs in tasks]))
    drawn = np.mean([_means(pairs, metric, rng, draws) for pairs in tasks], axis=0)
    return _interval(seen, drawn, min(map(len, tasks)))


def _interval(seen: float, drawn: np.ndarray, count: int) -> Interval:
    low, high = np.percentile(drawn, [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2])
    return Interval(seen, float(low), float(high), count)


def _seen(pairs: Sequence[Pair], metric: str) -> float:
    return float(np.mean([_differences(pair, metric, np.ones((1, len(pair.labels))))[0] for pair in pairs]))


def _means(pairs: Sequence[Pair], metric: str, rng: np.random.Generator, draws: int) -> np.ndarray:
    """The mean difference in each draw, ``(draws,)``."""
    same = all(np.array_equal(pair.labels, pairs[0].labels) for pair in pairs)
    counts = _resampled(len(pairs[0].labels), draws, rng) if same else None
    drawn = np.stack(
        [
            _differences(pair, metric, _resampled(len(pair.labels), draws, rng) if counts is None else counts)
            for pair in pairs
        ],
        axis=1,
    )
    seeds = rng.integers(len(pairs), size=drawn.shape)
    means: np.ndarray = np.take_along_axis(drawn, seeds, axis=1).mean(1)
    return means


def _resampled(count: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image is in each draw, ``(draws, N)``."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def _differences(pair: Pair, metric: str, counts: np.ndarray) -> np.ndarray:
    """The metric's difference in each draw, ``(draws,)``; a class that a draw lacks is left out of it."""
    difference = pair.first.astype(np.float64) - pair.second
    groups = np.zeros(len(pair.labels), np.int64) if metric == "accuracy" else pair.labels
    members = np.eye(groups.max() + 1)[groups]
    sizes = counts @ members
    sums = counts @ (difference[:, None] * members)
    present = sizes > 0
    shares = np.divide(sums, sizes, out=np.zeros_like(sums), where=present)
    means: np.ndarray = shares.sum(1) / present.sum(1)
    return means
