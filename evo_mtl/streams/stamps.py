"""Whether a task's data are still the files that were read, judged by names, sizes and times alone."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from evo_mtl.errors import InputError
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.raw import Request
from evo_mtl.streams.sources import find_source

SETTLED = 2_000_000_000
"""Nanoseconds after which a second change would show in a file's times, on any file system in use."""


@dataclass(frozen=True)
class Stamp:
    """A task's configuration and its files, none of them opened.

    Attributes:
        digest: Of the configuration, and of path, size, times and inode of every file.
        settled: Whether all files are old enough that another change must show in their times.
        has_files: Whether there are files at all. Data that ship inside a package, or that a function
            makes, have none: their stamp vouches for the configuration only.
    """

    digest: str
    settled: bool
    has_files: bool


def stamp(config: TaskConfig) -> Stamp | None:
    """The stamp of a task's data as they are now; ``None`` where the files cannot be listed."""
    source = find_source(config.source)
    hasher = hashlib.sha256(config.model_dump_json().encode())
    now, newest = time.time_ns(), 0
    try:
        request = Request(config.seed, config.root, config.download)
        paths = source.files(config.source.split(":", 1)[1], request) if source.files else ()
        for path in paths:
            found = path.stat()
            newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
            facts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            hasher.update(f"{path!s}\0{facts}\0".encode(errors="surrogateescape"))
    except (OSError, InputError):
        return None
    return Stamp(hasher.hexdigest(), now - newest >= SETTLED, bool(paths))
