"""Examples of a source that gives batches one after another, looked at as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_mtl.documents import is_text
from evo_mtl.errors import DataError
from evo_mtl.files import canonical_json, digest
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.decoding import DECODERS
from evo_mtl.streams.raw import ArrayItems, Form, Items, RawStream
from evo_mtl.streams.vectors import as_rows


@dataclass(frozen=True)
class Piece:
    """Examples, not decoded yet, with labels ``(n,)`` int64, and whether no more come after them."""

    items: Items
    labels: np.ndarray
    last: bool


def check_live(raw: RawStream, config: TaskConfig) -> None:
    """Refuses what can be seen before the first batch.

    Raises:
        DataError: Names the task.
    """
    place = f"task {config.name}"
    classes: Any = raw.classes
    if not isinstance(classes, tuple) or not all(isinstance(name, str) and is_text(name) for name in classes):
        raise DataError("expected classes as a tuple of texts", place)
    if len(set(classes)) < max(len(classes), 2):
        raise DataError("expected two or more different classes", place)
    if not isinstance(raw.form, Form) or raw.form.kind not in DECODERS:
        raise DataError(f"expected a form of the kinds {', '.join(DECODERS)}", place)
    for key in ("limit", "classes"):
        if getattr(config, key) is not None:
            raise DataError(f"{key}: is not for a source that gives batches one after another", place)
    if raw.test is not None:
        if len(raw.test.items) == 0:
            raise DataError("the test split is empty", place)
        _labels(raw.test.labels, len(raw.test.items), classes, f"{place}: test")


def live_digest(raw: RawStream, config: TaskConfig) -> str:
    """Of what is known of the task beforehand; its examples are not."""
    known = [config.source, list(raw.classes), raw.form.kind, raw.form.width]
    return digest(canonical_json(known))


def pieces(raw: RawStream, config: TaskConfig, batch_size: int) -> Iterator[Piece]:
    """The source's batches, those that are larger than ``batch_size`` cut.

    A batch is asked for before the one in front of it is given: only so is it known which is the last.

    Raises:
        DataError: A batch is not what was announced; names the task and the batch, from 0.
    """
    waiting: deque[tuple[Items, np.ndarray]] = deque()
    batches, number = iter(raw.batches()), 0
    while _fetched(batches, waiting, raw, batch_size, f"task {config.name}: batch {number}"):
        number += 1
        while len(waiting) > 1:
            yield Piece(*waiting.popleft(), last=False)
    if not waiting:
        raise DataError("its source gave no batch", f"task {config.name}")
    yield Piece(*waiting.popleft(), last=True)


def _fetched(
    batches: Iterator[tuple[Any, Any]],
    waiting: deque[tuple[Items, np.ndarray]],
    raw: RawStream,
    batch_size: int,
    place: str,
) -> bool:
    """Takes the next batch, cut, to those that wait, and keeps nothing else of it; False if there is none."""
    for batch in batches:
        items, labels = _checked(batch, raw, place)
        for start in range(0, len(labels), batch_size):
            places = np.arange(start, min(start + batch_size, len(labels)))
            waiting.append((items.take(places), labels[places]))
        return True
    return False


def _checked(batch: Any, raw: RawStream, place: str) -> tuple[Items, np.ndarray]:
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise DataError("expected a pair of examples and labels", place)
    given, told = batch
    try:
        count = len(given)
    except TypeError:
        raise DataError(f"expected a sequence of examples, met {type(given).__name__}", place) from None
    if count == 0:
        raise DataError("a batch without examples", place)
    if raw.form.kind == "vector":
        given = as_rows(np.asarray(given), place)
        if given.shape[1] != raw.form.width:
            raise DataError(f"expected rows of {raw.form.width} numbers, met {given.shape[1]}", place)
    return ArrayItems(given, place, noun=raw.form.noun), _labels(told, count, raw.classes, place)


def _labels(told: Any, count: int, classes: tuple[str, ...], place: str) -> np.ndarray:
    labels = np.asarray(told)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"expected {count} labels, whole numbers, met {labels.dtype} of shape {labels.shape}", place
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        message = (
            f"label {labels[wrong[0]]} of example {wrong[0]} is not a number of its {len(classes)} classes"
        )
        raise DataError(message, place)
    return labels.astype(np.int64)
