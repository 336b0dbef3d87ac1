"""What a person should know about a task's data before learning from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image

from evo_mtl.errors import DataError, InputError
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.images import Raw, open_image, resize
from evo_mtl.streams.live import check_live, pieces
from evo_mtl.streams.raw import IMAGES, Items, RawStream, item_digest
from evo_mtl.streams.sources import SOURCES
from evo_mtl.streams.task import ItemExamples, Split, Splits, load_raw, open_splits
from evo_mtl.streams.views import GREY

NEAR_RMS = 3.0
SHOWN = 5
LARGEST_BATCH = 1_000_000


@dataclass(frozen=True)
class SplitReport:
    """Counts of one split: examples, and examples of the smallest and largest class."""

    count: int
    class_min: int
    class_max: int


@dataclass(frozen=True)
class TaskReport:
    """What :func:`check_task` found; without problems the task is ready.

    Args:
        name: The task.
        source: Where its data come from.
        classes: Names.
        train: Counts; ``validation`` and ``test`` likewise. None when the data cannot be opened. Online all but the
            test examples are for training.
        form: Kind of input that reads its examples: ``"pixels"`` or ``"vector"``.
        width: Numbers a row; 0 for images.
        sizes: ``(height, width)`` smallest, median and largest image, by area.
        colour_modes: How many images of each mode (L, RGB, ...).
        exact_duplicates: Test examples that are also in training or validation, number by number.
        near_duplicates: Test images whose 16 x 16 grey is within 3 levels (rms) of one there;
            exact ones included.
        two_labels: Examples that appear under two labels.
        problems: One line each.
        stopping: The first of those that stop a search: data that cannot be opened, a broken
            training or validation example.
        first_batch: Examples of the first batch, where batches come one after another; only that one was looked at.
    """

    name: str
    source: str
    form: str = IMAGES.kind
    width: int = 0
    classes: tuple[str, ...] = ()
    train: SplitReport | None = None
    validation: SplitReport | None = None
    test: SplitReport | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    colour_modes: tuple[tuple[str, int], ...] = ()
    exact_duplicates: int = 0
    near_duplicates: int = 0
    two_labels: int = 0
    problems: tuple[str, ...] = ()
    stopping: str | None = None
    first_batch: int | None = None


@dataclass(frozen=True)
class SourceInfo:
    """A data source, for people: how it is written, what it is, what else it needs."""

    name: str
    description: str
    needs: str


def list_sources() -> tuple[SourceInfo, ...]:
    """Every source; where a scheme has a fixed list of data sets, each of them."""
    return tuple(
        SourceInfo(f"{scheme}:{argument}", SOURCES.get(scheme).description, SOURCES.get(scheme).needs)
        for scheme in SOURCES
        for argument in SOURCES.get(scheme).names or (SOURCES.get(scheme).argument,)
    )


def check_task(config: TaskConfig, online: bool = False) -> TaskReport:
    """Decodes every example of a task and looks for what would spoil learning or its measurement.

    The task is the user's own: a function that its source names is called.

    Args:
        config: Of the task.
        online: Whether its stream is: then validation examples are training examples, and batches may come one
            after another.

    Returns:
        The report; data that cannot even be opened give a report with that one problem.
    """
    try:
        if online and isinstance(raw := load_raw(config), RawStream):
            return _check_first_batch(raw, config)
        opened = open_splits(config, trust_python=True)
    except InputError as error:
        return TaskReport(config.name, config.source, problems=(str(error),), stopping=str(error))
    looks = [_look(split) for split in (opened.train, opened.validation, opened.test)]
    learning, test = _joined(looks[:2]), looks[2]
    exact = int(np.isin(test.digests, learning.digests).sum())
    near = int(_near(test.thumbs, learning.thumbs).sum())
    two = _two_labels(_joined(looks))
    sizes = sorted(
        (size for look in looks for size in look.sizes), key=lambda size: (size[0] * size[1], size)
    )
    modes = Counter(mode for look in looks for mode in look.modes)
    broken = [line for look in looks for line in look.broken]
    stopping = [line for look in looks[:2] for line in look.broken]
    return TaskReport(
        name=config.name,
        source=config.source,
        form=opened.form.kind,
        width=opened.form.width,
        classes=opened.classes,
        train=_counts(opened, *((opened.train, opened.validation) if online else (opened.train,))),
        validation=None if online else _counts(opened, opened.validation),
        test=_counts(opened, opened.test),
        sizes=(sizes[0], sizes[len(sizes) // 2], sizes[-1]) if sizes else (),
        colour_modes=tuple(modes.most_common()),
        exact_duplicates=exact,
        near_duplicates=near,
        two_labels=two,
        problems=_problems(opened, broken, exact, near, two, online),
        stopping=stopping[0] if stopping else None,
    )


def _check_first_batch(raw: RawStream, config: TaskConfig) -> TaskReport:
    check_live(raw, config)
    batches = pieces(raw, config, batch_size=LARGEST_BATCH)
    first = next(batches)
    for i in range(len(first.labels)):
        ItemExamples(first.items, raw.form)[i]
    return TaskReport(
        name=config.name,
        source=config.source,
        form=raw.form.kind,
        width=raw.form.width,
        classes=raw.classes,
        problems=() if raw.test is not None else ("no test examples: it cannot be evaluated",),
        first_batch=len(first.labels),
    )


@dataclass(frozen=True)
class _Look:
    """What is kept of the examples of a split: digests, labels, and of images ``(N, 256)`` grey."""

    digests: np.ndarray
    thumbs: np.ndarray
    labels: np.ndarray
    sizes: list[tuple[int, int]]
    modes: list[str]
    broken: list[str]


def _look(split: Split) -> _Look:
    assert isinstance(split.examples, ItemExamples)
    items: Items = split.examples.items
    pictures = split.examples.form == IMAGES
    digests, thumbs, labels, sizes, modes, broken = [], [], [], [], [], []
    for i, label in enumerate(split.labels):
        try:
            example = split.examples[i]
        except DataError as error:
            broken.append(str(error))
            continue
        digests.append(item_digest(example).hex())
        labels.append(int(label))
        if pictures:
            thumbs.append(resize(example, 16).reshape(256, 3) @ GREY)
            sizes.append((example.shape[0], example.shape[1]))
            modes.append(_mode(items.raw(i)))
    stacked = np.array(thumbs, dtype=np.float32).reshape(-1, 256)
    return _Look(
        np.array(digests, dtype=str), stacked, np.array(labels, dtype=np.int64), sizes, modes, broken
    )


def _mode(raw: Raw) -> str:
    """PIL's name of an image's colours."""
    if isinstance(raw, np.ndarray):
        return "L" if raw.ndim == 2 else {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[raw.shape[2]]
    return raw.mode if isinstance(raw, Image.Image) else open_image(raw).mode


def _joined(looks: list[_Look]) -> _Look:
    arrays = [
        np.concatenate([getattr(look, part) for look in looks]) for part in ("digests", "thumbs", "labels")
    ]
    return _Look(arrays[0], arrays[1], arrays[2], [], [], [])


def _near(some: np.ndarray, others: np.ndarray, chunk: int = 512) -> np.ndarray:
    """Which rows of ``some`` ``(A, 256)`` lie within :data:`NEAR_RMS` of a row of ``others`` ``(B, 256)``."""
    out = np.zeros(len(some), dtype=bool)
    if len(others) == 0:
        return out
    squares = (others**2).sum(axis=1)
    for start in range(0, len(some), chunk):
        rows = some[start : start + chunk]
        distance = (rows**2).sum(axis=1)[:, None] + squares - 2.0 * rows @ others.T
        out[start : start + chunk] = (distance < NEAR_RMS**2 * 256).any(axis=1)
    return out


def _two_labels(look: _Look) -> int:
    labels: dict[str, set[int]] = {}
    for digest, label in zip(look.digests.tolist(), look.labels.tolist(), strict=True):
        labels.setdefault(digest, set()).add(label)
    return sum(len(found) > 1 for found in labels.values())


def _counts(opened: Splits, *splits: Split) -> SplitReport:
    labels = np.concatenate([split.labels for split in splits])
    counts = np.bincount(labels, minlength=len(opened.classes))
    return SplitReport(len(labels), int(counts.min()), int(counts.max()))


def _problems(
    opened: Splits, broken: list[str], exact: int, near: int, two: int, online: bool
) -> tuple[str, ...]:
    problems, noun = broken[:SHOWN], opened.form.noun
    if len(broken) > SHOWN:
        problems.append(f"{len(broken) - SHOWN} more {noun}s are broken")
    if exact:
        problems.append(f"{exact} test {noun}s are also in training or validation")
    if near > exact:
        problems.append(f"{near - exact} more test {noun}s are nearly equal to one in training or validation")
    if two:
        problems.append(f"{two} {noun}s appear under two labels")
    measured = [("validation", opened.validation), ("test", opened.test)]
    for what, split in measured[1:] if online else measured:
        counts = np.bincount(split.labels, minlength=len(opened.classes))
        missing = [name for name, count in zip(opened.classes, counts, strict=True) if count == 0]
        if missing:
            more = ", ..." if len(missing) > SHOWN else ""
            problems.append(
                f"{len(missing)} classes have no {what} {noun}: {', '.join(missing[:SHOWN])}{more}"
            )
    return tuple(problems)
