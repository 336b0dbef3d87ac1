"""A command line run in this process, and a finished run to ask about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evo_mtl.cli.main import main
from tests.cli.worlds import write_world


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
