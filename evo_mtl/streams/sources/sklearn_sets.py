"""``sklearn:NAME``: small data sets that ship inside scikit-learn, as images or as rows of numbers."""

from __future__ import annotations

import numpy as np

from evo_mtl.streams.raw import IMAGES, ArrayItems, Form, RawSplit, RawTask, Request, Source
from evo_mtl.streams.vectors import as_rows

TABLES = {"digits_vectors": "digits", "wine": "wine", "breast_cancer": "breast_cancer", "iris": "iris"}
"""Argument of the source to the data set whose numbers are read as rows."""


def load(argument: str, request: Request) -> RawTask:
    """The data; a quarter is set aside for test by the task's seed."""
    from sklearn import datasets  # heavy, and only this source needs it

    place = f"sklearn:{argument}"
    data = getattr(datasets, f"load_{TABLES.get(argument, argument)}")()
    if argument in TABLES:
        rows = as_rows(data.data, place)
        form = Form("vector", rows.shape[1])
        items = ArrayItems(rows, place, noun=form.noun)
    else:
        form = IMAGES
        items = ArrayItems(np.rint(data.images * (255 / 16)).astype(np.uint8), place)
    train = RawSplit(items, data.target.astype(np.int64))
    classes = tuple(str(name) for name in data.target_names)
    return RawTask(classes, train, test_fraction=0.25, place=place, form=form)


SOURCE = Source(
    load,
    "inside scikit-learn: handwritten digits, 8 x 8, as images; tables, and the digits' 64 numbers, as rows",
    "NAME",
    names=("digits", *TABLES),
)
