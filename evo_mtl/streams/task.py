"""A task as the search sees it: classes, a training split and a validation split.

Test images are opened separately, by :func:`open_test`; nothing leads to them from a :class:`Task`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from evo_mtl.documents import is_text
from evo_mtl.errors import ConfigError, DataError, InputError
from evo_mtl.registry import suggestion
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.decoding import DECODERS
from evo_mtl.streams.index import Index
from evo_mtl.streams.raw import (
    IMAGES,
    Form,
    Items,
    JoinedItems,
    RawSplit,
    RawStream,
    RawTask,
    Request,
    digests,
)
from evo_mtl.streams.sources import find_source
from evo_mtl.streams.splitting import hold_out, limited
from evo_mtl.streams.stamps import stamp


class Examples(Protocol):
    """Examples, decoded when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray:
        """``(H, W, 3)`` uint8, an image of any size; or ``(D,)`` float32, a row."""
        ...


@dataclass(frozen=True)
class ItemExamples:
    """Decodes a source's items."""

    items: Items
    form: Form

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self.items):
            raise IndexError(index)
        return DECODERS.get(self.form.kind)(self.items.raw(index), self.items.name(index))


@dataclass(frozen=True)
class Split:
    """Examples with labels ``(N,)`` int64; the order follows from the content alone.

    ``digest`` covers raw examples, labels and class names, not where they lie.
    """

    examples: Examples
    labels: np.ndarray
    digest: str

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Task:
    """What may be learned from.

    ``digest`` covers all three splits; ``form`` says what its examples are; by its ``index`` it may be opened again.
    """

    name: str
    classes: tuple[str, ...]
    metric: str
    train: Split
    validation: Split
    digest: str
    form: Form = IMAGES
    index: Index | None = None


@dataclass(frozen=True)
class Splits:
    """All three splits of a task; for :func:`open_task`, :func:`open_test` and checks only.

    ``digest`` covers all three; ``shown`` training and validation, however they are divided.
    """

    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    digest: str
    shown: str
    index: Index
    form: Form = IMAGES


@dataclass(frozen=True)
class Shown:
    """What an online stream shows of a task: training and validation examples together, by content.

    ``labels`` are ``(N,)`` int64; ``digest`` is :attr:`Splits.shown`.
    """

    classes: tuple[str, ...]
    items: Items
    labels: np.ndarray
    digest: str
    form: Form = IMAGES


def open_task(config: TaskConfig, trust_python: bool = False) -> Task:
    """Opens a task's data without its test images.

    Args:
        config: The task.
        trust_python: Whether code that its source names may be run: the user of this machine wrote the
            source, or said so of the run that it is from.

    Raises:
        DataError: The data are missing, or have fewer than two classes, or a class has fewer than two
            training images; or the source would run code that is not trusted.
    """
    before = stamp(config)
    opened = open_splits(config, trust_python)
    vouches = before is not None and before.has_files and before.settled and stamp(config) == before
    return Task(
        config.name,
        opened.classes,
        config.metric,
        opened.train,
        opened.validation,
        opened.digest,
        opened.form,
        replace(opened.index, stamp=before.digest) if before is not None and vouches else opened.index,
    )


def open_indexed(config: TaskConfig, index: Index) -> Task | None:
    """The task that an index was found for; no example is read, and test examples are left where they are.

    Returns:
        ``None`` where its files are no longer, or may not be, those that the index was found in.
    """
    now = stamp(config)
    if now is None or not now.has_files or now.digest != index.stamp:
        return None
    raw = _only_classes(_whole(load_raw(config, test=False), config), config.classes, f"task {config.name}")
    given = raw.train if not index.given else raw.validation
    assert given is not None  # the files are the same
    parts = (raw.train.take(index.train), given.take(index.validation))
    train, validation = (
        Split(ItemExamples(part.items, raw.form), _fixed(part.labels), digest)
        for part, digest in zip(parts, index.digests)
    )
    whole = index.digests[2]
    return Task(config.name, raw.classes, config.metric, train, validation, whole, raw.form, index)


def with_validation(task: Task, places: Sequence[int]) -> Task:
    """The task with only some of its validation images; they keep their order."""
    return replace(task, validation=part_of(task.validation, places))


def part_of(split: Split, places: Sequence[int] | np.ndarray) -> Split:
    """Some examples of a split, in the order of their places."""
    chosen = np.asarray(places, dtype=np.int64)
    content = hashlib.sha256(split.digest.encode() + chosen.tobytes())
    return Split(_Chosen(split.examples, chosen), split.labels[chosen], content.hexdigest())


@dataclass(frozen=True)
class _Chosen:
    """Some of other examples."""

    examples: Examples
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.examples[int(self.places[index])]


