"""The benchmark of boundary detectors: what counts as found, and that it runs on zipped sets."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark_boundaries"


def part(name: str) -> ModuleType:
    return importlib.import_module(f"boundaries.{name}")


class Alarms:
    """Raises an alarm at given batches."""

    def __init__(self, *at: int) -> None:
        self.at, self.seen = at, -1

    def see(self, features: np.ndarray, labels: np.ndarray) -> bool:
        self.seen += 1
        return self.seen in self.at


def rows(count: int, num_classes: int, name: str = "a") -> object:
    labels = np.arange(count) % num_classes
    return part("sets").Rows(name, np.arange(count, dtype=np.float32)[:, None], labels)


@pytest.mark.usefixtures("scripts")
def test_the_first_alarm_in_a_later_task_is_its_boundary_and_every_other_is_false() -> None:
    streams = part("streams")
    tasks = [rows(40, 2), rows(40, 2), rows(40, 2)]  # ten batches each
    found = streams.Found()
    found.watch(Alarms(3, 12, 15), streams.sequential(tasks, 40, 4, np.random.default_rng(0)))
    assert (found.batches, found.boundaries, found.missed, found.delays, found.false) == (30, 2, 1, [2], 2)


@pytest.mark.usefixtures("scripts")
def test_streams_show_what_their_names_say() -> None:
    streams, rng = part("streams"), np.random.default_rng(0)
    ordered = [labels.tolist() for _, labels, _ in streams.by_class([rows(40, 4)], 40, 10, rng)]
    assert ordered == [[label] * 10 for label in range(4)]
    parts = streams.cut_by_classes(rows(60, 7), 3, rng)
    assert [sorted(set(one.labels.tolist())) for one in parts] == [[0, 1]] * 3
    images = [set(one.features[:, 0].tolist()) for one in parts]
    assert not images[0] & images[1]
    assert sum(1 for _ in streams.endless(rows(10, 2), 5, 8, rng)) == 5


def zipped(path: Path, grey: int) -> None:
    rng = np.random.default_rng(grey)
    with zipfile.ZipFile(path, "w") as archive:
        for split, count in (("train", 60), ("test", 2)):
            for label in "ab":
                for i in range(count):
                    data = BytesIO()
                    Image.fromarray(rng.integers(grey, grey + 60, (16, 16), dtype=np.uint8)).save(data, "PNG")
                    archive.writestr(f"{split}/{label}/{i}.png", data.getvalue())


def test_it_prints_a_row_for_each_detector_and_size(tmp_path: Path) -> None:
    zipped(tmp_path / "dark.zip", 0)
    zipped(tmp_path / "light.zip", 180)
    command = [sys.executable, str(SCRIPT), "--data", str(tmp_path), "--quick", "--batches", "16"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    first = made.stdout.splitlines()[2]
    assert first.startswith("| `BoundaryDetector` | 16 | 0 of 1, ")


def test_too_few_sets_are_a_line(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, SCRIPT, "--data", tmp_path], capture_output=True, text=True, check=False
    )
    assert made.returncode == 2
    assert made.stderr.count("\n") == 1
