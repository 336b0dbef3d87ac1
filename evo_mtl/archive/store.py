"""The component store: weights on disk, each file named by the digest of its bytes, never changed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_mtl.archive import encoding
from evo_mtl.errors import CorruptionError
from evo_mtl.files import (
    check_own,
    digest,
    file_digest,
    make_folder,
    open_plain,
    remove,
    remove_temporaries,
    sync_folder,
    write_atomic,
)
from evo_mtl.names import COMPONENT_SUFFIX, COMPONENTS

if TYPE_CHECKING:
    import torch

Check = Callable[[Mapping[str, Any], Mapping[str, Sequence[int]]], None]
"""Given a component's spec and the shapes of its tensors; raises ``ValueError``."""


class UnknownComponentError(CorruptionError):
    """The store holds no component of that digest."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file of the archive.

    Args:
        place: The file.
        message: What is wrong with it.
    """

    place: str
    message: str


class ComponentStore:
    """Components of one run, in ``root/components/<2 hex>/<digest>.safetensors``.

    Writing and removing is for the holder of the run's lock, and refuses folders that are links; reading
    is for all. A component's bytes are checked against its digest the first time this store reads them.

    Args:
        root: The run folder; nothing is made before the first write.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Path(root) / COMPONENTS
        self._verified: dict[str, tuple[int, int]] = {}

    def write(self, tensors: Mapping[str, np.ndarray | torch.Tensor], spec: Mapping) -> str:
        """Keep a component; it is durable when this returns.

        Args:
            tensors: Named arrays or tensors, all parameters and buffers; left unchanged.
            spec: What the component is, as JSON values.

        Returns:
            Its digest; equal content has equal digests, in any process.

        Raises:
            ValueError: A dtype or a spec that cannot be kept.
            RunError: A folder of the store is a link.
            OSError: The disk is full or failing; nothing is left behind.
        """
        data = encoding.encode(tensors, spec)
        name = digest(data)
        path = self._own(name)
        make_folder(path.parent)
        if _is_there(path, len(data)) and file_digest(path) == name:
            # A process that died here may have renamed the file without syncing the folder.
            sync_folder(path.parent)
        else:
            write_atomic(path, data, mode=0o444)
        self._verified[name] = _stamp(path.stat())
        return name

    def read(self, name: str, check: Check | None = None) -> tuple[dict[str, torch.Tensor], dict]:
        """Tensors of a component, on the CPU and the caller's own, and its spec.

        Args:
            name: Its digest.
            check: Is given the spec and the tensors' shapes before anything else is read; raises ``ValueError``
                with what is wrong with them.

        Raises:
            UnknownComponentError: The store does not hold it.
            CorruptionError: Its bytes are not what was written, or not what is allowed; names the file.
        """
        if check is not None:
            self._allowed(name, check)
        path = self.path(name)
        try:
            with open_plain(path) as file:
                stamp = _stamp(os.fstat(file.fileno()))
                data = file.read()
        except FileNotFoundError:
            raise self._unknown(name) from None
        if self._verified.get(name) != stamp:
            if digest(data) != name:
                raise CorruptionError(f"{path}: {_mismatch(len(data))}")
            self._verified[name] = stamp
        try:
            return encoding.decode(data)
        except ValueError as error:
            raise CorruptionError(f"{path}: {error}") from error

    def spec(self, name: str) -> dict:
        """What a component is, from its header alone; the bytes are checked by ``read``, not here."""
        header, path = self._header(name)
        try:
            return encoding.spec_of(header)
        except ValueError as error:
            raise CorruptionError(f"{path}: {error}") from error

    def num_parameters(self, name: str) -> int:
        """Numbers in a component's floating-point tensors, normalisation buffers included."""
        header, _ = self._header(name)
        return sum(count for code, count, _ in encoding.entries(header) if code in encoding.FLOATING)

    def size(self, name: str) -> int:
        """Bytes a component takes on disk."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            raise self._unknown(name) from None

    def digests(self) -> tuple[str, ...]:
        """All components, sorted."""
        found = (
            path.name.removesuffix(COMPONENT_SUFFIX) for path in self.folder.glob(f"??/*{COMPONENT_SUFFIX}")
        )
        return tuple(sorted(name for name in found if _is_digest(name)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _is_digest(name) and self.path(name).is_file()

    def remove(self, names: Iterable[str]) -> None:
        """Remove components; those that are not there are passed over.

        Raises:
            RunError: A folder of the store is a link.
        """
        for name in names:
            path = self._own(name)
            self._verified.pop(name, None)
            remove(path)

    def sweep(self, keep: Collection[str]) -> tuple[str, ...]:
        """Remove every component that is not in ``keep``, and what crashes left behind.

        Returns:
            The digests removed.

        Raises:
            RunError: A folder of the store is a link; nothing was removed.
        """
        check_own(self.folder, folder=True)
        parts = sorted(self.folder.glob("[0-9a-f][0-9a-f]"))
        for part in parts:
            check_own(part, folder=True)
        gone = tuple(name for name in self.digests() if name not in keep)
        self.remove(gone)
        for part in parts:
            remove_temporaries(part)
        return gone

    def path(self, name: str) -> Path:
        """The file of a component.

        Raises:
            UnknownComponentError: That is not a digest.
        """
        if not _is_digest(name):
            raise UnknownComponentError(f"{name!r} is not the digest of a component")
        return self.folder / name[:2] / f"{name}{COMPONENT_SUFFIX}"

    def _own(self, name: str) -> Path:
        """The file of a component, to be written or removed."""
        path = self.path(name)
        check_own(self.folder, folder=True)
        check_own(path.parent, folder=True)
        return path

    def _allowed(self, name: str, check: Check) -> None:
        """Raises ``CorruptionError`` for a component whose header says what ``check`` refuses."""
        path = self.path(name)
        try:
            header, _ = self._header(name)
            check(encoding.spec_of(header), encoding.shapes(header))
        except (ValueError, CorruptionError) as error:
            if file_digest(path) != name:  # what is damaged is not worth a complaint about what it says
                raise CorruptionError(f"{path}: {_mismatch(path.stat().st_size)}") from error
            if isinstance(error, CorruptionError):
                raise
            raise CorruptionError(f"{path}: {error}") from error

    def _header(self, name: str) -> tuple[dict[str, Any], Path]:
        path = self.path(name)
        try:
            with open_plain(path) as file:
                return encoding.read_header(file, os.fstat(file.fileno()).st_size), path
        except FileNotFoundError:
            raise self._unknown(name) from None
        except ValueError as error:
            raise CorruptionError(f"{path}: {error}") from error

    def _unknown(self, name: str) -> UnknownComponentError:
        return UnknownComponentError(f"{self.folder}: no component {name}")


def verify_components(store: ComponentStore, names: Iterable[str]) -> tuple[Problem, ...]:
    """Read every named component again from the disk, whatever was checked before.

    Returns:
        One problem for each that is missing or whose bytes are not what was written; empty is good.
    """
    problems = []
    for name in dict.fromkeys(names):
        try:
            path = store.path(name)
        except UnknownComponentError as error:
            problems.append(Problem(str(store.folder), str(error)))
            continue
        try:
            if file_digest(path) != name:
                problems.append(Problem(str(path), _mismatch(path.stat().st_size)))
        except FileNotFoundError:
            problems.append(Problem(str(path), "missing"))
        except OSError as error:
            problems.append(Problem(str(path), f"cannot be read: {error.strerror}"))
    return tuple(problems)


def _is_there(path: Path, size: int) -> bool:
    """Whether there is a file of so many bytes, not a link to one."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        return stat.S_ISREG(found.st_mode) and found.st_size == size
    return False


def _is_digest(name: str) -> bool:
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _mismatch(size: int) -> str:
    return f"its {size} bytes are not what was written"
