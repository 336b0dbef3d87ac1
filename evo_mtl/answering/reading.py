"""Examples out of files that are to be answered, by the kind of input that reads them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evo_mtl.errors import DataError, reason
from evo_mtl.files import read_file
from evo_mtl.network.inputs import Input
from evo_mtl.registry import Registry
from evo_mtl.streams.images import MAX_FILE_BYTES, to_rgb
from evo_mtl.streams.vectors import as_rows, to_row

MAX_ROWS_BYTES = 4_000_000_000

Named = tuple[str, np.ndarray]
"""What a message calls an example, and the example."""


@dataclass(frozen=True)
class Reader:
    """How files of examples are read.

    Args:
        noun: What one example is called.
        read: The examples of a file, for some input; raises ``DataError``.
    """

    noun: str
    read: Callable[[Path, Input], Iterator[Named]]


def _image(path: Path, source: Input) -> Iterator[Named]:
    yield str(path), to_rgb(read_file(path, MAX_FILE_BYTES), path)


def _rows(path: Path, source: Input) -> Iterator[Named]:
    rows = as_rows(_array(path), path)
    if rows.shape[1:] != source.shape:
        raise DataError(f"expected rows of {source.size} numbers, met {rows.shape[1]}", path)
    for i, row in enumerate(rows):
        name = f"{path}: row {i}"
        yield name, to_row(row, name)


def _array(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file, or ``features`` of an ``.npz`` file; sizes are checked before memory is taken."""
    data = io.BytesIO(read_file(path, MAX_ROWS_BYTES))
    try:
        if zipfile.is_zipfile(data):
            with zipfile.ZipFile(data) as archive:
                if sum(info.file_size for info in archive.infolist()) > MAX_ROWS_BYTES:
                    raise DataError(f"larger than {MAX_ROWS_BYTES:,} bytes", path)
        data.seek(0)
        found = np.load(data, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            if "features" not in found.files:
                raise DataError(f"no array 'features'; met: {', '.join(found.files) or 'none'}", path)
            return found["features"]
    except DataError:
        raise
    except Exception as error:  # numpy, zipfile and zlib each have their own for bytes that are no arrays
        said = "an array of Python objects is not read" if "allow_pickle" in str(error) else reason(error)
        raise DataError(f"not a readable .npy or .npz file: {said}", path) from None


READERS: Registry[Reader] = Registry("kind of input")
READERS.add("pixels", Reader("image", _image))
READERS.add("vector", Reader("row", _rows))
