"""Whole searches of tasks with few labels: the journal, its resumption, what is removed, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.archive.journal import read_journal
from evo_mtl.cli.show import details_text
from evo_mtl.errors import ConfigError
from evo_mtl.evolution.candidate import Evaluation, OfTurn
from evo_mtl.evolution.copies import known_copies
from evo_mtl.evolution.optimism import unpack
from evo_mtl.run.events import Found, Generation
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.searching import turns
from evo_mtl.searching.usage import trained_before
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import living
from tests.worlds import config, events, journal, search

SMALL = ("small_data={below: 100, folds: 2}", "budget.children=3")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of two small tasks and its finished run; only to be read."""
    folder = tmp_path_factory.mktemp("small")
    search(folder / "run", config(folder, "one", "three", overrides=SMALL))
    return folder


def evaluations(run: Path) -> list[Evaluation]:
    return [one for event in events(run, Generation) for one in event.evaluations]


def test_every_candidate_of_a_small_task_is_judged_on_all_its_images(home: Path) -> None:
    told = evaluations(home / "run")
    assert any(one.candidate.parent in (OfTurn(0, 0), OfTurn(0, 1)) for one in told)
    for one in told:
        assert one.notes.pooled.images == 60
        right = unpack(one.notes.right)
        assert right.shape == (len(one.curve), 60)
        assert one.quality == max(one.curve)
        assert len(one.notes.copies) == 2
        assert all(copy.keys() == one.trained.keys() for copy in one.notes.copies)


def test_a_task_with_enough_labels_is_searched_as_if_there_were_no_rule(home: Path, tmp_path: Path) -> None:
    rule = ("small_data={below: 15, folds: 2}",)  # there are 15 validation images
    search(tmp_path / "with", config(home, "one", overrides=rule))
    search(tmp_path / "without", config(home, "one"))

    def told(run: Path) -> list[tuple]:
        return [(event.kind, event.payload) for event in read_journal(RunFolder(run).journal)[2:]]

    assert told(tmp_path / "with") == told(tmp_path / "without")


def test_two_workers_leave_the_journal_of_one(home: Path, tmp_path: Path) -> None:
    made = config(home, "one", "three", overrides=SMALL)
    search(tmp_path / "two", made, Options(workers=2))
    assert journal(tmp_path / "two") == journal(home / "run")


def test_a_search_killed_between_generations_goes_on_from_the_copies_that_were_committed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, made = journal(home / "run"), config(home, "one", "three", overrides=SMALL)
    once = turns.known_copies
    calls = iter(range(2))

    def killed(*args: object) -> object:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return once(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(turns, "known_copies", killed)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "run", made)
    assert len(events(tmp_path / "run", Generation)) == 1
    search(tmp_path / "run", made)
    assert journal(tmp_path / "run") == whole


def test_copies_are_removed_when_the_turn_is_over(home: Path) -> None:
    folder, _, state = open_run(home / "run")
    assert set(folder.store().digests()) == living(state)


def test_the_correction_is_over_the_pooled_images(home: Path) -> None:
    for event in events(home / "run", Found):
        assert event.answer.way.pooled.images == 60
        corrected = event.answer.corrected
        assert corrected.candidates == 2 + 2 * 3
        assert corrected.quality <= event.answer.told.quality


def test_show_says_what_quality_is_pooled_over_and_evaluate_finds_nothing_forgotten(home: Path) -> None:
    text = details_text(task_details(home / "run", "one"))
    assert "validation is pooled over 60 images" in text
    pooled = summarize(home / "run")["tasks"][0]["pooled"]
    found = evaluate(home / "run", split="validation")
    assert found["forgetting"] == 0
    assert found["tasks"][0]["accuracy"] == pytest.approx(pooled["validation"])


def test_in_a_later_pass_the_validation_images_alone_decide(home: Path, tmp_path: Path) -> None:
    made = config(home, "one", overrides=SMALL).model_copy(update={"passes": 2})
    search(tmp_path / "run", made)
    first = events(tmp_path / "run", Found)[0].answer
    own, *others = [one for one in evaluations(tmp_path / "run") if one.candidate.pass_ == 2 and one.ok]
    assert own.quality == first.way.pooled.validation
    assert len(others) > 3
    assert all(unpack(one.notes.right).shape[1] == 15 for one in others)
    assert all(one.notes.pooled is None for one in others)


def test_what_is_own_in_a_tasks_former_route_counts_as_trained_by_it_without_copies(home: Path) -> None:
    state = open_run(home / "run")[2]
    before = trained_before(state, "one")
    assert before
    assert not before & state.root_components
    assert known_copies([], before) == dict.fromkeys(before, ())
    assert trained_before(state, "never") == frozenset()


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("{below: 0}", "small_data.below"),
        ("{folds: 1}", "small_data.folds"),
        ("{folds: 11}", "small_data.folds"),
        ("{fold: 2}", "fold"),
    ],
)
def test_a_senseless_rule_is_refused_by_its_key(rule: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=key):
        config(tmp_path, "one", overrides=(f"small_data={rule}",))


def test_the_rule_decides_by_the_number_of_validation_images(home: Path) -> None:
    space = config(home, "one", overrides=SMALL).space
    assert [space.folds(count) for count in (1, 99, 100, 5000)] == [2, 2, 0, 0]
    assert space.folds(99, pass_=2) == 0
    assert config(home, "one").space.folds(1) == 0
