"""``sklearn:digits``: 1,797 handwritten digits of 8 x 8 pixels that ship inside scikit-learn."""

from __future__ import annotations

import numpy as np

from evo_mtl.streams.raw import ArrayItems, RawSplit, RawTask, Request, Source


def load(argument: str, request: Request) -> RawTask:
    """The digits; a quarter is set aside for test by the task's seed."""
    from sklearn.datasets import load_digits  # heavy, and only this source needs it

    data = load_digits()
    images = np.rint(data.images * (255 / 16)).astype(np.uint8)
    train = RawSplit(ArrayItems(images, f"sklearn:{argument}"), data.target.astype(np.int64))
    classes = tuple(str(digit) for digit in range(10))
    return RawTask(classes, train, test_fraction=0.25, place=f"sklearn:{argument}")


SOURCE = Source(load, "handwritten digits, 8 x 8, inside scikit-learn", "NAME", names=("digits",))
