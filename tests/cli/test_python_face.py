"""The names that ``import evo_mtl`` offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo_mtl
from evo_mtl.errors import InputError


def test_importing_the_package_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, evo_mtl; sys.exit(bool({'torch', 'numpy', 'timm', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_names_its_version_and_refuses_unknown_names() -> None:
    assert evo_mtl.__version__
    assert {"search", "resume", "load", "evaluate"} <= set(dir(evo_mtl))
    with pytest.raises(AttributeError, match="sarch"):
        _ = evo_mtl.sarch


def test_a_search_can_be_loaded_asked_evaluated_and_resumed(world: Path) -> None:
    run = evo_mtl.search(
        world / "stream.yaml",
        space=str(world / "space.yaml"),
        run=world / "run",
        overrides=["budget.generations=0"],
    )
    model = evo_mtl.load(run)
    assert model.tasks == ("one", "two")
    answer = model.predict(np.zeros((3, 12, 12, 3), dtype=np.uint8), task="one")
    assert len(answer.labels) == 3
    assert answer.probabilities.shape == (3, 2)
    assert evo_mtl.evaluate(run)["tasks"][0]["name"] == "one"
    assert run.summary()["waiting"] == []
    before = (world / "run" / "journal.jsonl").read_bytes()
    evo_mtl.resume(run)
    assert (world / "run" / "journal.jsonl").read_bytes() == before


def test_search_refuses_a_missing_stream_file_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml"):
        evo_mtl.search(tmp_path / "gone.yaml", run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "argument", [{"workers": 0}, {"threads": 0}, {"seed": -1}, {"seed": 1.5}, {"device": "tpu"}]
)
def test_search_refuses_arguments_it_cannot_have_by_name(world: Path, argument: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(argument))):
        evo_mtl.search(world / "stream.yaml", space=str(world / "space.yaml"), run=world / "run", **argument)
    assert not (world / "run").exists()
