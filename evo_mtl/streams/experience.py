"""What learning may see of an online stream: batches that come once, and then are gone.

    experience = open_experience(stream, seed=0)
    for batch in experience:
        for part in batch.parts:
            images, labels = part.rows(input), part.labels

No split, index or cache can be reached from what is handed over. What a learner keeps of a batch is its own doing,
and what it must not keep is tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evo_mtl.errors import DataError
from evo_mtl.streams import orders
from evo_mtl.streams.config import StreamConfig, TaskConfig
from evo_mtl.streams.live import check_live, live_digest, pieces
from evo_mtl.streams.raw import Form, RawStream
from evo_mtl.streams.task import (
    Examples,
    ItemExamples,
    Rows,
    Shown,
    Split,
    as_shown,
    load_examples,
    load_raw,
    open_splits,
    open_test,
    refuse_untrusted,
)


class Part:
    """The examples of one task in a batch.

    Attributes:
        task: Its name.
        labels: ``(n,)`` int64, numbers of the task's classes.
    """

    def __init__(self, task: str, labels: np.ndarray, examples: Examples) -> None:
        self.task = task
        self.labels = labels
        self._examples: Examples | None = examples
        self._arrays: dict[Rows, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: Rows) -> np.ndarray:
        """The examples as rows ``(n, *shape)``, decoded when first asked for; all who ask share the array.

        Raises:
            DataError: An example is broken; names it.
            RuntimeError: The batch is closed.
        """
        if self._examples is None:
            raise RuntimeError("this batch is closed: an online stream shows every example once")
        if rows not in self._arrays:
            self._arrays[rows] = load_examples(self._examples, (rows,))[0]
        return self._arrays[rows]

    def close(self) -> None:
        """Lets go of the examples and of every array of them."""
        self._examples = None
        self._arrays.clear()


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples that come together.

    Attributes:
        number: From 0, over the whole stream.
        parts: Of each task that has examples in it, in the order of the stream's tasks.
        last_of: Tasks that have no more examples after it.
    """

    number: int
    parts: tuple[Part, ...]
    last_of: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def close(self) -> None:
        """Lets go of all its examples; the experience does that before it gives the next batch."""
        for part in self.parts:
            part.close()


@dataclass(frozen=True)
class Incoming:
    """What is known of a task before its first example.

    Attributes:
        name: Of the task.
        classes: Their names, in the order of labels.
        metric: What it is judged by.
        form: What its examples are.
        digest: Of its examples, labels and classes, as ``Splits.shown``.
        num_examples: ``None`` where that is not known beforehand.
        config: As the stream file has it.
    """

    name: str
    classes: tuple[str, ...]
    metric: str
    form: Form
    digest: str
    num_examples: int | None
    config: TaskConfig


class Experience:
    """A stream's batches, for one pass; each is closed before the next one is given, and the last one at the end.

    Attributes:
        tasks: In the order of the stream file.
        num_batches: Of the whole stream, those before the start included; ``None`` where that is not known.
        replayable: Whether opening it once more gives the same batches.
    """

    def __init__(
        self,
        tasks: tuple[Incoming, ...],
        num_batches: int | None,
        replayable: bool,
        batches: Iterator[Batch],
    ) -> None:
        self.tasks = tasks
        self.num_batches = num_batches
        self.replayable = replayable
        self._batches: Iterator[Batch] | None = batches

    def __iter__(self) -> Iterator[Batch]:
        """Works once.

        Raises:
            RuntimeError: It was begun before.
        """
        if self._batches is None:
            raise RuntimeError("an online stream is gone through once, and this one was begun before")
        batches, self._batches = self._batches, None
        return _each_closed(batches)


def _each_closed(batches: Iterator[Batch]) -> Iterator[Batch]:
    batch: Batch | None = None
    try:
        for batch in batches:
            yield batch
            batch.close()
    finally:
        if batch is not None:
            batch.close()


