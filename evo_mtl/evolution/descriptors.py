"""Task descriptors: which archived tasks look like a new one to the root trunk, told from a few hundred numbers.

A descriptor holds the means and standard deviations, over training images, of some pooled channels at a few
depths of the root trunk. It is text of a fixed length, so that the descriptors of thousands of tasks can be
read and compared in a moment.

References:
    Achille 2019 (Task2Vec: tasks as vectors, compared channel by channel on their own scale), Veniat 2021
    (MNTDP: the nearest archived tasks are the ones worth starting from), Dowson 1982 (the distance).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np

NUM_DEPTHS = 4
NUM_CHANNELS = 24
LEAST_IMAGES = 20
"""Of fewer nothing is described: the means would tell of single images."""
LARGEST = 6e4  # what half precision can hold


def descriptor(pooled: Sequence[np.ndarray]) -> str | None:
    """The descriptor of a task.

    Args:
        pooled: What was pooled at each depth of the root trunk, ``(N, C)``; the last few are read.

    Returns:
        Text; ``None`` for fewer than :data:`LEAST_IMAGES` images.
    """
    if len(pooled[0]) < LEAST_IMAGES:
        return None
    read = []
    for depth in pooled[-NUM_DEPTHS:]:
        channels = depth.shape[1]
        places = np.arange(min(channels, NUM_CHANNELS)) * channels // min(channels, NUM_CHANNELS)
        read.append(depth[:, places].astype(np.float64))
    together = np.concatenate(read, axis=1)
    numbers = np.nan_to_num(np.stack([together.mean(0), together.std(0)]))
    return base64.b64encode(numbers.clip(-LARGEST, LARGEST).astype("<f2").tobytes()).decode("ascii")


def distances(own: str | None, others: Sequence[str | None]) -> np.ndarray:
    """How much other tasks differ from one, ``(N,)``, in [0, 1]; infinite where either has no descriptor.

    The Fréchet distance of two normal distributions in each channel, against how widely both spread there,
    averaged; no channel counts more than 1.

    Args:
        own: A task's descriptor.
        others: Those of others, in order.
    """
    found = np.full(len(others), np.inf)
    if own is None:
        return found
    like = [place for place, other in enumerate(others) if other is not None and len(other) == len(own)]
    if like:
        one, table = _numbers([own])[0], _numbers([str(others[place]) for place in like])
        apart = np.square(table - one).sum(1)
        scale = apart + np.square(table[:, 1]) + np.square(one[1])
        scale[scale == 0] = 1.0  # a channel that is constant and equal in both
        found[like] = (apart / scale).mean(1)
    return found


def _numbers(texts: Sequence[str]) -> np.ndarray:
    """Means and standard deviations, ``(N, 2, D)``."""
    data = b"".join(map(binascii.a2b_base64, texts))
    return np.frombuffer(data, "<f2").reshape(len(texts), 2, -1).astype(np.float32)
