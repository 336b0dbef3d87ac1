"""Offers to archived tasks: proved and taken, or refused and without a trace in any answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import load
from evo_mtl.errors import DataError, InputError, RunError
from evo_mtl.run.events import Generation, Offered
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.state import replay
from evo_mtl.searching import offers
from evo_mtl.searching.offers import offer
from evo_mtl.streams.task import open_task, with_validation
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import coloured, write_task
from tests.searching.test_passes import contents, copied
from tests.searching.test_resume import Stopped, stop_at
from tests.worlds import config, events, journal, search

IMAGES = list(coloured(70, 3, seed=9)[0])
NAMES = ("one", "three", "fifth")
OWN = (
    "budget.generations=0",
    "seeds=[{name: whole, depth: 5, open_from: 1, head: linear, values: {head_start: zero}}]",
)
"""Every route has stages of its own, so every newer one is worth an offer."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with a finished run; only to be read."""
    folder = tmp_path_factory.mktemp("world")
    search(folder / "run", config(folder, *NAMES, overrides=OWN))
    return folder


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every candidate proves better, whatever it is, and no score falls."""
    monkeypatch.setattr(offers, "p_value", lambda *_: 0.001)
    monkeypatch.setattr(offers, "fitness", lambda quality, *_: 1.0)


def logits(run: Path) -> dict[str, torch.Tensor]:
    model = load(run)
    return {name: model.logits(IMAGES, [name])[0] for name in model.tasks}


def test_a_refused_offer_leaves_every_answer_and_every_component_as_they_were(
    home: Path, tmp_path: Path
) -> None:
    run = copied(home / "run", tmp_path / "run")
    before, held, lines = logits(run), contents(run), journal(run)
    rows = offer(run, ["one"])
    assert (rows[0]["taken"], rows[0]["newer"]) == (False, ["three", "fifth"])
    assert rows[0]["p"] >= 0.05
    assert journal(run).startswith(lines)
    (event,) = events(run, Offered)
    assert event.proof.p == rows[0]["p"]
    assert event.answer is None
    assert contents(run) == held
    assert all(torch.equal(found, before[name]) for name, found in logits(run).items())


@pytest.mark.usefixtures("proved")
def test_a_route_that_is_proved_better_is_taken_and_no_other_tasks_logits_change_by_a_bit(
    home: Path, tmp_path: Path
) -> None:
    run = copied(home / "run", tmp_path / "run")
    before, held = logits(run), contents(run)
    rows = offer(run, ["one"])
    assert rows[0]["taken"]
    after, state = logits(run), open_run(run)[2]
    assert not torch.equal(after["one"], before["one"])
    assert all(torch.equal(after[name], before[name]) for name in ("three", "fifth"))
    now = contents(run)
    assert all(now[path] == content for path, content in held.items() if path in now)
    assert set(RunFolder(run).store().digests()) == {*state.users, *state.root_components}
    assert state == replay(RunFolder(run).journal)
    assert load(run).fingerprint("one") == state.answer("one").fingerprint
    assert summarize(run)["tasks"][0]["candidate"] == str(state.routes["one"].brief.candidate)
    steps = task_details(run, "one")["lineage"]
    assert steps[1]["task"] == rows[0]["line"]
    row = evaluate(run, ["one"], split="validation")["tasks"][0]
    assert row["accuracy"] == state.routes["one"].brief.quality


def test_an_offer_is_made_once_for_what_is_new(home: Path, tmp_path: Path) -> None:
    run = copied(home / "run", tmp_path / "run")
    first = offer(run)
    assert [row["newer"] for row in first] == [["three", "fifth"], ["fifth"], []]
    before = journal(run)
    again = offer(run)
    assert [row["newer"] for row in again] == [[], [], []]
    assert journal(run) == before


def test_offers_stopped_between_and_inside_go_on_to_the_same_journal(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = copied(home / "run", tmp_path / "straight")
    offer(straight, workers=2)
    run = copied(home / "run", tmp_path / "run")

    def stop(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        offer(run, told=stop)
    with monkeypatch.context() as patch:
        patch.setattr(offers, "p_value", stop)
        with pytest.raises(Stopped):
            offer(run)
    assert len(events(run, Offered)) == 1
    offer(run)
    assert journal(run) == journal(straight)
    assert contents(run) == contents(straight)


def test_a_candidate_is_chosen_on_images_that_it_is_not_proved_on(home: Path, tmp_path: Path) -> None:
    run = copied(home / "run", tmp_path / "run")
    offer(run, ["one"])
    (event,) = events(run, Offered)
    task = open_task(open_run(run)[1].stream.tasks[0])
    held = event.proof.num_examples
    tried = event.evaluations
    assert tried
    for one in tried:
        assert one.candidate.address[:4] == ("task", "one", "offer", 1)
        seen = one.quality * (len(task.validation) - held)
        assert seen == pytest.approx(round(seen))
    assert all(look.num_validation == len(task.validation) - held for look in event.looks)


def test_a_task_with_some_of_its_validation_images_has_those_and_another_digest(home: Path) -> None:
    task = open_task(open_run(home / "run")[1].stream.tasks[0])
    part = with_validation(task, [4, 1])
    assert len(part.validation) == 2
    assert np.array_equal(part.validation.examples[0], task.validation.examples[4])
    assert part.validation.labels.tolist() == task.validation.labels[[4, 1]].tolist()
    assert part.validation.digest != task.validation.digest
    assert part.train is task.train


def test_what_cannot_be_offered_is_refused_in_words(home: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    shutil.copytree(home, world)
    made = config(world, *NAMES, overrides=OWN)
    run = world / "own"
    search(run, made)
    before = journal(run)
    with pytest.raises(InputError, match=r"unknown task 'onee' \(did you mean"):
        offer(run, ["onee"])
    with pytest.raises(InputError, match="--level"):
        offer(run, level=0)
    write_task(world / "one.npz", seed=77)
    with pytest.raises(DataError, match="task one: the data are not those"):
        offer(run)
    assert journal(run) == before


def test_nothing_is_offered_while_a_search_is_unfinished(home: Path, tmp_path: Path) -> None:
    from evo_mtl.run.progress import GenerationDone

    run = copied(home / "run", tmp_path / "run")
    twice = config(home, *NAMES, overrides=OWN).model_copy(update={"passes": 2})
    with pytest.raises(Stopped):
        search(run, twice, progress=stop_at(GenerationDone, 1))
    with pytest.raises(RunError, match="search of task 'one' is not finished"):
        offer(run)


@pytest.mark.usefixtures("proved")
def test_a_pass_after_a_taken_offer_begins_with_the_route_that_was_taken(home: Path, tmp_path: Path) -> None:
    run = copied(home / "run", tmp_path / "run")
    offer(run, ["one"])
    taken = open_run(run)[2].answer("one")
    search(run, config(home, *NAMES, overrides=OWN).model_copy(update={"passes": 2}))
    second = next(e for e in events(run, Generation) if e.pass_ == 2)
    own = second.evaluations[0]
    assert (own.candidate.task, own.quality) == ("one", taken.told.quality)
    components = {gene.component for gene in taken.way.genome.stages}
    assert {gene.component for gene in own.candidate.genome.stages} == components