def open_test(config: TaskConfig, trust_python: bool = False) -> Split:
    """A task's test split; for evaluation only. Labels number the classes of :func:`open_task`.

    Raises:
        DataError: There is none.
    """
    refuse_untrusted([config], trust_python)
    raw = load_raw(config)
    if not isinstance(raw, RawStream):
        return _splits(raw, config).test
    if raw.test is None:
        raise DataError("its source gives no test examples, so it cannot be evaluated", f"task {config.name}")
    return _sealed(_keyed(raw.test), raw)


class Rows(Protocol):
    """How an example becomes a row of a batch; every input of a network has this face."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of a row."""
        ...

    def row(self, example: np.ndarray) -> np.ndarray:
        """The row of an example."""
        ...


def load_batch(split: Split, rows: Rows, threads: int = 2) -> np.ndarray:
    """A whole split, decoded, as one array ``(N, *shape)``.

    Raises:
        DataError: An example is broken; names it.
    """
    return load_batches(split, (rows,), threads)[0]


def load_batches(split: Split, rows: Sequence[Rows], threads: int = 2) -> list[np.ndarray]:
    """The same in several forms, each example decoded once."""
    return load_examples(split.examples, rows, threads)


def load_examples(examples: Examples, rows: Sequence[Rows], threads: int = 2) -> list[np.ndarray]:
    """The same of examples that are no split."""
    out = [np.empty((len(examples), *each.shape), each.dtype) for each in rows]

    def load(index: int) -> None:
        example = examples[index]
        for each, array in zip(rows, out, strict=True):
            array[index] = each.row(example)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for _ in pool.map(load, range(len(examples))):
            pass
    return out


@dataclass(frozen=True)
class _Part:
    """Examples in the order of their digests."""

    split: RawSplit
    keys: list[bytes]
    places: np.ndarray

    def take(self, mask: np.ndarray) -> _Part:
        indices = np.flatnonzero(mask)
        return _Part(self.split.take(indices), [self.keys[i] for i in indices], self.places[indices])


def refuse_untrusted(configs: Iterable[TaskConfig], trust_python: bool) -> None:
    """Refuses tasks whose sources run code, unless that is trusted.

    Raises:
        DataError: Names the task, its source, and how to say that it is trusted.
    """
    for config in configs:
        if find_source(config.source).runs_code and not trust_python:
            raise DataError(
                f"its source {config.source} runs code, and it is the run that says which; if you trust it, "
                "say --trust-python (in Python trust_python=True)",
                f"task {config.name}",
            )


def open_splits(config: TaskConfig, trust_python: bool = False) -> Splits:
    """All splits of a task; :func:`open_task` is what learning code calls, and says more."""
    refuse_untrusted([config], trust_python)
    return _splits(_whole(load_raw(config), config), config)


def _splits(given: RawTask, config: TaskConfig) -> Splits:
    raw, train, validation, test = _parted(given, config, test=True)
    assert test is not None  # it was asked for
    shown = _sealed(train if validation is None else _joined(train, validation), raw).digest
    if validation is None:
        mask = hold_out(train.split.labels, train.keys, config.validation, config.seed, "validation")
        train, validation = train.take(~mask), train.take(mask)

    sealed = [_sealed(part, raw) for part in (train, validation, test)]
    whole = hashlib.sha256("".join(split.digest for split in sealed).encode()).hexdigest()
    digests = (sealed[0].digest, sealed[1].digest, whole)
    index = Index(train.places, validation.places, raw.validation is not None, digests, None)
    return Splits(raw.classes, sealed[0], sealed[1], sealed[2], whole, shown, index, raw.form)


def as_shown(given: RawTask, config: TaskConfig) -> Shown:
    """What an online stream shows of a task: all its examples but those for tests, which are left closed.

    Args:
        given: From :func:`load_raw`.
        config: Of the task.

    Raises:
        DataError: As by :func:`open_task`.
    """
    raw, train, validation, _ = _parted(given, config, test=False)
    split = _sealed(train if validation is None else _joined(train, validation), raw)
    assert isinstance(split.examples, ItemExamples)
    return Shown(raw.classes, split.examples.items, split.labels, split.digest, raw.form)


def load_raw(config: TaskConfig, test: bool = True) -> RawTask | RawStream:
    """What a task's source gives; test examples only if wanted. Its code is run: see :func:`refuse_untrusted`."""
    source = find_source(config.source)
    argument = config.source.split(":", 1)[1]
    return source.load(argument, Request(config.seed, config.root, config.download, test))


def _whole(raw: RawTask | RawStream, config: TaskConfig) -> RawTask:
    if isinstance(raw, RawStream):
        message = "its source gives batches one after another; that is for regime: online"
        raise DataError(message, f"task {config.name}")
    return raw


