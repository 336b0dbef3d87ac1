"""The parts of a small task: who is left out when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task, open_task
from evo_mtl.training.folds import answered_labels, folds_of


def a_task(folder: Path, counts: tuple[int, ...], name: str = "few") -> Task:
    """A task with so many training images of each class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), np.array(counts) + 1)
    path = folder / f"{name}.npz"
    np.savez(
        path,
        images=rng.integers(0, 255, (len(labels), 8, 8), dtype=np.uint8),
        labels=labels,
        test_images=np.zeros((2, 8, 8), np.uint8),
        test_labels=np.array([0, 1]),
    )
    task = open_task(TaskConfig(name=name, source=f"npz:{path}", validation=0.01))
    assert np.bincount(task.train.labels).tolist() == list(counts)
    return task


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_image_is_left_out_once_and_classes_are_spread_evenly(count: int, tmp_path: Path) -> None:
    task = a_task(tmp_path, (11, 7, 2))
    folds = folds_of(task, count, 0)
    left = np.concatenate([fold.left for fold in folds])
    assert sorted(left) == list(range(20))
    assert {len(fold.left) for fold in folds} <= {20 // count, -(-20 // count)}
    for fold in folds:
        assert sorted([*fold.kept, *fold.left]) == list(range(20))
        per_class = np.bincount(task.train.labels[fold.left], minlength=3)
        assert all(abs(n - size / count) < 1 for n, size in zip(per_class, (11, 7, 2)))
        assert set(task.train.labels[fold.kept]) == {0, 1, 2}


def test_the_only_image_of_a_class_is_never_left_out(tmp_path: Path) -> None:
    task = a_task(tmp_path, (5, 1, 4))
    only = int(np.flatnonzero(task.train.labels == 1)[0])
    folds = folds_of(task, 3, 0)
    assert all(only in fold.kept for fold in folds)
    assert sum(len(fold.left) for fold in folds) == 9


def test_of_fewer_images_than_parts_there_are_fewer_parts_and_none_is_empty(tmp_path: Path) -> None:
    folds = folds_of(a_task(tmp_path, (2, 2)), 9, 0)
    assert [len(fold.left) for fold in folds] == [1, 1, 1, 1]
    assert [fold.number for fold in folds] == [0, 1, 2, 3]


def test_parts_are_drawn_at_the_tasks_address(tmp_path: Path) -> None:
    task, other = a_task(tmp_path, (11, 7)), a_task(tmp_path, (11, 7), "other")

    def parts(one: Task, seed: int) -> list[list[int]]:
        return [fold.left.tolist() for fold in folds_of(one, 3, seed)]

    assert parts(task, 0) == parts(task, 0)
    assert parts(task, 0) != parts(task, 1)
    assert parts(task, 0) != parts(other, 0)


def test_answers_come_from_the_validation_images_first_and_then_part_by_part(tmp_path: Path) -> None:
    task = a_task(tmp_path, (11, 7, 2))
    left = np.concatenate([fold.left for fold in folds_of(task, 3, 0)])
    expected = [*task.validation.labels, *task.train.labels[left]]
    assert answered_labels(task, 3, 0).tolist() == expected
    assert answered_labels(task, 0, 0).tolist() == task.validation.labels.tolist()
