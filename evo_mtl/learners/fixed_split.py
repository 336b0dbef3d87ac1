"""The thesis' network on any trunk, split in three by hand: frozen for all, followed by all, own to each task.

It is a search space of one genome, so it learns a stream as every search does: what a later task does to the part in
common changes the answers of the earlier ones, and that is what is measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_mtl.errors import TrunkError
from evo_mtl.network.cost import stage_parameters

SHARES = (6.5 / 11.2, 2.3 / 11.2, 2.4 / 11.2)
"""Frozen, common and own share of parameters: the split 6.5 - 2.3 - 2.4 of the thesis' ResNet-18."""

SPACE = "thesis_6.5-2.3-2.4"
"""The search space that has its rates; the thesis states them, the batch size and one pass, but no optimizer."""
CUT = "half"
BATCH = 64


@dataclass(frozen=True)
class Cuts:
    """Where a trunk is split.

    Attributes:
        common: The first stage that all tasks train.
        own: The first stage of which each task has a copy.
        shares: Actual shares of the trunk's parameters: frozen, common, own.
    """

    common: int
    own: int
    shares: tuple[float, float, float]


def nearest_cuts(parameters: Sequence[int], shares: tuple[float, float, float] = SHARES) -> Cuts:
    """The cuts between stages whose shares are nearest to those wanted, no part empty.

    Args:
        parameters: Of each stage.
        shares: The shares wanted.

    Raises:
        TrunkError: There are fewer than three stages.

    Example:
        >>> nearest_cuts([10, 50, 20, 20])
        Cuts(common=2, own=3, shares=(0.6, 0.2, 0.2))
    """
    if len(parameters) < 3:
        raise TrunkError(f"a trunk of {len(parameters)} stages cannot be split in three")
    total = sum(parameters)
    counted = np.concatenate([[0], np.cumsum(parameters)])
    below = counted / total
    first, second = shares[0], shares[0] + shares[1]
    places = [(i, j) for i in range(1, len(parameters)) for j in range(i + 1, len(parameters))]
    common, own = min(places, key=lambda p: (abs(below[p[0]] - first) + abs(below[p[1]] - second), p))
    frozen, shared, rest = (float(n) / total for n in np.diff(counted[[0, common, own, -1]]))
    return Cuts(common, own, (frozen, shared, rest))


def cuts_of(trunk: str) -> Cuts:
    """Where a trunk is split, cut into halves of blocks.

    Raises:
        TrunkError: No such trunk, or it has fewer than three stages.
    """
    return nearest_cuts(stage_parameters(trunk, CUT))


def settings(trunk: str, weights: str, image_size: int) -> tuple[str, ...]:
    """``key=value`` that make of :data:`SPACE` the split of a trunk, for one pass over training examples that stay.

    Args:
        trunk: Its name.
        weights: Where its weights come from.
        image_size: Of its images.

    Raises:
        TrunkError: No such trunk, or it has fewer than three stages.
    """
    cuts = cuts_of(trunk)
    alone = {
        "image_size": image_size,
        "batch_size": BATCH,
        "epochs": 1,
        "schedule": "constant",
        "warmup_share": 0.0,
    }
    seed = {"name": "split", "open_from": cuts.common, "own_from": cuts.own, "taps": "last"}
    values = {
        "name": "fixed_split",
        "trunk": {"name": trunk, "weights": weights, "cut": CUT},
        "stages.boundaries": [cuts.common],
        "stages.own_from": [cuts.own],
        **{f"hyperparameters.{name}": {"values": [one], "default": one} for name, one in alone.items()},
        "seeds": [seed],
        "validations": 1,
    }
    return tuple(f"{key}={json.dumps(value)}" for key, value in values.items())
