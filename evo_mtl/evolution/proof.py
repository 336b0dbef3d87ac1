"""Whether one route is really better than another: paired tests on the same images.

One-sided: a small ``p`` speaks for the new route. The images must have had no part in finding it.
"""

from __future__ import annotations

import math

import numpy as np

DRAWS = 10_000


def p_value(
    metric: str, old: np.ndarray, new: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> float:
    """Probability of an advantage like this, or a larger one, if the new route were no better.

    Args:
        metric: Of the task: accuracy is tested by McNemar's test, balanced accuracy by a bootstrap.
        old, new: ``(N,)`` bool, whether each image is answered correctly.
        labels: ``(N,)`` classes.
        rng: Draws the bootstrap.
    """
    if metric == "balanced_accuracy":
        return stratified_bootstrap(old, new, labels, rng)
    return mcnemar(int((new & ~old).sum()), int((old & ~new).sum()))


def mcnemar(won: int, lost: int) -> float:
    """The exact one-sided test of McNemar 1947: images that both answer correctly, or neither, say nothing.

    Args:
        won: Images that only the new route answers correctly.
        lost: Images that only the old one does.

    Example:
        >>> mcnemar(5, 0)
        0.03125
        >>> mcnemar(0, 0)
        1.0
    """
    return sum(math.comb(won + lost, k) for k in range(won, won + lost + 1)) / 2 ** (won + lost)


def stratified_bootstrap(
    old: np.ndarray, new: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> float:
    """Share of draws in which the new route's balanced accuracy is not higher, images drawn anew within each class.

    Never less than what so many won images could prove at best in any paired test: a bootstrap over few
    images is overconfident.

    References:
        Efron 1993.
    """
    gained = new.astype(np.int64) - old.astype(np.int64)
    means = np.zeros(DRAWS)
    for label in np.unique(labels):
        own = gained[labels == label]
        shares = [(own == sign).mean() for sign in (1, -1, 0)]
        drawn = rng.multinomial(len(own), shares, size=DRAWS)
        means += (drawn[:, 0] - drawn[:, 1]) / len(own)
    found = (1 + int((means <= 1e-12).sum())) / (DRAWS + 1)
    return max(found, 0.5 ** int((gained > 0).sum()))


def halves(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices of two random halves, each class divided evenly: one to choose on, one to prove on."""
    classes = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    order = np.concatenate(classes)
    return np.sort(order[0::2]), np.sort(order[1::2])
