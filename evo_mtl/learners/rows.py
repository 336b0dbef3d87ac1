"""Rows of a comparison: a line of JSON each, in a file that only grows.

A row is identified by what was asked for, of learners by ``IDENTITY``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from evo_mtl.errors import CorruptionError, InputError
from evo_mtl.files import canonical_json

IDENTITY = ("method", "task", "seed", "size", "trunk", "weights", "grid")

Row = Mapping[str, Any]


def read_rows(path: Path, keys: Collection[str] = (*IDENTITY, "test")) -> list[Row]:
    """All rows of a file, none if there is no file; a torn last line is left out.

    Args:
        path: The file.
        keys: What every row has.

    Raises:
        CorruptionError: A line before the last is not a row, or the last is not the beginning of one.
    """
    if not path.exists():
        return []
    *whole, torn = path.read_bytes().split(b"\n")
    rows: list[Row] = []
    if not (torn.startswith(b"{") or b"{".startswith(torn)):  # what is cut off was begun by us
        raise CorruptionError(f"{path}:{len(whole) + 1}: expected a row of a comparison")
    for number, line in enumerate(whole, 1):
        try:
            row = json.loads(line)
            if not (isinstance(row, dict) and set(keys) <= set(row)):
                raise ValueError
        except ValueError:
            raise CorruptionError(f"{path}:{number}: expected a row of a comparison") from None
        rows.append(row)
    return rows


def append_row(path: Path, row: Row) -> None:
    """Adds a row; a torn last line is cut off first.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write(canonical_json(row) + b"\n")
    except OSError as error:
        raise InputError(f"cannot write a row: {error.strerror}", path) from error
