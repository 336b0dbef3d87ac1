"""``torchvision:NAME``: the classification data sets of torchvision, one label an image.

The table says how to ask each set for its splits. A set without a test split gets a seeded one.
Nothing is downloaded unless the stream file says ``download: true``.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evo_mtl.errors import DataError, reason
from evo_mtl.files import read_file
from evo_mtl.streams.images import MAX_FILE_BYTES, Raw
from evo_mtl.streams.raw import RawSplit, RawTask, Request, Source
from evo_mtl.streams.sources.torchvision_table import DEFAULT_ROOT, REFUSED, SETS, TorchvisionSet

LABELS = ("targets", "labels", "_labels", "y")


def load(argument: str, request: Request) -> RawTask:
    """The splits of a torchvision data set.

    Raises:
        DataError: The files, or a package that reads them, are not there.
    """
    entry, place = SETS[argument], f"torchvision:{argument}"
    opened = {
        split: _open(argument, entry, asked, request, place)
        for split, asked in (("train", entry.train), ("validation", entry.validation), ("test", entry.test))
        if asked is not None and (request.test or split != "test")
    }
    labels = {split: _labels(data, place) for split, data in opened.items()}
    names = _class_names(opened["train"], entry, max(int(part.max()) for part in labels.values()))
    present = sorted({int(label) for label in labels["train"]})
    number = {label: i for i, label in enumerate(present)}
    splits = {}
    for split, data in opened.items():
        kept = np.array([i for i, label in enumerate(labels[split]) if int(label) in number], dtype=np.int64)
        numbers = np.array([number[int(label)] for label in labels[split][kept]], dtype=np.int64)
        splits[split] = RawSplit(_Items(data, f"{place} {split}", kept), numbers)
    classes = tuple(names[label] for label in present)
    closed = entry.test is not None and not request.test
    test, validation = splits.get("test"), splits.get("validation")
    return RawTask(classes, splits["train"], test, validation, place=place, closed=closed)


@dataclass(frozen=True)
class _Items:
    """Some images of a torchvision data set, one reader at a time (several sets cannot be read by two at once)."""

    data: Any
    place: str
    numbers: np.ndarray
    lock: Any = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self.numbers)

    def raw(self, index: int) -> Raw:
        try:
            with self.lock:
                image = self.data[int(self.numbers[index])][0]
        except Exception as error:  # decoders and readers each raise their own
            raise DataError(f"cannot be read: {reason(error)}", self.name(index)) from None
        if not isinstance(image, (bytes, Image.Image)):
            raise DataError(f"expected an image, met {type(image).__name__}", self.name(index))
        return image

    def name(self, index: int) -> str:
        return f"{self.place}: image {int(self.numbers[index])}"

    def take(self, indices: np.ndarray) -> _Items:
        return _Items(self.data, self.place, self.numbers[indices], self.lock)


def _open(name: str, entry: TorchvisionSet, asked: Mapping[str, Any], request: Request, place: str) -> Any:
    from torchvision import datasets  # heavy, and only this source needs it

    kind = getattr(datasets, entry.kind or name, None)
    if kind is None:
        raise DataError("the installed torchvision does not have this data set", place)
    options = dict(asked)
    if entry.files:
        root = Path(request.root or DEFAULT_ROOT).expanduser()
        _refuse_pickled(root, kind.__name__)
        options["root"] = str(root)
        if entry.can_download:
            options["download"] = request.download
            root.mkdir(parents=True, exist_ok=True) if request.download else None
    if "loader" in inspect.signature(kind.__init__).parameters:
        options["loader"] = _read_bytes  # files are decoded here, by the same rules as all others
    try:
        return kind(**options)
    except ImportError as error:
        raise DataError(f"needs a package that is not installed: {error.name or error}", place) from None
    except Exception as error:  # each set says in its own way that its files are not there
        root_said = options.get("root", "")
        said = reason(error)
        if isinstance(error.__context__, ImportError):
            raise DataError(said, place) from None
        if request.download and entry.can_download:
            raise DataError(f"cannot be fetched into {root_said}: {said}", place) from None
        way = "set download: true, or root:" if entry.can_download else "fetch it by hand and set root:"
        raise DataError(
            f"not found in {root_said} ({said}); {way} to the folder that holds it", place
        ) from None


def _refuse_pickled(root: Path, name: str) -> None:
    """Old copies of MNIST and similar sets are pickles, which torchvision would load."""
    for path in (root / name / "processed").glob("*.pt"):
        raise DataError("a pickled file of an old torchvision is not read; delete it", path)


def _read_bytes(path: str | Path) -> bytes:
    return read_file(Path(path), MAX_FILE_BYTES)


def _labels(data: Any, place: str) -> np.ndarray:
    """``(N,)`` labels; from a list the set keeps where it has one, else image by image."""
    if len(data) == 0:
        raise DataError("a split without images", place)
    checks = sorted({0, len(data) // 2, len(data) - 1})
    for name in LABELS:
        kept = getattr(data, name, None)
        if kept is None or len(kept) != len(data):
            continue
        array = np.asarray(kept)
        if array.ndim == 1 and array.dtype.kind in "iu" and all(array[i] == int(data[i][1]) for i in checks):
            return array.astype(np.int64)
    return np.array([int(data[i][1]) for i in range(len(data))], dtype=np.int64)


def _class_names(data: Any, entry: TorchvisionSet, top: int) -> list[str]:
    given = getattr(data, entry.names, None)
    if not isinstance(given, (list, tuple)) or len(given) <= top:
        return [str(label) for label in range(top + 1)]
    names = [", ".join(map(str, name)) if isinstance(name, (list, tuple)) else str(name) for name in given]
    twice = {name for name in names if names.count(name) > 1}
    return [f"{name} ({i})" if name in twice else name for i, name in enumerate(names)]


def files(argument: str, request: Request) -> list[Path]:
    """Everything below the root: only torchvision knows which of it belongs to a set."""
    if not SETS[argument].files:
        return []
    root = Path(request.root or DEFAULT_ROOT).expanduser()
    found = os.walk(root, followlinks=True)
    return sorted(
        path for folder, _, names in found for name in names if (path := Path(folder, name)).is_file()
    )


SOURCE = Source(
    load,
    "classification data sets of torchvision; fetched only with download: true",
    "NAME",
    needs="scipy or h5py for a few of them",
    names=tuple(SETS),
    refused=REFUSED,
    files=files,
)
