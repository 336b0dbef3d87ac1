"""What was answered correctly on a test split, small enough to be kept in a row and compared in pairs later."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

CODE = np.dtype("<u2")
"""Labels in a row: two bytes each."""


def pack(answers: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    """Keys ``correct`` (a bit for each image, in hex) and ``labels`` (packed; equal text means equal labels).

    Args:
        answers: ``(N,)`` predicted class numbers.
        labels: ``(N,)`` true ones, below 65,536.
    """
    bits = np.packbits(np.asarray(answers) == np.asarray(labels))
    packed = zlib.compress(np.asarray(labels).astype(CODE).tobytes(), 9)
    return {"correct": bits.tobytes().hex(), "labels": base64.b64encode(packed).decode("ascii")}


def unpack(row: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Which images were answered correctly, ``(N,)`` bool, and their labels ``(N,)``; what :func:`pack` kept.

    Example:
        >>> import numpy as np
        >>> from evo_mtl.learners.answers import pack, unpack
        >>> correct, labels = unpack(pack(np.array([0, 2, 2]), np.array([0, 1, 2])))
        >>> correct.tolist(), labels.tolist()
        ([True, False, True], [0, 1, 2])
    """
    labels = np.frombuffer(zlib.decompress(base64.b64decode(row["labels"])), CODE).astype(np.int64)
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(row["correct"]), np.uint8))
    return bits[: len(labels)].astype(bool), labels
