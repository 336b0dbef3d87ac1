"""Checks arrays that a user hands over; shared by ``npz:`` and ``python:``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evo_mtl.errors import DataError
from evo_mtl.registry import suggestion
from evo_mtl.streams.raw import IMAGES, ArrayItems, Form, RawSplit, RawTask
from evo_mtl.streams.vectors import as_rows

Labels = list[Any]


def task_from_arrays(data: Mapping[str, Any], place: str) -> RawTask:
    """A task from images or rows of numbers, and labels.

    Args:
        data: ``train_images`` ``(N, H, W[, C])`` uint8 (or a sequence of ``(H, W[, C])``), or
            ``train_features`` ``(N, D)`` numbers; ``train_labels`` ``(N,)`` whole numbers or text;
            optionally ``test_images`` or ``test_features`` and ``test_labels``, and ``classes`` (names;
            whole-number labels are then indices of them).
        place: For messages.

    Raises:
        DataError: Something is missing or of another shape or type; names it.
    """
    what = "features" if "train_features" in data else "images"
    other = "images" if what == "features" else "features"
    for key in (f"train_{other}", f"test_{other}"):
        if data.get(key) is not None:
            raise DataError(f"{key} beside train_{what}: a task has images or features", place)
    train, train_labels = _pair(data, f"train_{what}", "train_labels", place)
    given_test = [key for key in (f"test_{what}", "test_labels") if data.get(key) is not None]
    if len(given_test) == 1:
        raise DataError(f"{given_test[0]} is given without its partner", place)
    test = _pair(data, f"test_{what}", "test_labels", place) if given_test else None
    form = Form("vector", train.shape[1]) if what == "features" else IMAGES
    if form.width and test is not None and test[0].shape[1] != form.width:
        message = f"expected rows of {form.width} numbers as in train_features, met {test[0].shape[1]}"
        raise DataError(message, f"{place}: test_features")
    classes, number = _classes(data.get("classes"), train_labels, place)

    def split(arrays: Any, labels: Labels, which: str) -> RawSplit:
        numbers = np.array([number(label, which) for label in labels], dtype=np.int64)
        return RawSplit(ArrayItems(arrays, f"{place}: {which}", noun=form.noun), numbers)

    return RawTask(
        classes,
        split(train, train_labels, "train"),
        None if test is None else split(*test, "test"),
        place=place,
        form=form,
    )


def _pair(data: Mapping[str, Any], key_of_arrays: str, labels_key: str, place: str) -> tuple[Any, Labels]:
    for key in (key_of_arrays, labels_key):
        if data.get(key) is None:
            near = suggestion(key, list(data))
            raise DataError(f"{key!r} is missing{near}; met: {', '.join(data) or 'nothing'}", place)
    read = as_rows if key_of_arrays.endswith("_features") else _images
    arrays = read(data[key_of_arrays], f"{place}: {key_of_arrays}")
    labels = _labels(data[labels_key], f"{place}: {labels_key}")
    if len(arrays) != len(labels):
        raise DataError(f"{len(arrays)} {key_of_arrays} but {len(labels)} {labels_key}", place)
    return arrays, labels


def _images(images: Any, place: str) -> np.ndarray | Sequence[np.ndarray]:
    if not isinstance(images, np.ndarray):
        if not isinstance(images, Sequence) or isinstance(images, (str, bytes)):
            raise DataError(f"expected an array or a list of arrays, met {type(images).__name__}", place)
        for i, image in enumerate(images):
            _check(image, f"{place}[{i}]", "(H, W[, C])", 2)
        return list(images)
    _check(images, place, "(N, H, W[, C])", 3)
    return images


def _check(array: Any, place: str, form: str, axes: int) -> None:
    if not isinstance(array, np.ndarray):
        raise DataError(f"expected an array, met {type(array).__name__}", place)
    if array.dtype != np.uint8:
        hint = "; multiply floats in 0..1 by 255 and convert" if array.dtype.kind == "f" else ""
        raise DataError(f"expected uint8 images, met {array.dtype}{hint}", place)
    channels_last = array.ndim == axes or (array.ndim == axes + 1 and array.shape[-1] in {1, 2, 3, 4})
    if not channels_last or array.size == 0:
        raise DataError(f"expected {form} with C from 1 to 4 and not empty, met {array.shape}", place)


def _labels(labels: Any, place: str) -> Labels:
    array = np.asarray(labels) if not isinstance(labels, np.ndarray) else labels
    if array.ndim != 1:
        raise DataError(f"expected labels (N,), met {array.shape}", place)
    if array.dtype.kind not in "iuUT":
        raise DataError(f"expected whole numbers or texts, met {array.dtype}", place)
    return array.tolist()


def _classes(given: Any, labels: Labels, place: str) -> tuple[tuple[str, ...], Any]:
    """Names, and the function from a label to its number."""
    if given is None:
        names: list[Any] = sorted(set(labels))
    else:
        if (
            isinstance(given, str | bytes)
            or not isinstance(given, Sequence | np.ndarray)
            or np.ndim(given) != 1
        ):
            raise DataError("expected a list of names", f"{place}: classes")
        names = [str(name) for name in given]
        if len(set(names)) < len(names):
            raise DataError("two classes have the same name", f"{place}: classes")
    counted = given is not None and bool(labels) and isinstance(labels[0], int)
    known = {i: i for i in range(len(names))} if counted else {name: i for i, name in enumerate(names)}

    def number(label: Any, what: str) -> int:
        if label not in known:
            raise DataError(f"label {label!r} is not a class of the training data", f"{place}: {what}")
        return known[label]

    return tuple(str(name) for name in names), number
