"""Claims about sources that give batches one after another."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo_mtl.errors import DataError
from evo_mtl.streams.check import check_task
from evo_mtl.streams.config import StreamConfig, TaskConfig
from evo_mtl.streams.experience import Batch, open_experience
from evo_mtl.streams.raw import ArrayItems, Form, RawSplit, RawStream
from evo_mtl.streams.task import open_task, open_test

from .test_experience import Raw, told, write_numbered

MODULE = "my_camera_of_tests"


class Camera:
    """Stands for a user's module; it counts the batches it was asked for and remembers their arrays weakly."""

    def __init__(self) -> None:
        self.given: list[weakref.ref[np.ndarray]] = []
        self.stream = RawStream(("0", "1", "2"), self.frames)
        self.sizes: Iterator[int] = itertools.repeat(4)

    def camera(self) -> RawStream:
        return self.stream

    def frames(self) -> Iterator[tuple[Any, Any]]:
        self.given.clear()
        number = 0
        for size in self.sizes:
            images = np.zeros((size, 4, 4, 3), np.uint8)
            numbers = np.arange(number, number + size)
            labels = numbers % 3
            images[:, 0, 0] = np.stack([numbers // 256, numbers % 256, labels], 1)
            number += size
            self.given.append(weakref.ref(images))
            found = [(images, labels)]
            del images
            yield found.pop()


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    made = Camera()
    monkeypatch.setitem(sys.modules, MODULE, made)  # type: ignore[arg-type]
    return made


def task(name: str = "cam", **more: Any) -> TaskConfig:
    return TaskConfig(name=name, source=f"python:{MODULE}:camera", **more)


def stream(*tasks: TaskConfig, **more: Any) -> StreamConfig:
    return StreamConfig(name="s", regime="online", batch_size=4, tasks=tasks or (task(),), **more)


def batches(of: StreamConfig, start: int = 0) -> Iterator[Batch]:
    return iter(open_experience(of, seed=0, start=start, trust_python=True))


def numbers(batch: Batch) -> list[int]:
    return list(told(batch)[1][0][1])


def test_a_camera_gives_batches_without_an_end(camera: Camera) -> None:
    experience = open_experience(stream(), seed=0, trust_python=True)
    assert (experience.num_batches, experience.replayable, experience.tasks[0].num_examples) == (
        None,
        False,
        None,
    )
    met = list(itertools.islice((told(batch) for batch in experience), 50))
    assert met[-1] == (49, (("cam", (196, 197, 198, 199), (1, 2, 0, 1)),), ())
    assert len(camera.given) == 51  # one more, to know that there is one


def test_nothing_of_a_batch_of_a_camera_is_left_when_the_next_one_comes(camera: Camera) -> None:
    camera.sizes = itertools.cycle([4, 10])
    given = batches(stream())
    for _ in range(9):
        batch = next(given)
        part = batch.parts[0]
        rows = weakref.ref(part.rows(Raw()))
        next(given)
        assert rows() is None
        assert all(image() is None for image in camera.given)


def test_batches_are_kept_and_those_that_are_too_large_are_cut(camera: Camera) -> None:
    camera.sizes = iter([3, 10, 4])
    met = [(batch.number, numbers(batch), batch.last_of) for batch in batches(stream())]
    assert met == [
        (0, [0, 1, 2], ()),
        (1, [3, 4, 5, 6], ()),
        (2, [7, 8, 9, 10], ()),
        (3, [11, 12], ()),
        (4, [13, 14, 15, 16], ("cam",)),
    ]


def test_a_stream_that_can_be_replayed_goes_on_where_it_was_and_another_one_with_what_comes(
    camera: Camera,
) -> None:
    assert [(b.number, numbers(b)[0]) for b in itertools.islice(batches(stream(), start=3), 2)] == [
        (3, 0),
        (4, 4),
    ]
    camera.stream = replace(camera.stream, replayable=True)
    assert open_experience(stream(), seed=0, trust_python=True).replayable
    assert [(b.number, numbers(b)[0]) for b in itertools.islice(batches(stream(), start=3), 2)] == [
        (3, 12),
        (4, 16),
    ]


@pytest.mark.parametrize("start", [0, 2, 5])
def test_a_task_with_files_may_come_before_a_camera_and_after_one_that_can_be_replayed(
    camera: Camera, tmp_path: Path, start: int
) -> None:
    write_numbered(tmp_path / "a.npz", 10, 100)
    files = TaskConfig(name="a", source=f"npz:{tmp_path}/a.npz")
    camera.stream = replace(camera.stream, replayable=True)
    both = stream(files, task("b"), files.model_copy(update={"name": "c"}))
    met = []
    for _ in range(2):
        camera.sizes = iter([4, 4])
        met.append([told(batch) for batch in batches(both, start if met else 0)])
    assert met[1] == met[0][start:]
    assert [(number, parts[0][0], last) for number, parts, last in met[0]] == [
        (0, "a", ()),
        (1, "a", ()),
        (2, "a", ("a",)),
        (3, "b", ()),
        (4, "b", ("b",)),
        (5, "c", ()),
        (6, "c", ()),
        (7, "c", ("c",)),
    ]


def test_rows_of_numbers_come_as_they_come_from_files(camera: Camera) -> None:
    camera.stream = replace(
        camera.stream, form=Form("vector", 2), batches=lambda: iter([([[1, 2], [3, 4.5]], [0, 2])])
    )

    class Row:
        shape, dtype = (2,), np.dtype(np.float32)

        def row(self, example: np.ndarray) -> np.ndarray:
            return example

    (batch,) = [batch.parts[0].rows(Row()) for batch in batches(stream())]
    assert batch.tolist() == [[1, 2], [3, 4.5]]


def fail() -> Iterator[tuple[Any, Any]]:
    yield np.zeros((1, 4, 4), np.uint8), [0]
    raise OSError("the lens is covered")


IMAGES = np.zeros((2, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: iter([(IMAGES, [0, 1]), (IMAGES, [0, 3])]), "task cam: batch 1: label 3 of example 1 is not a number of its 3"),
        (lambda: iter([(IMAGES, [0, -1])]), "batch 0: label -1 of example 1"),
        (lambda: iter([(IMAGES, [0])]), "batch 0: expected 2 labels, whole numbers"),
        (lambda: iter([(IMAGES, ["a", "b"])]), "expected 2 labels, whole numbers"),
        (lambda: iter([IMAGES]), "batch 0: expected a pair"),
        (lambda: iter([(3, [1])]), "batch 0: expected a sequence of examples, met int"),
        (lambda: iter([([], [])]), "batch 0: a batch without examples"),
        (lambda: iter([([b"no image", IMAGES[0]], [0, 1])]), "task cam: batch 0: image 0: not an image"),
        (lambda: iter([(IMAGES.astype(float), [0, 1])]), "batch 0: image 0: expected uint8 values, met float64"),
        (lambda: iter([]), "task cam: its source gave no batch"),
        (fail, f"python:{MODULE}:camera: batch 1 failed: OSError: the lens is covered"),
        (lambda: 3, "batches failed: TypeError"),
    ],
)  # fmt: skip
def test_a_wrong_batch_is_one_line_that_names_task_and_batch(
    camera: Camera, given: Callable[[], Any], message: str
) -> None:
    camera.stream = replace(camera.stream, batches=given)
    with pytest.raises(DataError) as caught:
        [part.rows(Raw()) for batch in batches(stream()) for part in batch.parts]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": ("a",)}, "two or more different classes"),
        ({"classes": ("a", "a")}, "two or more different classes"),
        ({"classes": "ab"}, "classes as a tuple of texts"),
        ({"form": "pixels"}, "expected a form"),
        ({"test": RawSplit(ArrayItems(IMAGES, "t"), np.array([0, 7]))}, "task cam: test: label 7"),
    ],
)
def test_a_stream_that_is_announced_wrongly_is_refused(
    camera: Camera, changed: dict[str, Any], message: str
) -> None:
    camera.stream = replace(camera.stream, **changed)
    with pytest.raises(DataError, match=message):
        batches(stream())