def open_experience(
    stream: StreamConfig, seed: int, start: int = 0, trust_python: bool = False
) -> Experience:
    """An online stream, for one pass.

    All training examples are shown, those that an offline search would set aside for validation too; test examples
    are left closed. The order of a task's examples follows from their content and the seed.

    Args:
        stream: With ``regime: online``.
        seed: The run's.
        start: Batches that were taken already; they are left out, and nothing of them is decoded.
        trust_python: Whether code that a source names may be run.

    Raises:
        DataError: The data of a task are missing, or not what is needed; names the task.
    """
    refuse_untrusted(stream.tasks, trust_python)
    opened = [_opened(task, stream) for task in stream.tasks]
    tasks = tuple(_incoming(config, data) for config, data in zip(stream.tasks, opened, strict=True))
    shown = [data for data in opened if isinstance(data, Shown)]
    if len(shown) == len(opened):
        order = _order(stream, shown, seed)
        return Experience(tasks, len(order), True, _planned(tasks, shown, order, 0, start))
    for config, data in zip(stream.tasks[:-1], opened, strict=False):
        if isinstance(data, RawStream) and not data.replayable:
            message = "its batches come only once, so it has to be the last task of its stream"
            raise DataError(message, f"task {config.name}")
    replayable = all(isinstance(data, Shown) or data.replayable for data in opened)
    return Experience(tasks, None, replayable, _in_sequence(tasks, opened, stream.batch_size, seed, start))


def _opened(config: TaskConfig, stream: StreamConfig) -> Shown | RawStream:
    raw = load_raw(config, test=False)
    if not isinstance(raw, RawStream):
        return as_shown(raw, config)
    check_live(raw, config)
    if stream.order != "sequential":
        message = f"its source gives batches one after another, of which order: {stream.order} cannot draw"
        raise DataError(message, f"task {config.name}")
    return raw


def _order(stream: StreamConfig, shown: Sequence[Shown], seed: int) -> orders.Order:
    names, counts = [task.name for task in stream.tasks], [len(task.labels) for task in shown]
    if stream.order == "sequential":
        return orders.sequential(names, counts, stream.batch_size, seed)
    if stream.order == "mixed":
        return orders.mixed(names, counts, stream.batch_size, seed)
    if stream.sessions is None:
        return orders.blurry(names, counts, stream.batch_size, seed, stream.overlap)
    num_classes = len(shown[0].classes)
    if stream.sessions > num_classes:
        message = f"sessions: {stream.sessions} are more than its {num_classes} classes"
        raise DataError(message, f"task {names[0]}")
    cut = (stream.sessions, stream.disjoint, stream.blurriness)
    return orders.sessions(names[0], shown[0].labels, stream.batch_size, seed, *cut)


def _incoming(config: TaskConfig, data: Shown | RawStream) -> Incoming:
    if isinstance(data, RawStream):
        content, count = live_digest(data, config), data.num_examples
    else:
        content, count = data.digest, len(data.labels)
    return Incoming(config.name, data.classes, config.metric, data.form, content, count, config)


def _in_sequence(
    tasks: Sequence[Incoming], opened: Sequence[Shown | RawStream], batch_size: int, seed: int, start: int
) -> Iterator[Batch]:
    """One task after another; of how many batches one will be is not known before."""
    number = 0
    for task, data in zip(tasks, opened, strict=True):
        if isinstance(data, Shown):
            order = orders.sequential([task.name], [len(data.labels)], batch_size, seed)
            yield from _planned([task], [data], order, number, start)
            number += len(order)
            continue
        if not data.replayable:
            number = max(number, start)
        for piece in pieces(data, task.config, batch_size):
            if number >= start:
                part = Part(task.name, piece.labels, ItemExamples(piece.items, data.form))
                yield Batch(number, (part,), (task.name,) if piece.last else ())
            number += 1


def _planned(
    tasks: Sequence[Incoming], shown: Sequence[Shown], order: orders.Order, first: int, start: int
) -> Iterator[Batch]:
    """Batches of an order, numbered from ``first``, those before ``start`` left out."""
    last = order.last()
    for at in range(max(0, start - first), len(order)):
        parts = tuple(_part(tasks[task].name, shown[task], places) for task, places in order.batch(at))
        yield Batch(first + at, parts, tuple(tasks[task].name for task in last.get(at, ())))


def _part(name: str, shown: Shown, places: np.ndarray) -> Part:
    return Part(name, shown.labels[places], ItemExamples(shown.items.take(places), shown.form))


def open_tested(config: TaskConfig, trust_python: bool = False) -> tuple[str, Split]:
    """Digest of what a stream shows of a task, and the task's test split; for evaluation only.

    Raises:
        DataError: It has no test examples.
    """
    refuse_untrusted([config], trust_python)
    raw = load_raw(config)
    if isinstance(raw, RawStream):
        return live_digest(raw, config), open_test(config, trust_python)
    splits = open_splits(config, trust_python)
    return splits.shown, splits.test
