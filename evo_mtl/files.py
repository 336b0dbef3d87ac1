"""Bytes to disk that survive a crash: canonical JSON, digests, atomic writes, durable appends, a lock.

Every operation that changes a run folder goes through here, so that a test can end the process at any
of them: with ``EVOMTL_CRASH_AT=k`` in the environment the ``k``-th operation (write, fsync, rename,
truncate, remove; counted from 1) calls ``os._exit(70)``; a write is cut in half first.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from evo_mtl.errors import RunError

TEMPORARY_SUFFIX = ".tmp"
CRASH_STATUS = 70


def canonical_json(value: object) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, ASCII, floats by their shortest digits.

    Raises:
        ValueError: A number is not finite.
        TypeError: Something in it is not JSON.

    Example:
        >>> canonical_json({"b": 0.1, "a": [1, "é"]})
        b'{"a":[1,"\\\\u00e9"],"b":0.1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def digest(data: bytes) -> str:
    """SHA-256 of some bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in place whole and durable, or leave what was there.

    Args:
        path: The file; its folder exists.
        data: All its bytes.
        mode: Its permissions, whatever the umask says.

    Raises:
        OSError: The disk is full, or read-only; nothing is left behind.
    """
    fd, temporary = tempfile.mkstemp(prefix=".", suffix=TEMPORARY_SUFFIX, dir=path.parent)
    try:
        try:
            _write(fd, data)
            os.fchmod(fd, mode)
            _sync(fd)
        finally:
            os.close(fd)
        _crash_if_due()
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(path.parent)


def append_durably(fd: int, data: bytes) -> None:
    """Append to an open file and sync it; after an error the file is as long as it was before.

    Args:
        fd: A file opened with ``os.O_APPEND``.
        data: What to add.

    Raises:
        OSError: The disk is full or failing.
    """
    before = os.fstat(fd).st_size
    try:
        _write(fd, data)
        _sync(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, before)
        raise


def truncate_durably(fd: int, size: int) -> None:
    """Cut an open file to ``size`` bytes and sync it."""
    _crash_if_due()
    os.ftruncate(fd, size)
    _sync(fd)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    _crash_if_due()
    path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably; nothing happens where it exists."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Be the only writer while the block runs; readers need no lock.

    The kernel frees the lock when the process ends, however it ends; processes forked from the holder
    do not keep it. The file itself stays.

    Args:
        path: The lock file; its folder exists.

    Raises:
        RunError: Another process has it (its number and host are named), or the file cannot be made.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"cannot be opened as a lock: {error.strerror}", path) from error
    held = [fd]
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 300, 0).decode(errors="replace").strip() or "another process"
            raise RunError(f"in use by {holder}; wait for it or end it", path) from None
        except OSError as error:
            raise RunError(f"cannot be locked: {error.strerror}", path) from error

        def forget_in_child() -> None:
            # A forked worker shares the lock: one that outlives us would block the next run.
            for number in held:
                os.close(number)
            held.clear()

        os.register_at_fork(after_in_child=forget_in_child)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        for number in held:
            os.close(number)
        held.clear()


def _write(fd: int, data: bytes) -> None:
    """Write all of ``data``; where the crash is due, half of it and then the end."""
    if _crash_due():
        os.write(fd, data[: len(data) // 2])
        os._exit(CRASH_STATUS)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync(fd: int) -> None:
    _crash_if_due()
    os.fsync(fd)


def _crash_if_due() -> None:
    if _crash_due():
        os._exit(CRASH_STATUS)


def _crash_counter(at: str | None) -> Callable[[], bool]:
    """A function that is true at its ``at``-th call; never, without ``at``."""
    if not at:
        return lambda: False
    calls, last = itertools.count(1), int(at)
    return lambda: next(calls) == last


_crash_due = _crash_counter(os.environ.get("EVOMTL_CRASH_AT"))
