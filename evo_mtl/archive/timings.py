"""Clock readings beside the journal: useful, never part of the truth.

They are kept apart so that journals of equal runs are equal byte for byte. Nothing is synced, a line
that cannot be written is dropped, a line that cannot be read is passed over.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from evo_mtl.files import canonical_json


def append_timing(path: Path, **record: object) -> None:
    """Add one record to ``timings.jsonl``; a full or read-only disk is no error here."""
    line = canonical_json(record) + b"\n"
    with contextlib.suppress(OSError), open(path, "ab") as file:
        file.write(line)


def read_timings(path: Path) -> tuple[Mapping, ...]:
    """All records that can be read; none where there is no file."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return ()
    records = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return tuple(records)
