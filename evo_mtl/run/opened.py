"""What was found out when a run was last opened to be searched, so that it need not be found out again.

``opened.json`` may be deleted or damaged at any time and is never the truth: what it says of ``run.yaml`` counts
only for the very bytes it was read from, and a task's data count as seen only while all their files are
as they were.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evo_mtl.errors import InputError
from evo_mtl.files import canonical_json, digest, read_file, write_atomic

FORMAT = 1
MAX_BYTES = 64_000_000


@dataclass(frozen=True)
class Opened:
    """The content of the file.

    Attributes:
        config_digest: Of the bytes of ``run.yaml``.
        config: What those bytes say, as plain data.
        stamps: Task to the stamp of its files and the digest of its data.
    """

    config_digest: str = ""
    config: Any = None
    stamps: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def read_opened(path: Path) -> Opened:
    """What the file says; nothing where it is missing or broken."""
    try:
        head, body, rest = read_file(path, MAX_BYTES).split(b"\n")
        if rest or json.loads(head) != {"check": digest(body), "format": FORMAT}:
            return Opened()
        data = json.loads(body)
        stamps = {name: (str(stamp), str(seen)) for name, (stamp, seen) in data["stamps"].items()}
        return Opened(data["config_digest"], data["config"], stamps)
    except (InputError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Opened()


def write_opened(path: Path, opened: Opened) -> None:
    """Writes it for the next time; a full disk is no error here."""
    content = {"config_digest": opened.config_digest, "config": opened.config, "stamps": opened.stamps}
    body = canonical_json(content)
    head = canonical_json({"check": digest(body), "format": FORMAT})
    with contextlib.suppress(OSError):
        write_atomic(path, head + b"\n" + body + b"\n")
