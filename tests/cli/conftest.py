"""A tiny stream, a tiny space and a finished run of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from evo_mtl.cli.main import main

SPACE = """\
name: tiny
trunk: {name: mobilenetv2_035, weights: random, cut: group}
stages: {boundaries: [3], clone: false}
heads: [ridge]
hyperparameters: {image_size: {values: [32], default: 32}}
budget: {generations: 1, children: 1}
seeds:
  - {name: depth_ridge, taps: groups, head: ridge}
"""


def write_npz(path: Path, seed: int, count: int = 24) -> None:
    """Dark and bright images of two classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(0, 100, (count, 12, 12), dtype=np.uint8) + (120 * labels[:, None, None]).astype(np.uint8)
    np.savez(path, images=images, labels=labels)


def write_world(folder: Path) -> Path:
    """A stream of two tasks and a space in ``folder``."""
    for seed, name in enumerate(("one", "two")):
        write_npz(folder / f"{name}.npz", seed)
    (folder / "space.yaml").write_text(SPACE)
    (folder / "stream.yaml").write_text(
        'name: tiny\ntasks:\n  - {name: one, source: "npz:one.npz"}\n  - {name: two, source: "npz:two.npz"}\n'
    )
    return folder


class Answer(NamedTuple):
    """What a command line gave."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, all of it one JSON object."""
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that a command sets are put back."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "1")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``evo-mtl`` with some arguments in this process."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Answer(status, *capsys.readouterr())

    return run


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with ``stream.yaml``, ``space.yaml`` and the data of two tasks."""
    return write_world(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with a finished run in ``run``; only to be read."""
    folder = write_world(tmp_path_factory.mktemp("finished"))
    status = main(
        [
            *("search", "--tasks", str(folder / "stream.yaml"), "--space", str(folder / "space.yaml")),
            *("--run", str(folder / "run"), "--quiet", "--json"),
        ]
    )
    assert status == 0
    return folder
