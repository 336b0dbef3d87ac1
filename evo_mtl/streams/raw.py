"""What a data source hands over: labelled items that are read one at a time."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from evo_mtl.errors import DataError, reason
from evo_mtl.files import read_file
from evo_mtl.streams.images import MAX_FILE_BYTES, Raw


@dataclass(frozen=True)
class Form:
    """What the examples of a task are.

    Args:
        kind: The kind of input that reads them: ``"pixels"`` or ``"vector"``.
        width: Numbers a row; 0 for images, which may be of any sizes.
    """

    kind: str = "pixels"
    width: int = 0

    @property
    def noun(self) -> str:
        """What people call one of them."""
        return {"pixels": "image", "vector": "row"}.get(self.kind, "example")


IMAGES = Form()


class Items(Protocol):
    """Examples that are not decoded yet."""

    def __len__(self) -> int: ...

    def raw(self, index: int) -> Raw:
        """Bytes of a file, an array, or an opened image."""
        ...

    def name(self, index: int) -> str:
        """What a message calls this example."""
        ...

    def take(self, indices: np.ndarray) -> Items:
        """Some of them, without a handle on the others where that is possible."""
        ...


@dataclass(frozen=True)
class RawSplit:
    """Items with their labels ``(N,)`` int64, numbers of classes."""

    items: Items
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> RawSplit:
        """The examples at ``indices``, in that order."""
        return RawSplit(self.items.take(indices), self.labels[indices])


@dataclass(frozen=True)
class RawTask:
    """What a source knows: classes and splits.

    Args:
        classes: Names; a label is a number in this list.
        train: Training examples.
        test: Test examples; if None, ``test_fraction`` of ``train`` is set aside by seed, unless ``closed``.
        validation: Given validation examples; if None, the task's own fraction is set aside.
        test_fraction: Used when ``test`` is None.
        place: Where the data are, for messages.
        form: What the examples are.
        closed: Whether there are test examples that were left closed, as the request had it.
    """

    classes: tuple[str, ...]
    train: RawSplit
    test: RawSplit | None = None
    validation: RawSplit | None = None
    test_fraction: float = 0.2
    place: str | None = None
    form: Form = IMAGES
    closed: bool = False


@dataclass(frozen=True)
class RawStream:
    """What a source knows whose examples come in batches, one after another, maybe without an end.

    Only an online stream in sequential order reads it. A function of yours returns one like this:

        def camera() -> RawStream:
            return RawStream(("cat", "dog"), batches=lambda: frames(), replayable=False)

    Args:
        classes: Names; a label is a number in this list.
        batches: Begins the stream: an iterator of ``(examples, labels)``, examples ``(H, W[, C])`` uint8 or bytes of
            image files, or rows ``(D,)`` of numbers, as many as there are labels.
        form: What the examples are.
        test: Test examples; without, the task cannot be evaluated.
        replayable: Whether ``batches`` gives the same batches whenever it is called.
        num_examples: How many come, where that is known.
        place: What gives them, for messages.
    """

    classes: tuple[str, ...]
    batches: Callable[[], Iterator[tuple[Any, Any]]]
    form: Form = IMAGES
    test: RawSplit | None = None
    replayable: bool = False
    num_examples: int | None = None
    place: str | None = None


@dataclass(frozen=True)
class Request:
    """What a task asks of its source, beside the argument.

    Args:
        seed: The task's seed.
        root: Folder for sources that keep files, or None.
        download: Whether the source may fetch files.
        test: Whether test examples are wanted; without, a source that has them apart leaves them closed.
    """

    seed: int = 0
    root: str | None = None
    download: bool = False
    test: bool = True


@dataclass(frozen=True)
class Source:
    """A scheme of data sources, ``scheme:argument``.

    Args:
        load: Reads the data.
        description: One line for ``tasks list``.
        argument: What messages call the argument, ``"PATH"``.
        needs: Packages beyond what the project requires, or ``""``.
        names: All arguments there are; empty when they cannot be listed.
        refused: Arguments that there are, but that are not read, each with the reason.
        files: The files that ``load`` would read, none opened; ``None`` where the data are not in files of
            the user's (inside a package, made by a function).
        runs_code: Whether ``load`` runs code that its argument names.
    """

    load: Callable[[str, Request], RawTask | RawStream]
    description: str
    argument: str
    needs: str = ""
    names: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    files: Callable[[str, Request], Sequence[Path]] | None = None
    runs_code: bool = False


@dataclass(frozen=True)
class FileItems:
    """Image files on disk."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def raw(self, index: int) -> bytes:
        return read_file(self.paths[index], MAX_FILE_BYTES)

    def name(self, index: int) -> str:
        return str(self.paths[index])

    def take(self, indices: np.ndarray) -> FileItems:
        return FileItems(tuple(self.paths[i] for i in indices))


