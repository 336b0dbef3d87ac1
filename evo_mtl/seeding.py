"""Randomness by address: every draw has a name, and there is no generator state to save.

A generator is made from the run's seed and an address such as ``("task", "mnist", "generation", 2,
"child", 0, "train")``. The same address gives the same draws in any order, process or run.
"""

from __future__ import annotations

import hashlib

import numpy as np

AddressPart = str | int


def words(seed: int, *address: AddressPart) -> list[int]:
    """Eight 32-bit words that name an address; equal addresses give equal words."""
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in address)])
    raw = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(raw[i : i + 4], "little") for i in range(0, 32, 4)]


def generator(seed: int, *address: AddressPart) -> np.random.Generator:
    """The generator at an address.

    Args:
        seed: The run's seed.
        address: Words and numbers; ``1`` and ``"1"`` are different parts.

    Example:
        >>> from evo_mtl.seeding import generator
        >>> a = generator(0, "mnist", 1).integers(100, size=3)
        >>> b = generator(0, "mnist", 1).integers(100, size=3)
        >>> bool((a == b).all())
        True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words(seed, *address))))


def torch_seed(seed: int, *address: AddressPart) -> int:
    """A seed for ``torch.Generator.manual_seed``, in [0, 2**63)."""
    low, high = words(seed, *address)[:2]
    return (high & 0x7FFFFFFF) << 32 | low
