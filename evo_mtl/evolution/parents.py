"""Who becomes a parent: the decay-by-use walk of mu2Net, and the tournament."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from evo_mtl.evolution.candidate import ParentName

T = TypeVar("T")


def decay_walk(
    ranked: Sequence[T],
    name: Callable[[T], ParentName],
    num_children: Counter[ParentName],
    rng: np.random.Generator,
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


def walk_or_any(
    members: Sequence[T],
    offered: Sequence[T],
    founders: Sequence[T],
    name: Callable[[T], ParentName],
    num_children: Counter[ParentName],
    rng: np.random.Generator,
) -> T:
    """The parent of the next child: a member, else one that is offered, else anyone.

    Args:
        members: The task's own population, the best first; walked first.
        offered: Other tasks' routes, walked in their order if none was taken there; may be empty.
        founders: All other tasks' routes; if neither walk took one, any of these and the members, evenly.
        name: How children name a parent.
        num_children: Children each parent has had for this task.
        rng: Source of every decision.

    Raises:
        ValueError: There is nobody to choose.
    """
    if not members and not founders:
        raise ValueError("nobody can be a parent: no member, no founder")
    taken = decay_walk(members, name, num_children, rng) or decay_walk(offered, name, num_children, rng)
    if taken is not None:
        return taken
    place = int(rng.integers(len(members) + len(founders)))
    return members[place] if place < len(members) else founders[place - len(members)]


def tournament(contestants: Sequence[T], size: int, key: Callable[[T], Any], rng: np.random.Generator) -> T:
    """The best of ``size`` drawn evenly, with replacement; of equals the first drawn.

    References:
        Real 2019.
    """
    drawn = [contestants[place] for place in rng.integers(len(contestants), size=size)]
    return max(drawn, key=key)