def _parted(
    raw: RawTask, config: TaskConfig, test: bool
) -> tuple[RawTask, _Part, _Part | None, _Part | None]:
    """The source's training, validation and test examples, limited; test examples only if they are wanted."""
    place = raw.place or config.source
    raw = _only_classes(raw, config.classes, f"task {config.name}")
    for name in raw.classes:
        if not is_text(name):
            raise DataError(f"the class name {name!r} is not UTF-8 text", place)
    if len(raw.classes) < 2:
        raise DataError(f"a task with one class ({', '.join(raw.classes)}); at least two are needed", place)

    train = _keyed(raw.train)
    tested: _Part | None = None
    if raw.test is None and not raw.closed:
        mask = hold_out(train.split.labels, train.keys, raw.test_fraction, config.seed, "test", keep=2)
        train, tested = train.take(~mask), train.take(mask)
    elif raw.test is not None and test:
        tested = _keyed(raw.test)
    tested = tested if test else None
    validation = None if raw.validation is None else _keyed(raw.validation)
    _check_counts(raw, {"train": train, "test": tested, "validation": validation}, place)
    if config.limit is not None:
        try:
            train = _limit(train, config, "limit", floor=2)
            tested = None if tested is None else _limit(tested, config, "limit test")
            validation = None if validation is None else _limit(validation, config, "limit validation")
        except DataError as error:
            raise DataError(error.message, f"task {config.name}") from None
    return raw, train, validation, tested


def _joined(one: _Part, other: _Part) -> _Part:
    """Both, in the order of their digests; a place is one among the examples of both."""
    keys, labels = one.keys + other.keys, np.concatenate([one.split.labels, other.split.labels])
    part = np.repeat([0, 1], [len(one.keys), len(other.keys)])
    place = np.concatenate([np.arange(len(one.keys)), np.arange(len(other.keys))])
    order = _by_content(keys, labels)
    items = JoinedItems((one.split.items, other.split.items), part[order], place[order])
    return _Part(RawSplit(items, labels[order]), [keys[i] for i in order], order)


def _keyed(split: RawSplit) -> _Part:
    """Sorted by content, so that the order does not depend on file names or folders."""
    keys = digests(split.items)
    order = _by_content(keys, split.labels)
    return _Part(split.take(order), [keys[i] for i in order], order)


def _by_content(keys: Sequence[bytes], labels: np.ndarray) -> np.ndarray:
    return np.array(sorted(range(len(keys)), key=lambda i: (keys[i], labels[i])), dtype=np.int64)


def _limit(part: _Part, config: TaskConfig, purpose: str, floor: int = 0) -> _Part:
    if config.limit is None or len(part.keys) <= config.limit:
        return part
    return part.take(limited(part.split.labels, part.keys, config.limit, config.seed, purpose, floor))


def _sealed(part: _Part, raw: RawTask | RawStream) -> Split:
    digest = hashlib.sha256()
    for name in raw.classes:
        digest.update(name.encode() + b"\0")
    for key, label in zip(part.keys, part.split.labels, strict=True):
        digest.update(key + int(label).to_bytes(8, "little"))
    return Split(ItemExamples(part.split.items, raw.form), _fixed(part.split.labels), digest.hexdigest())


def _fixed(labels: np.ndarray) -> np.ndarray:
    found = labels.astype(np.int64)
    found.flags.writeable = False
    return found


def _only_classes(raw: RawTask, wanted: tuple[str, ...] | None, place: str) -> RawTask:
    if wanted is None:
        return raw
    for name in wanted:
        if name not in raw.classes:
            raise ConfigError(
                f"classes: {raw.place} has no class {name!r}{suggestion(name, raw.classes)}", place
            )
    number = np.full(len(raw.classes), -1)
    for new, name in enumerate(wanted):
        number[raw.classes.index(name)] = new

    def some(split: RawSplit | None) -> RawSplit | None:
        if split is None:
            return None
        kept = split.take(np.flatnonzero(number[split.labels] >= 0))
        return RawSplit(kept.items, number[kept.labels])

    train = some(raw.train)
    if train is None:
        raise InputError("no training examples", place)
    return replace(raw, classes=wanted, train=train, test=some(raw.test), validation=some(raw.validation))


def _check_counts(raw: RawTask, parts: Mapping[str, _Part | None], place: object) -> None:
    train = parts["train"]
    assert train is not None
    counts, noun = np.bincount(train.split.labels, minlength=len(raw.classes)), raw.form.noun
    for label, name in enumerate(raw.classes):
        if counts[label] == 0:
            raise DataError(f"class {name!r} has no training {noun}", place)
        if counts[label] == 1:
            only = train.split.items.name(int(np.flatnonzero(train.split.labels == label)[0]))
            raise DataError(
                f"class {name!r} has one training {noun} ({only}); at least two are needed", place
            )
    for what, part in parts.items():
        if part is not None and len(part.keys) == 0:
            raise DataError(f"the {what} split is empty", place)
