"""Tasks of images as tasks of rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import evo_mtl
from evo_mtl.streams.config import read_stream
from evo_mtl.streams.task import open_splits
from evo_mtl.testing.worlds import write_stream

SCRIPT = Path(evo_mtl.__file__).parents[1] / "scripts" / "pooled_features"


def written(stream: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(stream), str(folder), "--trunk", "mobilenetv2_035", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_same_images_are_for_training_and_for_testing(tmp_path: Path) -> None:
    stream = write_stream(tmp_path, ["t0", "t01"])
    made = written(stream, tmp_path / "rows", "--weights", "random", "--size", "32")
    assert made.returncode == 0, made.stderr
    for images, rows in zip(read_stream(stream).tasks, read_stream(tmp_path / "rows" / "stream.yaml").tasks):
        before, after = open_splits(images), open_splits(rows)
        assert (after.form.kind, after.form.width) == ("vector", 1280)
        assert sorted(after.test.labels) == sorted(before.test.labels)
        assert len(after.train) == len(before.train)
        assert len(after.validation) == len(before.validation)


def test_wrong_input_is_a_line(tmp_path: Path) -> None:
    made = written(write_stream(tmp_path, ["t0"]), tmp_path / "rows", "--weights", "nowhere")
    assert made.returncode == 2
    assert made.stderr.count("\n") == 1