def test_what_a_camera_cannot_do_is_one_line(camera: Camera) -> None:
    with pytest.raises(DataError, match="order: mixed cannot draw"):
        batches(stream(order="mixed"))
    with pytest.raises(DataError, match="has to be the last task"):
        batches(stream(task("a"), task("b")))
    with pytest.raises(DataError, match="limit: is not for a source"):
        batches(stream(task(limit=3)))
    with pytest.raises(DataError, match="trust"):
        open_experience(stream(), seed=0)
    with pytest.raises(
        DataError, match="task cam: its source gives batches one after another; that is for regime: online"
    ):
        open_task(task(), trust_python=True)


def test_the_first_batch_of_a_camera_is_looked_at(camera: Camera) -> None:
    report = check_task(task(), online=True)
    assert (report.classes, report.first_batch, report.train) == (("0", "1", "2"), 4, None)
    assert report.problems == ("no test examples: it cannot be evaluated",)
    camera.stream = replace(camera.stream, batches=lambda: iter([([b"no image"], [0])]))
    report = check_task(task(), online=True)
    assert report.stopping is not None
    assert "task cam: batch 0: image 0: not an image" in report.stopping
    assert "regime: online" in str(check_task(task()).stopping)


def test_test_examples_of_a_camera_are_opened_for_evaluation_only_if_there_are_any(camera: Camera) -> None:
    with pytest.raises(
        DataError, match="task cam: its source gives no test examples, so it cannot be evaluated"
    ):
        open_test(task(), trust_python=True)
    camera.stream = replace(camera.stream, test=RawSplit(ArrayItems(IMAGES, "t"), np.array([0, 2])))
    assert sorted(open_test(task(), trust_python=True).labels.tolist()) == [0, 2]
