"""What a data source must keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evo_mtl.network.inputs import plain_input
from evo_mtl.streams.check import check_task
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.raw import Request, item_digest
from evo_mtl.streams.sources import find_source
from evo_mtl.streams.stamps import stamp
from evo_mtl.streams.task import Split, load_batch, open_splits

SIDE = 8


def check_opened_twice_it_is_the_same(task: TaskConfig) -> None:
    """Digests, labels and examples do not change from one opening to the next."""
    one, two = open_splits(task, trust_python=True), open_splits(task, trust_python=True)
    assert one.digest == two.digest
    assert one.classes == two.classes
    assert one.form == two.form
    for a, b in zip(_splits(one), _splits(two), strict=True):
        assert a.digest == b.digest
        assert np.array_equal(a.labels, b.labels)
        assert np.array_equal(a.examples[0], b.examples[0])


def check_its_splits_have_no_example_in_common(task: TaskConfig) -> None:
    """Unless the data say the same thing twice, and then ``tasks check`` tells."""
    digests = [
        {item_digest(split.examples[i]) for i in range(len(split))}
        for split in _splits(open_splits(task, trust_python=True))
    ]
    common = digests[2] & (digests[0] | digests[1])
    assert len(common) <= check_task(task).exact_duplicates


def check_labels_number_its_classes(task: TaskConfig) -> None:
    """Each class has two training examples or more, and no label lies outside."""
    opened = open_splits(task, trust_python=True)
    assert len(opened.classes) >= 2
    assert len(set(opened.classes)) == len(opened.classes)
    for split in _splits(opened):
        assert len(split) == len(split.examples) >= 1
        assert split.labels.dtype == np.int64
        assert split.labels.min() >= 0
        assert split.labels.max() < len(opened.classes)
    assert np.bincount(opened.train.labels, minlength=len(opened.classes)).min() >= 1


def check_its_examples_become_batches(task: TaskConfig) -> None:
    """Every example is what the form says, and fits into a batch of the input that reads it."""
    opened = open_splits(task, trust_python=True)
    source = plain_input(opened.form).at(SIDE)
    for split in _splits(opened):
        batch = load_batch(split, source)
        assert batch.shape == (len(split), *source.shape)
        assert batch.dtype == source.dtype


def check_it_can_be_looked_through(task: TaskConfig) -> None:
    """``tasks check`` finds nothing that would stop a search, and counts every example."""
    opened, report = open_splits(task, trust_python=True), check_task(task)
    assert report.stopping is None, report.stopping
    assert report.form == opened.form.kind
    assert report.width == opened.form.width
    assert report.train is not None
    assert report.train.count == len(opened.train)


def check_its_files_vouch_for_it(task: TaskConfig) -> None:
    """The files that it names are there, and a stamp of them is the same while nothing changes."""
    source = find_source(task.source)
    if source.files is not None:
        named = source.files(task.source.split(":", 1)[1], Request(task.seed, task.root, task.download))
        assert all(path.exists() for path in named)
    assert stamp(task) == stamp(task)


CHECKS: tuple[Callable[[TaskConfig], None], ...] = (
    check_opened_twice_it_is_the_same,
    check_its_splits_have_no_example_in_common,
    check_labels_number_its_classes,
    check_its_examples_become_batches,
    check_it_can_be_looked_through,
    check_its_files_vouch_for_it,
)


def _splits(opened: object) -> tuple[Split, ...]:
    return tuple(getattr(opened, name) for name in ("train", "validation", "test"))
