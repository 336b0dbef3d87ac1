"""A task opened again by its index: the same examples, and no other is read."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evo_mtl.archive.journal import read_journal
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.streams import stamps, task
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.index import Index, index_from_array
from evo_mtl.streams.task import Task, open_indexed, open_task
from evo_mtl.testing.worlds import coloured, write_task
from tests.worlds import config, journal, search


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written a moment ago are believed."""
    monkeypatch.setattr(stamps, "SETTLED", 0)


def folders(path: Path, *splits: str) -> TaskConfig:
    """Images in class folders, two classes, ten images each."""
    for split in splits:
        images, labels = coloured(20, 2, seed=len(split))
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = path / split / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{i}.png")
    return TaskConfig(name="pets", source=f"folder:{path}", validation=0.25)


def arrays(path: Path) -> TaskConfig:
    return TaskConfig(name="pets", source=f"npz:{write_task(path / 'pets.npz', seed=1)}", validation=0.25)


def index_of(opened: Task) -> Index:
    assert opened.index is not None
    return opened.index


def same(one: Task, other: Task | None) -> bool:
    assert other is not None
    pairs = [(one.train, other.train), (one.validation, other.validation)]
    return (one.digest, one.classes, one.form) == (other.digest, other.classes, other.form) and all(
        a.digest == b.digest
        and np.array_equal(a.labels, b.labels)
        and all(np.array_equal(a.examples[i], b.examples[i]) for i in range(len(a)))
        for a, b in pairs
    )


@pytest.mark.parametrize("splits", [("train",), ("train", "test"), ("train", "test", "validation")])
@pytest.mark.parametrize("more", [{}, {"limit": 8}, {"seed": 3}])
def test_a_task_of_folders_is_the_same_by_its_index(
    tmp_path: Path, splits: tuple[str, ...], more: dict[str, int]
) -> None:
    asked = folders(tmp_path, *splits).model_copy(update=more)
    opened = open_task(asked)
    assert same(opened, open_indexed(asked, index_of(opened)))


def test_a_task_of_some_classes_of_arrays_is_the_same_by_its_index(tmp_path: Path) -> None:
    asked = arrays(tmp_path).model_copy(update={"classes": ("2", "0")})
    opened = open_task(asked)
    assert opened.classes == ("2", "0")
    assert same(opened, open_indexed(asked, index_of(opened)))


def test_an_index_comes_back_from_its_array(tmp_path: Path) -> None:
    index = index_of(open_task(arrays(tmp_path)))
    for each in (index, replace(index, stamp=None)):
        back = index_from_array(each.to_array())
        assert back is not None
        assert np.array_equal(back.train, each.train)
        assert np.array_equal(back.validation, each.validation)
        assert (back.given, back.digests, back.stamp) == (each.given, each.digests, each.stamp)
    other = index.to_array()
    other[0] += 1
    assert index_from_array(other) is None
    assert index_from_array(other[:3]) is None


def test_no_example_is_read_and_no_test_file_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = folders(tmp_path, "train", "test")
    index = index_of(open_task(asked))
    monkeypatch.setattr(task, "digests", lambda items: pytest.fail("examples are read"))
    assert open_indexed(asked, index) is not None


def test_files_that_changed_or_cannot_vouch_are_not_opened_by_the_index(tmp_path: Path) -> None:
    asked = folders(tmp_path, "train")
    index = index_of(open_task(asked))
    assert open_indexed(asked, replace(index, stamp=None)) is None
    path = next((tmp_path / "train").rglob("*.png"))
    os.utime(path, ns=(0, 0))
    assert open_indexed(asked, index) is None


def test_data_without_files_of_the_users_have_an_index_that_vouches_for_nothing() -> None:
    asked = TaskConfig(name="wine", source="sklearn:wine")
    index = index_of(open_task(asked))
    assert index.stamp is None
    assert open_indexed(asked, index) is None


def test_a_search_reads_a_tasks_examples_once_and_its_journal_is_that_of_one_that_reads_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(tmp_path, "one", overrides=("budget.generations=1",))
    read = []
    original = task.digests
    monkeypatch.setattr(task, "digests", lambda items: read.append(len(items)) or original(items))
    search(tmp_path / "by_index", made)
    assert len(read) == 2  # training and test examples, by the coordinator
    read.clear()
    monkeypatch.setattr(stamps, "SETTLED", 10**18)  # no file vouches for anything
    search(tmp_path / "again", made)
    assert len(read) > 2
    assert journal(tmp_path / "by_index") == journal(tmp_path / "again")


def test_a_worker_whose_index_is_gone_reads_the_task_whole(tmp_path: Path) -> None:
    made = config(tmp_path, "one", overrides=("budget.generations=1",))
    search(tmp_path / "one", made)
    search(tmp_path / "none", made, Options(cache_bytes=0))
    assert read_journal(RunFolder(tmp_path / "one").journal) == read_journal(
        RunFolder(tmp_path / "none").journal
    )
