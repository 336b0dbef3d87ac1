"""Arrays on disk that may be deleted or damaged at any time: checked, bounded in bytes, memory-mapped.

An array's file is an ordinary ``.npy`` file followed by eight bytes: ``MAGIC``, and the CRC-32 of the
key and of all bytes before. That finds every flipped bit and all but one in four thousand million of other
damages, in less than half the time of SHA-256. A file that fails counts as missing.

A file in the folder marks it as a cache of this program. Nothing is removed from a folder that is not marked,
and from a marked one only files that are named like arrays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from evo_mtl.errors import InputError
from evo_mtl.files import is_temporary, make_folder, open_plain, write_atomic
from evo_mtl.names import ARRAY_SUFFIX, CACHE_MARK, UNFINISHED_SUFFIX

ABANDONED = 6 * 3600
"""Seconds after which an unfinished file is taken for one whose process died."""
MAGIC = b"EvoA"
TAIL = len(MAGIC) + 4
PIECE = 2**20
MARKED = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# Arrays kept by evo-mtl, which removes them when it needs the room. May be deleted at any time.\n"
)
_ARRAY = re.compile(rf"[0-9a-f]{{64}}(-\d)?{re.escape(ARRAY_SUFFIX)}")
_UNFINISHED = re.compile(rf"[0-9a-f]{{64}}(-\d)?\.\d+{re.escape(UNFINISHED_SUFFIX)}")


class ArrayCache:
    """Arrays by key, each in a file of its own.

    Losing one costs time and changes nothing. A file appears under its name only when it is whole, and is
    checked when it is first found and whenever it has changed since. What a process is reading at that very
    moment is not looked at again; it is let go of at the end of a job.

    Args:
        folder: Where they lie; made and marked when first needed. Where other things lie in it, nothing
            is kept: :func:`check_cache_folder` says so beforehand.
        max_bytes: Those not used for longest are removed when the sum would pass it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self.max_bytes = max_bytes
        self._checked: dict[str, tuple[int, int, int]] = {}

    def find(self, key: str) -> np.ndarray | None:
        """The array of that key, memory-mapped read-only; ``None`` if it is not kept, or damaged."""
        path = self._path(key)
        try:
            with open_plain(path) as file:
                if not self._is_whole(key, file):
                    return None
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, RecursionError, MemoryError):
            return None
        with contextlib.suppress(OSError):  # so that it is not the next to go; the time of change stays
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        return found

    def get(self, key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that key, made and kept if need be."""
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def keep(self, key: str, array: np.ndarray) -> None:
        """Writes an array, if it fits and the disk takes it."""
        if array.nbytes > self.max_bytes:
            return
        with contextlib.suppress(OSError), self.writing(key, array.shape, array.dtype) as target:
            target[...] = array

    @contextlib.contextmanager
    def writing(self, key: str, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
        """A memory-mapped array to fill; it is kept when the block ends well and the disk takes it.

        Raises:
            OSError: There is no room on the disk, or the folder is not a cache of this program.
        """
        try:
            mark_cache_folder(self._folder)
        except InputError as error:
            raise OSError(errno.EEXIST, error.message, str(self._folder)) from error
        self._make_room(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        path = self._path(key)
        unfinished = path.with_suffix(f".{os.getpid()}{UNFINISHED_SUFFIX}")
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(exist_ok=False)  # whatever lay there, it is not written through
            target = np.lib.format.open_memmap(unfinished, mode="w+", dtype=dtype, shape=shape)
            _allocate(unfinished)
            yield target
            with contextlib.suppress(OSError):  # the folder may be deleted at any time
                target.flush()
                self._finish(key, unfinished, path)
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all arrays, and the folder if nothing else is in it."""
        for entry in _own(self._folder):
            _remove(Path(entry.path))
        with contextlib.suppress(OSError):
            if _is_marked(self._folder) and os.listdir(self._folder) == [CACHE_MARK]:
                (self._folder / CACHE_MARK).unlink()
                self._folder.rmdir()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{ARRAY_SUFFIX}"

    def _is_whole(self, key: str, file: BinaryIO) -> bool:
        """Whether a file holds what was written; read only where it is not known."""
        stamp = _stamp(file)
        if self._checked.get(key) == stamp:
            return True
        found = _sum(key, file, os.fstat(file.fileno()).st_size - TAIL)
        if file.read() != found:
            return False
        self._checked[key] = stamp
        return True

    def _finish(self, key: str, unfinished: Path, path: Path) -> None:
        """Puts the check behind a file that was filled, and the file in its place."""
        with open(unfinished, "r+b") as file:
            file.write(_sum(key, file, os.fstat(file.fileno()).st_size))
            file.flush()
            stamp = _stamp(file)
        os.replace(unfinished, path)
        self._checked[key] = stamp

    def _make_room(self, size: int) -> None:
        with contextlib.suppress(OSError):
            files = [(entry, entry.stat(follow_symlinks=False)) for entry in _own(self._folder)]
            total = sum(found.st_size for _, found in files) + size
            for entry, found in sorted(files, key=lambda one: one[1].st_atime_ns):
                kept = _ARRAY.fullmatch(entry.name)
                abandoned = not kept and found.st_mtime < time.time() - ABANDONED
                if abandoned or (kept and total > self.max_bytes):
                    _remove(Path(entry.path))
                    total -= found.st_size


def check_cache_folder(folder: Path) -> None:
    """Makes sure that arrays can be kept in a folder and removed again; writes nothing.

    Raises:
        InputError: It is no folder, or there are things in it and it is not marked.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"cannot be a cache: {error.strerror}", folder) from error
    others = sorted(name for name in names if not is_temporary(name))
    if others and not _is_marked(folder):
        raise InputError(
            f"not a cache of this program, but {others[0]!r} is in it; expected a new or an empty folder",
            folder,
        )


def mark_cache_folder(folder: Path) -> None:
    """Makes a folder that is to be a cache, and marks it.

    Raises:
        InputError: It is no folder, or there are things in it and it is not marked.
        OSError: It cannot be made or written.
    """
    if not _is_marked(folder):
        check_cache_folder(folder)
        make_folder(folder)
        write_atomic(folder / CACHE_MARK, MARKED)


def _is_marked(folder: Path) -> bool:
    try:
        with open_plain(folder / CACHE_MARK) as file:
            return file.read(len(MARKED) + 1) == MARKED
    except OSError:
        return False


def _own(folder: Path) -> list[os.DirEntry[str]]:
    """The arrays of a marked folder, finished and not; nothing of another."""
    if not _is_marked(folder):
        return []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return [
            entry
            for entry in entries
            if (_ARRAY.fullmatch(entry.name) or _UNFINISHED.fullmatch(entry.name))
            and entry.is_file(follow_symlinks=False)
        ]
    return []


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _sum(key: str, file: BinaryIO, size: int) -> bytes:
    """What is to stand behind the first ``size`` bytes of a file, which are read."""
    found, left = zlib.crc32(key.encode()), size
    while left > 0 and (piece := file.read(min(PIECE, left))):
        found = zlib.crc32(piece, found)
        left -= len(piece)
    return MAGIC + found.to_bytes(4, "little")


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


def _allocate(path: Path) -> None:
    """Takes the disk space now: a write into a map that finds the disk full would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
