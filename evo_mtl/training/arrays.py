"""Arrays on disk that may be deleted at any time: bounded in bytes, memory-mapped, computed again if gone."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

ABANDONED = 6 * 3600
"""Seconds after which an unfinished file is taken for one whose process died."""


class ArrayCache:
    """Arrays by key, as ``.npy`` files.

    Losing one costs time and changes nothing. A file appears under its name only when it is whole.

    Args:
        folder: Where they lie; made when first needed.
        max_bytes: The oldest ones are removed when the sum would pass it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self.max_bytes = max_bytes

    def find(self, key: str) -> np.ndarray | None:
        """The array of that key, memory-mapped read-only; ``None`` if it is not kept."""
        path = self._path(key)
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
            os.utime(path)
        except (OSError, ValueError, EOFError):
            return None
        return found

    def get(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that key, made and kept if need be."""
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def keep(self, key: str, array: np.ndarray) -> bool:
        """Writes an array; ``False`` when it does not fit or the disk does not take it."""
        if array.nbytes > self.max_bytes:
            return False
        try:
            with self.writing(key, array.shape, array.dtype) as target:
                target[...] = array
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def writing(self, key: str, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
        """A memory-mapped array to fill; it takes its name when the block ends well."""
        self._make_room(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            target = np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=shape)
            _allocate(unfinished)
            yield target
            target.flush()
            with contextlib.suppress(FileNotFoundError):  # the folder may be deleted at any time
                os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npy"

    def _make_room(self, size: int) -> None:
        with contextlib.suppress(OSError):
            files = [(p.stat().st_mtime, p.stat().st_size, p) for p in self._folder.glob("*/*")]
            total = sum(bytes_ for _, bytes_, _ in files) + size
            for changed, bytes_, path in sorted(files, key=lambda file: file[0]):
                abandoned = path.suffix == ".part" and changed < time.time() - ABANDONED
                if abandoned or (total > self.max_bytes and path.suffix == ".npy"):
                    path.unlink(missing_ok=True)
                    total -= bytes_


def _allocate(path: Path) -> None:
    """Takes the disk space now: a write into a map that finds the disk full would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
