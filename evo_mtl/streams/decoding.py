"""From raw items and files to examples, by what the examples are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.errors import DataError
from evo_mtl.names import ARRAY_SUFFIX
from evo_mtl.registry import Registry
from evo_mtl.streams.images import SUFFIXES, to_rgb
from evo_mtl.streams.vectors import to_row

Decode = Callable[[Any, object], np.ndarray]
"""From a raw item and its name, for messages, to an example; raises ``DataError`` for a broken one."""

DECODERS: Registry[Decode] = Registry("form of examples")
DECODERS.add("pixels", to_rgb)
DECODERS.add("vector", to_row)

FILES = {
    "pixels": (SUFFIXES, "an image"),
    "vector": (frozenset({ARRAY_SUFFIX, ".npz"}), "an .npy or .npz file"),
}
"""Endings of files with examples that are taken from a folder, and what one is called."""


def example_files(paths: Iterable[str | Path], kind: str) -> Iterator[Path]:
    """The files that paths name: files as given, folders by their files with examples at any depth, sorted.

    Args:
        paths: Of files and folders.
        kind: Of the input that reads the examples.

    Raises:
        DataError: No such path, or a folder without such a file.
    """
    suffixes, called = FILES[kind]
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
            if not found:
                raise DataError(f"a folder without {called}", path)
            yield from found
        elif path.exists():
            yield path
        else:
            raise DataError("no such file or folder", path)
