"""Claims about opening tasks and splitting them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.errors import ConfigError, DataError
from evo_mtl.network.inputs import Pixels
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.raw import item_digest
from evo_mtl.streams.splitting import hold_out, limited
from evo_mtl.streams.task import load_batch, open_splits, open_task, open_test

from .worlds import files, png, write, write_zip

CONTENTS = files({"train/a": 10, "train/b": 10, "train/c": 3, "test/a": 2, "test/b": 2, "test/c": 2})


def config(path: object, **more: object) -> TaskConfig:
    return TaskConfig(name="t", source=f"folder:{path}", **more)  # type: ignore[arg-type]


def test_the_splits_do_not_depend_on_names_of_files_or_on_the_place(tmp_path: Path) -> None:
    renamed = {
        f"{'/'.join(name.split('/')[:2])}/{999 - i}.png": raw
        for i, (name, raw) in enumerate(CONTENTS.items())
    }
    first = open_task(config(write(tmp_path / "one", CONTENTS)))
    second = open_task(config(write(tmp_path / "two", renamed)))
    third = open_task(config(write_zip(tmp_path / "three.zip", {f"top/{k}": v for k, v in CONTENTS.items()})))
    assert first.digest == second.digest == third.digest
    for other in (second, third):
        assert np.array_equal(first.train.labels, other.train.labels)
        assert np.array_equal(
            load_batch(first.train, Pixels(8, (), ())), load_batch(other.train, Pixels(8, (), ()))
        )
        assert np.array_equal(
            load_batch(first.validation, Pixels(8, (), ())), load_batch(other.validation, Pixels(8, (), ()))
        )


def test_each_class_keeps_training_images_and_gets_validation_images(tmp_path: Path) -> None:
    task = open_task(config(write(tmp_path / "d", CONTENTS), validation=0.2))
    assert np.bincount(task.train.labels).tolist() == [8, 8, 2]
    assert np.bincount(task.validation.labels).tolist() == [2, 2, 1]
    assert task.classes == ("a", "b", "c")
    assert not task.train.labels.flags.writeable


def test_another_seed_splits_otherwise_and_the_same_seed_equally(tmp_path: Path) -> None:
    path = write(tmp_path / "d", CONTENTS)
    digests = [open_task(config(path, seed=seed)).validation.digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_an_image_that_changes_changes_the_digest_of_the_task(tmp_path: Path) -> None:
    path = write(tmp_path / "d", CONTENTS)
    before = open_task(config(path)).digest
    (path / "test" / "a" / "0.png").write_bytes(png(777))
    assert open_task(config(path)).digest != before


def test_a_task_reaches_no_test_image(tmp_path: Path) -> None:
    path = write(tmp_path / "d", files({"a": 10, "b": 10}))
    task, test = open_task(config(path)), open_test(config(path))
    assert len(test) == 4
    reachable = {
        item_digest(split.examples[i]) for split in (task.train, task.validation) for i in range(len(split))
    }
    assert len(reachable) == 16
    assert not reachable & {item_digest(test.examples[i]) for i in range(len(test))}
    with pytest.raises(IndexError):
        task.train.examples[len(task.train)]


def test_limit_caps_training_before_validation_and_test_and_keeps_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "d", CONTENTS)
    opened = open_splits(config(path, limit=9))
    assert len(opened.train) + len(opened.validation) == 9
    assert set(opened.train.labels.tolist()) == {0, 1, 2} == set(opened.validation.labels.tolist())
    assert len(open_splits(config(path, limit=6)).test) == 6
    with pytest.raises(DataError, match="task t: limit 5 is too small"):
        open_task(config(path, limit=5))


def test_classes_select_and_number_in_the_given_order(tmp_path: Path) -> None:
    path = write(tmp_path / "d", CONTENTS)
    task = open_task(config(path, classes=("c", "a")))
    assert task.classes == ("c", "a")
    assert np.bincount(task.train.labels).tolist() == [2, 8]
    with pytest.raises(ConfigError, match=r"task t: classes: .* has no class 'A'"):
        open_task(config(path, classes=("A", "b")))


def test_one_class_and_a_class_of_one_image_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a task with one class \(a\)"):
        open_task(config(write(tmp_path / "one", files({"a": 4}))))
    with pytest.raises(DataError, match=r"class 'b' has one training image \(.*train/b/0.png\)"):
        open_task(config(write(tmp_path / "few", files({"train/a": 4, "train/b": 1, "test/a": 1}))))


def test_a_broken_image_is_named_when_loaded_from_a_folder_and_from_a_zip(tmp_path: Path) -> None:
    contents = {**files({"a": 3, "b": 3}), "b/9.png": png(5)[:60]}
    for path in (write(tmp_path / "d", contents), write_zip(tmp_path / "d.zip", contents)):
        opened = open_splits(config(path))
        messages = []
        for split in (opened.train, opened.validation, opened.test):
            try:
                load_batch(split, Pixels(8, (), ()))
            except DataError as error:
                messages.append(str(error))
        assert len(messages) == 1
        assert "b/9.png: broken image" in messages[0]


def test_an_added_example_moves_no_other_across_the_split() -> None:
    digests = [item_digest(bytes([i])) for i in range(101)]
    labels = np.zeros(101, dtype=np.int64)
    before = hold_out(labels[:100], digests[:100], 0.2, 0, "validation")
    after = hold_out(labels, digests, 0.2, 0, "validation")
    assert before.sum() == 20 == after.sum()
    assert (before != after[:100]).sum() <= 1


@pytest.mark.parametrize("limit", [4, 5, 11, 50, 109, 110, 200])
def test_limits_are_met_exactly_and_in_proportion(limit: int) -> None:
    labels = np.repeat([0, 2], [100, 10])
    digests = [item_digest(bytes([i])) for i in range(110)]
    kept = limited(labels, digests, limit, 0, "limit", floor=2)
    assert kept.sum() == min(limit, 110)
    counts = np.bincount(labels[kept], minlength=3)
    assert counts[2] >= 2
    assert abs(counts[2] - max(2, min(limit, 110) / 11)) <= 1


def test_importing_streams_imports_no_heavy_library() -> None:
    code = (
        "import sys, evo_mtl.streams.task, evo_mtl.streams.check, evo_mtl.streams.views;"
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