@dataclass(frozen=True)
class ZipItems:
    """Image files inside a zip archive, read in place."""

    archive: zipfile.ZipFile
    path: str
    members: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.members)

    def raw(self, index: int) -> bytes:
        member = self.archive.getinfo(self.members[index])
        if member.file_size > MAX_FILE_BYTES:
            raise DataError(f"larger than {MAX_FILE_BYTES:,} bytes", self.name(index))
        if member.flag_bits & 1:
            raise DataError("is encrypted", self.name(index))
        try:
            return self.archive.read(member)
        except Exception as error:  # zipfile, zlib, lzma and the disk each raise their own
            raise DataError(f"cannot be read: {reason(error)}", self.name(index)) from None

    def name(self, index: int) -> str:
        return f"{self.path}: {self.members[index]}"

    def take(self, indices: np.ndarray) -> ZipItems:
        return ZipItems(self.archive, self.path, tuple(self.members[i] for i in indices))


@dataclass(frozen=True)
class ArrayItems:
    """Examples in memory: images ``(N, H, W[, C])``, a sequence of ``(H, W[, C])``, or rows ``(N, D)`` float32."""

    arrays: np.ndarray | Sequence[np.ndarray]
    place: str
    numbers: np.ndarray | None = None
    noun: str = IMAGES.noun

    def __len__(self) -> int:
        return len(self.arrays)

    def raw(self, index: int) -> np.ndarray:
        return self.arrays[index]

    def name(self, index: int) -> str:
        return f"{self.place}: {self.noun} {index if self.numbers is None else int(self.numbers[index])}"

    def take(self, indices: np.ndarray) -> ArrayItems:
        numbers = np.arange(len(self)) if self.numbers is None else self.numbers
        arrays = self.arrays
        some: Any = arrays[indices] if isinstance(arrays, np.ndarray) else [arrays[i] for i in indices]
        return ArrayItems(some, self.place, numbers[indices], self.noun)


@dataclass(frozen=True, eq=False)
class JoinedItems:
    """Items of several sources of them, in any order.

    Args:
        parts: Where they come from.
        part: ``(N,)``, of each the part that has it.
        place: ``(N,)``, and where it is in that part.
    """

    parts: tuple[Items, ...]
    part: np.ndarray
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.place)

    def raw(self, index: int) -> Raw:
        return self.parts[self.part[index]].raw(int(self.place[index]))

    def name(self, index: int) -> str:
        return self.parts[self.part[index]].name(int(self.place[index]))

    def take(self, indices: np.ndarray) -> JoinedItems:
        part, place = self.part[indices], np.empty(len(indices), dtype=np.int64)
        taken = []
        for number, items in enumerate(self.parts):
            mine = np.flatnonzero(part == number)
            taken.append(items.take(self.place[indices[mine]]))
            place[mine] = np.arange(len(mine))
        return JoinedItems(tuple(taken), part, place)


def item_digest(raw: Raw) -> bytes:
    """32 bytes that name an example's content, wherever it is stored."""
    if isinstance(raw, bytes):
        return hashlib.sha256(b"file\0" + raw).digest()
    kind = f"{raw.mode}" if isinstance(raw, Image.Image) else "array"
    array = np.ascontiguousarray(np.asarray(raw))
    head = f"{kind}\0{array.dtype.str}\0{array.shape}\0".encode()
    return hashlib.sha256(head + array.tobytes()).digest()


def digests(items: Items) -> list[bytes]:
    """The digest of each item, in order."""
    return [item_digest(items.raw(i)) for i in range(len(items))]
