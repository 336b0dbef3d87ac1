"""Clock readings beside the journal: useful, never part of the truth.

They are kept apart so that journals of equal runs are equal byte for byte. Nothing is synced, a line
that cannot be written is dropped, a line that cannot be read is passed over.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from evo_mtl.errors import RunError
from evo_mtl.files import canonical_json, open_own, open_plain


def append_timing(path: Path, **record: object) -> None:
    """Add one record to ``timings.jsonl``; a full or read-only disk, or a link there, is no error here."""
    line = canonical_json(record) + b"\n"
    how = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with contextlib.suppress(OSError, RunError), os.fdopen(open_own(path, how), "ab") as file:
        file.write(line)


def read_timings(path: Path) -> tuple[Mapping, ...]:
    """All records that can be read; none where there is no file."""
    try:
        with open_plain(path) as file:
            lines = file.read().split(b"\n")
    except OSError:
        return ()
    records = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return tuple(records)
