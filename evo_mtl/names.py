"""What the program's files are called, and how their names end; images are listed where they are opened."""

from __future__ import annotations

CONFIGURATION = "run.yaml"
JOURNAL = "journal.jsonl"
SNAPSHOT_SUFFIX = ".snapshot.json"
TIMINGS = "timings.jsonl"
OPENED = "opened.json"
LOCK = ".lock"
COMPONENTS = "components"
CACHE = "cache"
CACHE_MARK = "CACHEDIR.TAG"
"""By the convention of bford.info/cachedir, so that programs that make backups pass a cache over."""

COMPONENT_SUFFIX = ".safetensors"
ARRAY_SUFFIX = ".npy"
UNFINISHED_SUFFIX = ".part"
"""Of an array that is being filled; before it stands the number of the process."""
TEMPORARY_PREFIX = ".evo-mtl-"
TEMPORARY_SUFFIX = ".tmp"
"""Of a file that is not put in its place yet."""
DOCUMENT_SUFFIXES = (".yaml", ".yml")
