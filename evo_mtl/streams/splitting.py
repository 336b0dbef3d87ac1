"""Seeded, stratified choices that depend on the content of images, not on where they are stored.

An example's rank is a hash of (seed, purpose, the image's digest); the lowest ranks of a class are
chosen. So a renamed or moved file changes nothing, and an added one hardly moves the others.
"""

from __future__ import annotations

import numpy as np

from evo_mtl.errors import DataError
from evo_mtl.seeding import words


def ranks(digests: list[bytes], seed: int, purpose: str) -> list[tuple[int, ...]]:
    """The rank of each example; smaller is chosen first."""
    return [tuple(words(seed, "split", purpose, digest.hex())) for digest in digests]


def hold_out(
    labels: np.ndarray, digests: list[bytes], fraction: float, seed: int, purpose: str, keep: int = 1
) -> np.ndarray:
    """Which examples are set aside.

    Args:
        labels: ``(N,)`` class numbers.
        digests: Digest of each image.
        fraction: Share of each class, rounded, at least one example.
        seed: The task's seed.
        purpose: ``"validation"`` or ``"test"``; each has its own draw.
        keep: At least this many of each class stay, even if none can then be set aside.

    Returns:
        ``(N,)`` bool, True for those set aside.
    """
    counts = np.bincount(labels)
    wanted = np.minimum(np.maximum(np.floor(fraction * counts + 0.5).astype(int), 1), counts - keep)
    return _lowest(labels, ranks(digests, seed, purpose), np.maximum(wanted, 0))


def limited(
    labels: np.ndarray, digests: list[bytes], limit: int, seed: int, purpose: str, floor: int = 0
) -> np.ndarray:
    """At most ``limit`` examples, classes in proportion, at least ``floor`` of each class that has so many.

    Returns:
        ``(N,)`` bool, True for those that stay.

    Raises:
        DataError: ``limit`` is too small for ``floor`` of each class.
    """
    counts = np.bincount(labels)
    least = np.minimum(counts, floor)
    if least.sum() > limit:
        raise DataError(
            f"limit {limit} is too small: {int((counts > 0).sum())} classes need at least {least.sum()} images"
        )
    return _lowest(labels, ranks(digests, seed, purpose), _allot(counts, least, limit))


def _allot(counts: np.ndarray, least: np.ndarray, total: int) -> np.ndarray:
    """``total`` places in proportion to ``counts``, by largest remainders, within [least, counts]."""
    if counts.sum() <= total:
        return counts
    exact = counts * (total / counts.sum())
    given = np.maximum(np.floor(exact).astype(int), least)
    order = np.argsort(-(exact - np.floor(exact)), kind="stable")
    for label in order:
        if given.sum() < total and given[label] < counts[label]:
            given[label] += 1
    while given.sum() > total:  # the least allotments took more than their share: the largest class gives way
        given[np.argmax(given - least)] -= 1
    return given


def _lowest(labels: np.ndarray, rank: list[tuple[int, ...]], wanted: np.ndarray) -> np.ndarray:
    chosen = np.zeros(len(labels), dtype=bool)
    left = wanted.copy()
    for index in sorted(range(len(labels)), key=lambda i: (rank[i], i)):
        if left[labels[index]] > 0:
            left[labels[index]] -= 1
            chosen[index] = True
    return chosen
