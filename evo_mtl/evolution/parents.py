"""Who becomes a parent: the decay-by-use walk of mu2Net."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def decay_walk(
    ranked: Sequence[T], name: Callable[[T], str], num_children: Counter[str], rng: np.random.Generator
) -> T | None:
    """Walks from the best down and takes one with probability ``0.5 ** k``, ``k`` its children so far.

    Returns:
        The one taken; ``None`` if the walk ends without any.

    References:
        Gesmundo 2022.
    """
    for one in ranked:
        if rng.random() < 0.5 ** num_children[name(one)]:
            return one
    return None


def choose_parent(
    members: Sequence[T],
    founders: Sequence[T],
    name: Callable[[T], str],
    num_children: Counter[str],
    rng: np.random.Generator,
    ranked: Sequence[T] = (),
) -> T:
    """The parent of the next child.

    The walk over the task's own population; if it takes none, the walk over the other tasks' routes,
    the ``ranked`` ones first and the others in shuffled order; if still none, one of both evenly.

    Raises:
        ValueError: There is nobody to choose.
    """
    everyone = [*members, *founders]
    if not everyone:
        raise ValueError("nobody can be a parent: no member, no founder")
    first = {name(one) for one in ranked}
    drawn = [founders[i] for i in rng.permutation(len(founders))]
    shuffled = [*ranked, *(one for one in drawn if name(one) not in first)]
    return (
        decay_walk(members, name, num_children, rng)
        or decay_walk(shuffled, name, num_children, rng)
        or everyone[rng.integers(len(everyone))]
    )
