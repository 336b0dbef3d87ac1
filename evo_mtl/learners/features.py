"""Pooled features of a frozen trunk at chosen depths, computed in float32 and kept if asked to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from evo_mtl.files import canonical_json, digest
from evo_mtl.network.folding import folded
from evo_mtl.network.forward import CHUNK, padded
from evo_mtl.network.pooling import pool
from evo_mtl.network.trunks import Trunk
from evo_mtl.training.arrays import ArrayCache


class Tap(NamedTuple):
    """Where a trunk is read: after a stage, pooled to ``grid`` x ``grid``."""

    stage: int
    grid: int


def final_tap(trunk: Trunk) -> tuple[Tap, ...]:
    """The trunk's last features, averaged over the image."""
    return (Tap(len(trunk.stages) - 1, 1),)


def depth_taps(trunk: Trunk) -> tuple[Tap, ...]:
    """Every group's end but the stem's and the first block group's, in 1x1 and 2x2; the last in 1x1 only.

    For ``tf_efficientnet_lite0`` these are block groups 2 to 7 and the head convolution: 5,120 numbers.
    """
    inner = trunk.group_ends[2:-1]
    return (*(Tap(i, grid) for i in inner for grid in (1, 2)), *final_tap(trunk))


def pooled_features(
    trunk: Trunk, images: np.ndarray, taps: Sequence[Tap], cache: ArrayCache | None = None
) -> np.ndarray:
    """Features ``(N, D)`` float32 of images ``(N, S, S, 3)`` uint8, the taps side by side.

    Args:
        trunk: Run in eval mode, in padded chunks of one size; left as it was.
        images: Decoded images.
        taps: Where to read, in the order of the result.
        cache: Where the result is kept, named by the pixels, the trunk and the taps.
    """
    if cache is None:
        return _forward(trunk, images, taps)
    key = {
        "trunk": trunk.name,
        "weights": trunk.weights,
        "cut": trunk.cut,
        "taps": [list(tap) for tap in taps],
        "shape": list(images.shape),
        "images": digest(np.ascontiguousarray(images).tobytes()),
        "torch": torch.__version__,
        "norms": "folded",
        "chunk": CHUNK,
    }
    return cache.get(digest(canonical_json(key)), lambda: _forward(trunk, images, taps))


@torch.inference_mode()
def _forward(trunk: Trunk, images: np.ndarray, taps: Sequence[Tap]) -> np.ndarray:
    source = trunk.input.at(int(images.shape[1]))
    parts, stages = [], [folded(stage) for stage in trunk.stages]
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        activation = source.first(torch.from_numpy(padded(chunk)))
        vectors = {}
        for i, stage in enumerate(stages):
            activation = stage(activation)
            for tap in taps:
                if tap.stage == i:
                    vectors[tap] = pool(activation, tap.grid, trunk.num_prefix_tokens)
        joined = torch.cat([vectors[tap] for tap in taps], 1)
        parts.append(joined[: len(chunk)].numpy().copy())
    return np.concatenate(parts)
