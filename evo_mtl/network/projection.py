"""Random ReLU features that make a linear head less linear, without training and with next to no storage.

References:
    McDonnell 2023, RanPAC, phase 2: a head on ``relu(features @ R)`` with a random ``R``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def projection_matrix(seed: int, in_features: int, width: int) -> Tensor:
    """The matrix ``(in_features, width)``, float32, of signs ``+-1 / sqrt(in_features)``.

    Made from PCG64's raw bits, which numpy keeps stable across versions (unlike its distributions),
    so that a component only needs to store the seed.

    Args:
        seed: At least 0; equal seeds and sizes give equal matrices.
        in_features: Numbers per example.
        width: Random features per example.
    """
    num_signs = in_features * width
    raw = np.random.PCG64(seed).random_raw((num_signs + 63) // 64)
    bits = np.unpackbits(raw.astype("<u8").view(np.uint8), bitorder="little", count=num_signs)
    signs = bits.astype(np.float32).reshape(in_features, width) * 2 - 1
    return torch.from_numpy(signs / np.float32(np.sqrt(in_features)))


def project(features: Tensor, matrix: Tensor) -> Tensor:
    """``relu(features @ matrix)``: ``(N, D)`` and ``(D, M)`` give ``(N, M)``."""
    return torch.relu(features @ matrix)
