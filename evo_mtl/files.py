"""Bytes to disk that survive a crash: canonical JSON, digests, atomic writes, durable appends, a lock.

A run may come from anywhere, with links in it. What is written in place goes through :func:`open_own`,
which follows none; what is read goes through :func:`open_plain`, which waits for no pipe.

Every operation that changes a run folder goes through here, so that a test can end the process at any
of them: with ``EVOMTL_CRASH_AT=k`` in the environment the ``k``-th operation (write, fsync, rename,
truncate, remove; counted from 1) calls ``os._exit(70)``; a write is cut in half first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import itertools
import json
import os
import re
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from evo_mtl.errors import DataError, RunError
from evo_mtl.names import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

CRASH_STATUS = 70
_LOCKED = re.compile(rb"(process \d+ on [^\n]{0,255}\n?)?\0*")
"""What a lock file may say: its last holder, or nothing."""


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
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_plain(path: Path) -> io.BufferedReader:
    """A file opened to be read, or what a link leads to.

    Raises:
        OSError: It cannot be opened, or is no file but a pipe, a device or a folder.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "expected a file, met something else", str(path))
    return os.fdopen(fd, "rb")


def open_own(path: Path, flags: int) -> int:
    """A file opened to be written in place, which no other name leads to or shares.

    Args:
        path: The file.
        flags: As for ``os.open``.

    Returns:
        Its descriptor.

    Raises:
        RunError: It is a link, has a second name, or is no file.
        OSError: It cannot be opened.
    """
    check_own(path)
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_nlink <= 1:
        return fd
    os.close(fd)
    raise RunError("has a second name somewhere (a hard link), where writing would show; copy it", path)


def check_own(path: Path, folder: bool = False) -> None:
    """Refuses what would lead a writer out of the folder that a path is in.

    Args:
        path: Where a file is to be, or nothing.
        folder: Whether a folder is to be there instead.

    Raises:
        RunError: A link, a pipe, a device, or the one in the place of the other.
    """
    try:
        found = path.lstat().st_mode
    except FileNotFoundError:
        return
    wanted = "folder" if folder else "file"
    if stat.S_ISLNK(found):
        raise RunError(f"expected a {wanted}, met a link; nothing is written through links", path)
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found):
        raise RunError(f"expected a {wanted}, met something else", path)


def read_file(path: Path, most: int) -> bytes:
    """All bytes of a file that somebody hands in; never waits for a pipe, nor reads a device without end.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        DataError: No file, or not a plain one, or larger; names it.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most or len(data := file.read(most + 1)) > most:
                raise DataError(f"larger than {most:,} bytes", path)
            return data
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path) from None


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in place whole and durable, or leave what was there.

    Args:
        path: The file; its folder exists.
        data: All its bytes.
        mode: Its permissions, whatever the umask says.

    Raises:
        OSError: The disk is full, or read-only; nothing is left behind.
    """
    fd, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, dir=path.parent)
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


def is_temporary(name: str) -> bool:
    """Whether a file of that name is one that :func:`write_atomic` had not put in its place yet."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


def remove_temporaries(folder: Path) -> None:
    """Remove from a folder what crashes left of atomic writes; no other writer may be at work in it."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in list(entries):
            if is_temporary(entry.name) and entry.is_file(follow_symlinks=False):
                remove(Path(entry.path))


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
        RunError: Another process has it (its number and host are named), the file cannot be made, or
            something else lies there.
    """
    try:
        fd = open_own(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise RunError(f"cannot be opened as a lock: {error.strerror}", path) from error
    held = [fd]
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = os.pread(fd, 300, 0).strip(b"\n\0")
            holder = said.decode(errors="replace") if said and _LOCKED.fullmatch(said) else "another process"
            raise RunError(f"in use by {holder}; wait for it or end it", path) from None
        except OSError as error:
            raise RunError(f"cannot be locked: {error.strerror}", path) from error
        if not _LOCKED.fullmatch(os.pread(fd, 300, 0)):
            raise RunError("expected a lock of this program, met a file of something else", path)

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
    """Write all of ``data``; where the crash is due, half of it, and end the process."""
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
