"""``npz:PATH``: arrays ``images`` (N, H, W[, C]) uint8 or ``features`` (N, D), and ``labels`` (N,), in a .npz file."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.errors import DataError, reason
from evo_mtl.registry import suggestion
from evo_mtl.streams.raw import RawTask, Request, Source
from evo_mtl.streams.sources.arrays import task_from_arrays

MAX_BYTES = 32_000_000_000
KEYS = {
    "images": "train_images",
    "features": "train_features",
    "labels": "train_labels",
    "train_images": "train_images",
    "train_features": "train_features",
    "train_labels": "train_labels",
    "test_images": "test_images",
    "test_features": "test_features",
    "test_labels": "test_labels",
    "classes": "classes",
}


def load(argument: str, request: Request) -> RawTask:
    """The arrays as a task; without test arrays a fifth is set aside by the task's seed."""
    path = Path(argument).expanduser()
    if not path.is_file():
        raise DataError("expected an .npz file, met a folder" if path.is_dir() else "no such file", argument)
    data: dict[str, Any] = {}
    closed = False
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                raise DataError(f"larger than {MAX_BYTES:,} bytes", argument)
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                if key not in KEYS:
                    raise DataError(
                        f"unknown array {key!r}{suggestion(key, KEYS)}; known: {', '.join(KEYS)}", argument
                    )
                if key.startswith("test_") and not request.test:
                    closed = True
                else:
                    data[KEYS[key]] = _array(arrays, key, argument)
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy each have their own for bytes that are no arrays
        raise DataError(f"not a readable .npz file: {reason(error)}", argument) from None
    met = ", ".join(data) or "none"
    if "train_images" not in data and "train_features" not in data:
        raise DataError(f"no array 'images' or 'features'; met: {met}", argument)
    if "train_labels" not in data:
        raise DataError(f"no array 'labels'; met: {met}", argument)
    return replace(task_from_arrays(data, argument), closed=closed)


def _array(arrays: Any, key: str, place: str) -> np.ndarray:
    try:
        array: np.ndarray = arrays[key]
    except Exception as error:  # whatever a header that was made up, or bytes that end early, may cause
        why = "an array of Python objects is not read" if "allow_pickle" in str(error) else reason(error)
        raise DataError(why, f"{place}: {key}") from None
    return array


def files(argument: str, request: Request) -> tuple[Path, ...]:
    """The one file."""
    return (Path(argument).expanduser(),)


SOURCE = Source(load, "arrays images (or features) and labels in a NumPy .npz file", "PATH", files=files)
