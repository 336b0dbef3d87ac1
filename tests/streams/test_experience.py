"""Claims about what an online stream shows, and that it shows it once."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.errors import DataError
from evo_mtl.streams import experience as experiences
from evo_mtl.streams.config import StreamConfig, TaskConfig, read_stream
from evo_mtl.streams.experience import Batch, Experience, open_experience
from evo_mtl.streams.raw import ArrayItems, Items, JoinedItems, RawTask
from evo_mtl.streams.task import Rows, Shown, as_shown, load_raw, open_splits

from .worlds import files, write


@dataclass(frozen=True)
class Raw:
    """Images of one size as they are."""

    size: int = 4

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def row(self, example: np.ndarray) -> np.ndarray:
        return example[: self.size, : self.size]


def write_numbered(path: Path, count: int, first: int, num_tests: int = 3) -> None:
    """Images that say their number: the first pixel is ``(n // 256, n % 256, class)``; test images say 255."""
    images = np.zeros((count, 4, 4, 3), np.uint8)
    numbers = np.arange(first, first + count)
    labels = np.arange(count) % 3
    images[:, 0, 0] = np.stack([numbers // 256, numbers % 256, labels], 1)
    np.savez(
        path,
        images=images,
        labels=labels,
        test_images=np.full((num_tests, 4, 4, 3), 255, np.uint8),
        test_labels=np.arange(num_tests) % 3,
    )


COUNTS = {"a": 10, "b": 7, "c": 12}


def a_stream(
    folder: Path, order: str = "sequential", names: str = "abc", batch_size: int = 4
) -> StreamConfig:
    """A stream of numbered images; task ``a`` has 0 to 9, ``b`` 100 to 106, ``c`` 200 to 211."""
    for i, name in enumerate(COUNTS):
        write_numbered(folder / f"{name}.npz", COUNTS[name], 100 * i)
    lines = [f"name: s\nregime: online\norder: {order}\nbatch_size: {batch_size}\ntasks:"]
    lines += [f'- {{name: {name}, source: "npz:{name}.npz"}}' for name in names]
    path = folder / "s.yaml"
    path.write_text("\n".join(lines))
    return read_stream(path)


def open_shown(config: TaskConfig) -> Shown:
    raw = load_raw(config, test=False)
    assert isinstance(raw, RawTask)
    return as_shown(raw, config)


Told = tuple[int, tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...], tuple[str, ...]]


def told(batch: Batch) -> Told:
    """Everything that a batch says, with the numbers of its images."""
    parts = []
    for part in batch.parts:
        rows = part.rows(Raw())
        numbers = rows[:, 0, 0, 0].astype(int) * 256 + rows[:, 0, 0, 1]
        assert (rows[:, 0, 0, 2] == part.labels).all()
        parts.append((part.task, tuple(numbers.tolist()), tuple(part.labels.tolist())))
    return batch.number, tuple(parts), batch.last_of


def all_told(experience: Experience) -> list[Told]:
    return [told(batch) for batch in experience]


ORDERS = ("sequential", "mixed", "blurry")


@pytest.mark.parametrize("order", ORDERS)
def test_every_example_comes_exactly_once_with_its_task_and_no_test_image_comes(
    tmp_path: Path, order: str
) -> None:
    experience = open_experience(a_stream(tmp_path, order), seed=0)
    batches = all_told(experience)
    assert [number for number, _, _ in batches] == list(range(len(batches)))
    assert experience.num_batches == len(batches)
    met = sorted((task, n) for _, parts, _ in batches for task, numbers, _ in parts for n in numbers)
    assert met == sorted(
        (task, 100 * i + n) for i, (task, count) in enumerate(COUNTS.items()) for n in range(count)
    )


def test_what_is_known_of_a_task_beforehand_is_what_its_file_says(tmp_path: Path) -> None:
    stream = a_stream(tmp_path)
    experience = open_experience(stream, seed=0)
    assert [(task.name, task.num_examples) for task in experience.tasks] == list(COUNTS.items())
    first = experience.tasks[0]
    assert (first.classes, first.metric, first.config) == (("0", "1", "2"), "accuracy", stream.tasks[0])
    assert first.digest == open_splits(stream.tasks[0]).shown
    assert experience.replayable


def test_validation_examples_that_a_source_gives_are_shown_too(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "d", files({"train/x": 4, "train/y": 4, "val/x": 2, "val/y": 2, "test/x": 1, "test/y": 1})
    )
    stream = a_stream(tmp_path, names="a")
    config = stream.tasks[0].model_copy(update={"source": f"folder:{folder}"})
    shown, splits = open_shown(config), open_splits(config)
    assert len(shown.labels) == len(splits.train) + len(splits.validation) == 12
    assert shown.digest == splits.shown
    names = {shown.items.name(i) for i in range(12)}
    assert not any("/test/" in name for name in names)
    assert sum("/val/" in name for name in names) == 4
    for i, label in enumerate(shown.labels):
        assert f"/{'xy'[label]}/" in shown.items.name(i)


def test_test_images_are_not_read_even_where_the_source_hands_them_over(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", files({"train/x": 3, "train/y": 3, "test/x": 1, "test/y": 1}))
    for image in (folder / "test").rglob("*.png"):
        image.unlink()
        image.symlink_to("nowhere")
    config = a_stream(tmp_path, names="a").tasks[0].model_copy(update={"source": f"folder:{folder}"})
    assert len(open_shown(config).labels) == 6
    with pytest.raises(DataError, match="test"):
        open_splits(config)


def test_neither_names_of_files_nor_the_share_for_validation_change_the_order(tmp_path: Path) -> None:
    contents = files({"train/x": 5, "train/y": 5, "test/x": 1, "test/y": 1})
    renamed = {
        name.replace(".png", "_0.png") if "x/" in name else name: raw for name, raw in contents.items()
    }
    one, other = write(tmp_path / "1", contents), write(tmp_path / "2", renamed)
    stream = a_stream(tmp_path, names="a")
    met = []
    for folder, share in ((one, 0.15), (other, 0.15), (one, 0.4)):
        task = stream.tasks[0].model_copy(update={"source": f"folder:{folder}", "validation": share})
        experience = open_experience(stream.model_copy(update={"tasks": (task,)}), seed=0)
        met.append([part.rows(Raw()).tobytes() for batch in experience for part in batch.parts])
    assert met[0] == met[1] == met[2]


def test_limit_and_classes_of_a_task_are_kept(tmp_path: Path) -> None:
    stream = a_stream(tmp_path, names="c")
    task = stream.tasks[0].model_copy(update={"limit": 6, "classes": ("2", "0")})
    experience = open_experience(stream.model_copy(update={"tasks": (task,)}), seed=0)
    assert experience.tasks[0].num_examples == 6
    met = [
        (int(row[0, 0, 2]), int(label))
        for batch in experience
        for part in batch.parts
        for row, label in zip(part.rows(Raw()), part.labels, strict=True)
    ]
    assert sorted(met) == [(0, 1)] * 3 + [(2, 0)] * 3


def test_an_experience_can_be_gone_through_once(tmp_path: Path) -> None:
    experience = open_experience(a_stream(tmp_path), seed=0)
    next(iter(experience))
    with pytest.raises(RuntimeError, match="gone through once"):
        iter(experience)


def test_a_batch_is_closed_when_the_next_one_comes(tmp_path: Path) -> None:
    batches = iter(open_experience(a_stream(tmp_path), seed=0))
    first = next(batches)
    first.parts[0].rows(Raw())
    next(batches)
    with pytest.raises(RuntimeError, match="closed"):
        first.parts[0].rows(Raw())


def test_the_last_batch_is_closed_when_the_iteration_ends_or_is_given_up(tmp_path: Path) -> None:
    stream = a_stream(tmp_path)
    *_, last = open_experience(stream, seed=0)
    batches = iter(open_experience(stream, seed=0))
    first = next(batches)
    batches.close()  # type: ignore[attr-defined]
    for batch in (first, last):
        with pytest.raises(RuntimeError, match="closed"):
            batch.parts[0].rows(Raw())


def test_the_arrays_of_a_batch_are_gone_after_the_next_one_came(tmp_path: Path) -> None:
    batches = iter(open_experience(a_stream(tmp_path), seed=0))
    first = next(batches)
    arrays = [weakref.ref(first.parts[0].rows(Raw(size))) for size in (4, 3)]
    assert all(array() is not None for array in arrays)
    next(batches)
    assert all(array() is None for array in arrays)


def test_all_who_ask_for_a_form_share_one_array(tmp_path: Path) -> None:
    batches = iter(open_experience(a_stream(tmp_path), seed=0))
    part = next(batches).parts[0]
    assert part.rows(Raw()) is part.rows(Raw())
    assert part.rows(Raw(2)).shape == (4, 2, 2, 3)


@pytest.mark.parametrize("order", ORDERS)
def test_a_later_start_gives_the_later_batches(tmp_path: Path, order: str) -> None:
    stream = a_stream(tmp_path, order)
    whole = all_told(open_experience(stream, seed=5))
    for start in (1, 3, len(whole)):
        assert all_told(open_experience(stream, seed=5, start=start)) == whole[start:]


def test_the_seed_changes_the_order(tmp_path: Path) -> None:
    stream = a_stream(tmp_path)
    assert all_told(open_experience(stream, seed=0)) == all_told(open_experience(stream, seed=0))
    assert all_told(open_experience(stream, seed=0)) != all_told(open_experience(stream, seed=1))


def test_a_task_that_is_added_changes_no_batch_of_the_earlier_ones(tmp_path: Path) -> None:
    before = all_told(open_experience(a_stream(tmp_path, names="ab"), seed=0))
    after = all_told(open_experience(a_stream(tmp_path, names="abc"), seed=0))
    assert after[: len(before)] == before


@dataclass
class Count:
    """What was read."""

    read: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Counting:
    """Items that say when they are read."""

    items: Items
    count: Count

    def __len__(self) -> int:
        return len(self.items)

    def raw(self, index: int) -> object:
        self.count.read.append(index)
        return self.items.raw(index)

    def name(self, index: int) -> str:
        return self.items.name(index)

    def take(self, indices: np.ndarray) -> Counting:
        return Counting(self.items.take(indices), self.count)


def test_an_example_is_read_when_its_batch_is_and_not_when_it_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Count()

    def opened(*arguments: object) -> Shown:
        shown = as_shown(*arguments)  # type: ignore[arg-type]
        return Shown(shown.classes, Counting(shown.items, count), shown.labels, shown.digest, shown.form)  # type: ignore[arg-type]

    monkeypatch.setattr(experiences, "as_shown", opened)
    batches = iter(open_experience(a_stream(tmp_path, "mixed"), seed=0, start=3))
    batch = next(batches)
    assert not count.read
    for part in batch.parts:
        part.rows(Raw())
    assert len(count.read) == 4
    assert [batch.number for batch in batches] == [4, 5, 6, 7]
    assert len(count.read) == 4


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    contents = files({"train/x": 3, "train/y": 3, "test/x": 1, "test/y": 1})
    folder = write(tmp_path / "d", {**contents, "train/x/bad.png": b"no image"})
    stream = a_stream(tmp_path, names="a")
    task = stream.tasks[0].model_copy(update={"source": f"folder:{folder}"})
    experience = open_experience(stream.model_copy(update={"tasks": (task,)}), seed=0)
    with pytest.raises(DataError, match=r"bad\.png"):
        [part.rows(Raw()) for batch in experience for part in batch.parts]


def test_joined_items_are_taken_from_both_in_the_order_that_is_asked_for() -> None:
    both = [
        ArrayItems(np.full((3, 1, 1), n, np.uint8) + np.arange(3, dtype=np.uint8)[:, None, None], "x")
        for n in (0, 10)
    ]
    joined = JoinedItems((both[0], both[1]), np.array([1, 0, 0, 1]), np.array([2, 0, 1, 0]))
    taken = joined.take(np.array([3, 0, 2])).take(np.array([2, 0, 1]))
    assert [int(np.asarray(taken.raw(i))[0, 0]) for i in range(3)] == [1, 10, 12]
    assert taken.name(2) == "x: image 2"


def rows_face(rows: Rows) -> Rows:
    """For the type checker: the form of these tests is one."""
    return rows


assert rows_face(Raw())
