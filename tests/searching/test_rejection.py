"""Searches that give weak children up: the same journal however they are carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from evo_mtl.cli.show import details_text
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Generation
from evo_mtl.run.options import Options
from evo_mtl.run.progress import EndedEarly, Event, GenerationDone
from evo_mtl.telling.summary import task_details
from evo_mtl.testing.worlds import write_task
from tests.worlds import config, events, journal, search

RULES = (
    "heads=[linear]",
    "budget={generations: 3, children: 4}",
    "validations=3",
    "rejection={percentile: 90, startup: 1, validation: 1}",
    "stop={gain: 1.0e-6, generations: 2}",
)


class Stopped(Exception):
    """Stands for the end of the process."""


def made(home: Path) -> RunConfig:
    """A hard task of many steps."""
    write_task(home / "hard.npz", seed=3, num_images=120, num_classes=8)
    return config(home, "hard", overrides=RULES)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world and a run that was never stopped."""
    folder = tmp_path_factory.mktemp("world")
    search(folder / "whole", made(folder))
    return folder


def evaluations(home: Path) -> list[Evaluation]:
    return [one for event in events(home / "whole", Generation) for one in event.evaluations]


def test_weak_children_are_given_up_and_neither_admitted_nor_charged_in_full(home: Path) -> None:
    rejected = [one for one in evaluations(home) if one.rejected]
    assert rejected
    for one in rejected:
        assert one.candidate.generation > 0
        assert not one.admitted
        assert one.trained == {}
        assert one.score == float("-inf")
        assert len(one.curve) < 4
    whole = {
        one.cost.images for one in evaluations(home) if one.ok and one.candidate.genome.head.kind == "linear"
    }
    assert min(one.cost.images for one in rejected) < min(whole)
    assert task_details(home / "whole", "hard")["candidates_rejected"] == len(rejected)
    assert task_details(home / "whole", "hard")["candidates_failed"] == 0


def test_two_workers_give_up_the_same_children(home: Path, tmp_path: Path) -> None:
    search(tmp_path / "run", made(home), Options(workers=2))
    assert journal(tmp_path / "run") == journal(home / "whole")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_search_that_gives_children_up_resumes_to_the_same_journal(
    number: int, home: Path, tmp_path: Path
) -> None:
    def progress(event: Event) -> None:
        if isinstance(event, GenerationDone) and event.number == number - 1:
            raise Stopped

    with pytest.raises(Stopped):
        search(tmp_path / "run", made(home), progress=progress)
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == journal(home / "whole")


def test_a_search_that_ends_early_says_so_and_resumes_to_the_same_journal(tmp_path: Path) -> None:
    write_task(tmp_path / "easy.npz", seed=3)
    rules = ("stop={gain: 1.0, generations: 1}", "budget={generations: 6, children: 2}")
    told: list[Event] = []
    search(tmp_path / "whole", config(tmp_path, "easy", overrides=rules), progress=told.append)
    assert [event.number for event in events(tmp_path / "whole", Generation)] == [0, 1]
    (said,) = [event for event in told if isinstance(event, EndedEarly)]
    found = task_details(tmp_path / "whole", "easy")
    assert found["early_end"] == {"generation": 1, "expected_gain": said.expected_gain}
    assert "ended after generation 1" in details_text(found)

    def progress(event: Event) -> None:
        if isinstance(event, EndedEarly):
            raise Stopped

    with pytest.raises(Stopped):
        search(tmp_path / "run", config(tmp_path, "easy", overrides=rules), progress=progress)
    search(tmp_path / "run", config(tmp_path, "easy", overrides=rules))
    assert journal(tmp_path / "run") == journal(tmp_path / "whole")
