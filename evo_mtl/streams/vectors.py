"""Rows of numbers as examples: any features, of texts, sounds, tables, or another model's."""

from __future__ import annotations

from typing import Any

import numpy as np

from evo_mtl.errors import DataError

LARGEST = 1e18
"""Of a number in a row: squares of larger ones pass what float32 can hold."""


def as_rows(given: Any, place: object = None) -> np.ndarray:
    """Rows ``(N, D)`` as float32.

    Args:
        given: An array ``(N, D)`` of floats, whole numbers or truth values.
        place: For messages.

    Raises:
        DataError: Another shape or type. Single numbers are not looked at: see :func:`to_row`.
    """
    if not isinstance(given, np.ndarray):
        raise DataError(f"expected an array (N, D), met {type(given).__name__}", place)
    if given.dtype.kind not in "fiub":
        raise DataError(f"expected numbers, met {given.dtype}", place)
    if given.ndim != 2 or given.size == 0:
        raise DataError(f"expected rows (N, D) and not empty, met {given.shape}", place)
    with np.errstate(over="ignore"):  # too large ones are told by to_row, with their place
        return np.ascontiguousarray(given, dtype=np.float32)


def to_row(row: Any, place: object = None) -> np.ndarray:
    """A row ``(D,)`` float32 whose numbers can be computed with.

    Args:
        row: ``(D,)``, as :func:`as_rows` gives it.
        place: The row's name, for messages.

    Raises:
        DataError: A number is missing (nan), infinite or too large; says which.
    """
    assert isinstance(row, np.ndarray)
    bad = np.flatnonzero(~(np.abs(row) <= LARGEST))
    if len(bad):
        raise DataError(f"feature {bad[0]} is {row[bad[0]]:g}; expected numbers up to {LARGEST:g}", place)
    return row
