"""A run whose frozen stages are bfloat16 keeps every promise that a float32 run keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import load
from evo_mtl.run.config import RunConfig, read_config
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.progress import CandidateDone, Event
from evo_mtl.run.state import replay
from evo_mtl.testing.worlds import coloured
from tests.worlds import config, journal, search


def made(home: Path) -> RunConfig:
    return config(home, "one", "three", overrides=("trunk.dtype=bfloat16",))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished bfloat16 run in ``run``."""
    folder = tmp_path_factory.mktemp("bfloat16")
    search(folder / "run", made(folder))
    return folder


def test_the_run_says_its_precision(home: Path) -> None:
    assert read_config(RunFolder(home / "run").path / "run.yaml").space.trunk.dtype == "bfloat16"


def test_stages_of_the_root_are_bfloat16_and_what_was_trained_is_float32(home: Path) -> None:
    state = replay(RunFolder(home / "run").journal)
    store, root = RunFolder(home / "run").store(), set(state.root_components)
    routes = [state.answer(name).way.route for name in state.routes]
    named = {component for route in routes for component in route.components}
    assert named - root
    assert {store.spec(component).get("dtype") for component in root} == {"bfloat16"}
    assert {store.spec(component).get("dtype") for component in named - root} == {None}


def test_evaluation_finds_every_bit_as_it_was_archived(home: Path) -> None:
    found = evaluate(home / "run")
    assert found["forgetting"] == 0
    assert all(row["logits_unchanged"] for row in found["tasks"])


def test_predictions_and_the_plain_module_agree(home: Path) -> None:
    import torch

    model = load(home / "run")
    images = coloured(12, 3, seed=1, size=32)[0]
    answer = model.logits(list(images), ["one"])[0]
    with torch.no_grad():
        plain = model.as_module("one")(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    assert np.isfinite(model.predict(images, "one").probabilities).all()
    assert (plain - answer).abs().max() <= 0.1 * answer.abs().max().clamp(min=1.0)


@pytest.mark.parametrize("number", [2, 7])
def test_a_search_stopped_anywhere_resumes_to_the_same_journal(
    number: int, home: Path, tmp_path: Path
) -> None:
    seen = []

    def stop(event: Event) -> None:
        seen.append(isinstance(event, CandidateDone))
        if sum(seen) == number and seen[-1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", made(home), progress=stop)
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == journal(home / "run")


def test_the_precision_is_part_of_what_may_not_change(tmp_path: Path) -> None:
    usual, said = config(tmp_path, "one"), config(tmp_path, "one", overrides=("trunk.dtype=float32",))
    assert usual.space.trunk == said.space.trunk != made(tmp_path).space.trunk
