"""The file of raw rows: one line of JSON for each (method, seed, task), appended by several processes."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evo_mtl.errors import InputError
from evo_mtl.learners.rows import append_row, read_rows

IDENTITY = ("method", "seed", "task")

Row = Mapping[str, Any]


class Rows:
    """``rows.jsonl`` in the folder of a benchmark.

    Args:
        folder: The benchmark's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows.jsonl"

    def read(self) -> list[Row]:
        """All rows, in the order they were found; a torn last line is left out.

        Raises:
            CorruptionError: A line before the last is not a row.
        """
        return read_rows(self.path, (*IDENTITY, "asked", "test"))

    def append(self, row: Row) -> None:
        """Adds a row; other processes wait meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "ab") as waiting:
            fcntl.flock(waiting, fcntl.LOCK_EX)
            append_row(self.path, row)

    def there(self, method: str, seed: int, asked: str, rows: Iterable[Row] | None = None) -> set[str]:
        """Tasks of a method and seed that have a row.

        Raises:
            InputError: They were asked for otherwise: another space, stream, size or grid.
        """
        found = [
            row
            for row in (self.read() if rows is None else rows)
            if (row["method"], row["seed"]) == (method, seed)
        ]
        if any(row["asked"] != asked for row in found):
            raise InputError(
                f"has rows of {method}, seed {seed}, that were asked for with other tasks, space or options; "
                "use another --out",
                self.path,
            )
        return {row["task"] for row in found}
