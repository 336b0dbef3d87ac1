"""Whole searches in which routes run side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.answering.evaluation import evaluate, total_parameters
from evo_mtl.answering.model import load
from evo_mtl.cli.show import details_text, summary_text
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Found
from evo_mtl.run.options import Options
from evo_mtl.run.progress import CandidateDone, Event
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import coloured
from tests.worlds import config, events, journal, search

OVERRIDES = ("mutation.multipath=1.0", "mutation.paths=3")


class Stopped(Exception):
    """Stands for the end of the process."""


def made(home: Path) -> RunConfig:
    return config(home, "one", "three", overrides=OVERRIDES)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world, and a run whose second task is answered by several paths."""
    folder = tmp_path_factory.mktemp("world")
    state = search(folder / "run", made(folder))
    assert any(state.answer(name).way.genome.paths for name in state.routes)
    return folder


def test_a_task_is_answered_by_several_paths_and_evaluates_to_the_archived_bits(home: Path) -> None:
    found = evaluate(home / "run")
    assert all(row["logits_unchanged"] for row in found["tasks"])
    assert found["forgetting"] == 0.0


@pytest.mark.parametrize("number", [3, 5, 9])
def test_a_search_that_was_stopped_resumes_to_the_same_journal(
    number: int, home: Path, tmp_path: Path
) -> None:
    seen = []

    def stop(event: Event) -> None:
        seen.append(isinstance(event, CandidateDone))
        if seen[-1] and sum(seen) == number:
            raise Stopped

    with pytest.raises(Stopped):
        search(tmp_path / "run", made(home), progress=stop)
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == journal(home / "run")


def test_two_workers_write_the_same_journal(home: Path, tmp_path: Path) -> None:
    search(tmp_path / "run", made(home), Options(workers=2))
    assert journal(tmp_path / "run") == journal(home / "run")


def test_prediction_and_the_plain_module_give_the_logits_of_the_route(home: Path) -> None:
    model = load(home / "run")
    images, _ = coloured(20, 3, seed=5, size=32)
    for task in model.tasks:
        logits = model.logits(list(images), [task])[0]
        softmax = torch.softmax(logits.double(), 1).numpy()
        np.testing.assert_allclose(model.predict(images, task).probabilities, softmax, atol=1e-12)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            torch.testing.assert_close(model.as_module(task)(pixels), logits, rtol=1e-3, atol=1e-3)


def test_parameters_of_the_whole_network_are_those_of_its_components(home: Path) -> None:
    model = load(home / "run")
    components = {*model.state.users, *model.state.root_components}
    expected = sum(num_parameters(model.shared.modules.fresh(component)) for component in components)
    assert total_parameters(model) == expected


def test_show_tells_of_every_path(home: Path) -> None:
    genomes = {event.task: event.answer.way.genome for event in events(home / "run", Found)}
    several = [task for task, genome in genomes.items() if genome.head.kind == "multipath"]
    assert several
    rows = {row["name"]: row for row in summarize(home / "run")["tasks"]}
    for task in several:
        found = task_details(home / "run", task)
        text = details_text(found)
        paths = rows[task]["paths"]
        assert paths == 1 + len(genomes[task].paths) > 1
        pools = [line for line in text.splitlines() if " pool " in line]
        assert len(pools) > len(genomes[task].taps)  # each path reads something that no other one does
        assert f"multipath of {paths}" in summary_text(summarize(home / "run"))
        head = found["nodes"][-1]
        module = load(home / "run").shared.modules.fresh(head["component"])
        assert head["parameters"] == num_parameters(module)
