"""A whole search: what it leaves behind, what it refuses, what later tasks may not touch."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.answering.model import load
from evo_mtl.archive.journal import read_journal
from evo_mtl.cli.show import details_text
from evo_mtl.errors import CandidateError, ConfigError, RunError
from evo_mtl.evolution.candidate import OfTask
from evo_mtl.evolution.fitness import fitness
from evo_mtl.genome.genome import as_founder
from evo_mtl.network.components import load_module
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.run.events import Found, Generation, Looked
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.root import read_root
from evo_mtl.run.state import replay
from evo_mtl.searching.usage import num_users
from evo_mtl.telling.summary import task_details
from evo_mtl.testing.worlds import coloured, living, write_task
from evo_mtl.training.pricing import Pricing
from tests.worlds import config, events, journal, search

IMAGES = list(coloured(70, 3, seed=9)[0])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of two tasks and its finished run; only to be read."""
    folder = tmp_path_factory.mktemp("world")
    search(folder / "run", config(folder, "one", "three"))
    return folder


def copied(home: Path, to: Path) -> Path:
    """A world of one's own to go on with."""
    shutil.copytree(home, to / "world")
    return to / "world"


def test_each_task_has_a_journal_of_its_seed_generation_its_children_and_its_route(home: Path) -> None:
    kinds = [event.kind for event in read_journal(RunFolder(home / "run").journal)]
    turn = ["task", "looks", *["generation"] * 3, "route"]
    assert kinds == ["run", "root", *turn, *turn]


def test_two_runs_of_one_configuration_have_one_journal_and_another_seed_has_another(
    home: Path, tmp_path: Path
) -> None:
    same = config(home, "one", "three")
    search(tmp_path / "again", same)
    assert journal(tmp_path / "again") == journal(home / "run")
    search(tmp_path / "other", same.model_copy(update={"seed": 1}))
    assert journal(tmp_path / "other") != journal(home / "run")


def test_two_workers_and_a_shared_cache_leave_the_journal_of_one(home: Path, tmp_path: Path) -> None:
    options = Options(workers=2, cache=tmp_path / "cache")
    search(tmp_path / "two", config(home, "one", "three"), options)
    assert journal(tmp_path / "two") == journal(home / "run")
    assert any((tmp_path / "cache").rglob("*.npy"))


def test_a_cache_of_nothing_leaves_the_same_journal(home: Path, tmp_path: Path) -> None:
    search(tmp_path / "none", config(home, "one", "three"), Options(cache_bytes=0))
    assert journal(tmp_path / "none") == journal(home / "run")


def test_components_that_live_are_the_roots_and_those_of_the_routes_and_no_others(home: Path) -> None:
    folder, _, state = open_run(home / "run")
    assert set(folder.store().digests()) == living(state)
    assert not folder.cache.exists()


def test_the_shares_of_all_routes_and_the_root_sum_to_all_live_parameters(home: Path, tmp_path: Path) -> None:
    world = copied(home, tmp_path)
    state = search(world / "run", config(home, "one", "three", "fifth"))
    store = RunFolder(world / "run").store()
    layout = read_root(next(iter(state.roots.values()))).layout
    size = {name: num_parameters(load_module(store.read, name)) for name in store.digests()}
    users = num_users(state)
    total = sum(size[name] / users[name] for name in state.root_components)
    for name in state.routes:
        known = state.tasks[name].brief
        pricing = Pricing(
            layout=layout,
            num_train=known.num_train,
            num_validation=known.num_validation,
            num_classes=known.num_classes,
            users=num_users(state, without=name),
            image_size=32,
            validations=2,
        )
        total += pricing.cost(as_founder(state.answer(name).way.genome)).accounted_parameters
    assert total == pytest.approx(sum(size.values()))


def test_the_winner_is_the_best_admitted_and_its_score_is_its_quality_shrunk_by_its_cost(home: Path) -> None:
    _, run_config, state = open_run(home / "run")
    for route in events(home / "run", Found):
        told = [
            data
            for event in events(home / "run", Generation)
            if event.task == route.task
            for data in event.evaluations
        ]
        best = max((one for one in told if one.admitted), key=lambda one: one.score)
        assert route.answer.told.score == best.score
        winner = next(one for one in told if one.candidate.id == route.answer.told.candidate)
        assert winner.score == best.score
        root = (1, 1.0)  # both factors of this space are 1
        assert winner.score == fitness(winner.quality, winner.cost, root, run_config.space.objective)
    assert set(state.routes) == {"one", "three"}


def test_a_finished_run_searched_again_writes_nothing(home: Path, tmp_path: Path) -> None:
    world = copied(home, tmp_path)
    before = journal(world / "run")
    search(world / "run", config(home, "one", "three"))
    assert journal(world / "run") == before


def test_a_grown_stream_searches_the_new_task_alone_and_leaves_earlier_answers_as_they_were(
    home: Path, tmp_path: Path
) -> None:
    world = copied(home, tmp_path)
    before, run = journal(world / "run"), world / "run"
    old = load(run)
    logits = {name: old.logits(IMAGES, [name])[0] for name in old.tasks}
    files = {path: path.read_bytes() for path in (run / "components").rglob("*.safetensors")}
    told: list = []
    search(run, config(home, "one", "three", "fifth"), progress=told.append)
    assert journal(run).startswith(before)
    added = [event.payload for event in read_journal(RunFolder(run).journal)][before.count(b"\n") :]
    assert {payload["task"] for payload in added} == {"fifth"}
    new = load(run)
    assert new.tasks == ("one", "three", "fifth")
    for name, expected in logits.items():
        assert torch.equal(new.logits(IMAGES, [name])[0], expected)
        assert new.fingerprint(name) == new.state.answer(name).fingerprint
    together = new.logits(IMAGES, ["one", "three", "fifth"])
    assert torch.equal(together[0], logits["one"])
    assert all(path.read_bytes() == content for path, content in files.items())


def test_a_grown_run_has_the_journal_of_a_run_that_knew_all_tasks_at_once(home: Path, tmp_path: Path) -> None:
    world = copied(home, tmp_path)
    made = config(home, "one", "three", "fifth")
    search(world / "run", made)
    search(tmp_path / "whole", made)
    assert journal(world / "run") == journal(tmp_path / "whole")


def test_later_tasks_may_start_from_earlier_routes_and_never_from_private_ones(tmp_path: Path) -> None:
    overrides = ("budget.generations=4", "budget.children=3", "seeds=[{name: a, depth: 2, head: ridge}]")
    made = config(tmp_path, "one", "three", overrides=overrides)
    search(tmp_path / "open", made)
    first = made.stream.tasks[0].model_copy(update={"private": True})
    stream = made.stream.model_copy(update={"tasks": (first, *made.stream.tasks[1:])})
    search(tmp_path / "closed", made.model_copy(update={"stream": stream}))

    def parents(run: Path) -> Counter:
        told = [e.candidate for event in events(run, Generation) for e in event.evaluations]
        return Counter(c.parent for c in told if c.task == "three")

    assert parents(tmp_path / "open")[OfTask("one")] > 0
    assert parents(tmp_path / "closed")[OfTask("one")] == 0


def test_another_configuration_is_refused_by_the_key_in_which_it_differs(home: Path) -> None:
    before = journal(home / "run")
    for overrides, key in (
        (("budget.children=1",), "space.budget.children is 2 there, 1 here"),
        (("objective.size_factor=0.5",), "space.objective.size_factor"),
    ):
        with pytest.raises(RunError, match=key):
            search(home / "run", config(home, "one", "three", overrides=overrides))
    with pytest.raises(RunError, match="seed is 0 there, 4 here"):
        search(home / "run", config(home, "one", "three", seed=4))
    with pytest.raises(ConfigError, match="'one' is task 1"):
        search(home / "run", config(home, "three", "one"))
    assert journal(home / "run") == before


def test_changed_data_of_an_archived_task_are_refused_by_name_and_searched_again_when_asked(
    home: Path, tmp_path: Path
) -> None:
    world = copied(home, tmp_path)
    made = config(world, "one", "three")
    search(tmp_path / "run", made)
    before = journal(tmp_path / "run")
    write_task(world / "one.npz", seed=77)
    with pytest.raises(RunError, match=r"data of task 'one' changed .* --research"):
        search(tmp_path / "run", made)
    assert journal(tmp_path / "run") == before
    search(tmp_path / "run", made, Options(research=True))
    again = journal(tmp_path / "run")
    assert again.startswith(before)
    added = read_journal(RunFolder(tmp_path / "run").journal)[before.count(b"\n") :]
    assert [event.kind for event in added] == ["task", "looks", *["generation"] * 3, "route"]
    assert {event.payload["task"] for event in added} == {"one"}
    search(tmp_path / "run", made)
    assert journal(tmp_path / "run") == again


def test_a_folder_of_other_things_is_left_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"no run: .*'notes\.txt'"):
        search(tmp_path, config(home, "one", "three"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_cannot_be_searched_is_refused_before_anything_is_written(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stages\.depths: 40"):
        search(tmp_path / "run", config(home, "one", "three", overrides=("stages.depths=[4, 40]",)))
    assert not (tmp_path / "run").exists()


def test_a_task_of_which_no_candidate_can_be_trained_ends_in_words(home: Path, tmp_path: Path) -> None:
    values = "{learning_rate: 1.0e+25, warmup_share: 0.0, epochs: 4}"
    overrides = (f"seeds=[{{name: wild, depth: 4, open_from: 3, head: linear, values: {values}}}]",)
    with pytest.raises(CandidateError, match="task one: no candidate could be trained"):
        search(tmp_path / "run", config(home, "one", "three", overrides=overrides))


def test_a_clock_that_has_run_out_ends_each_task_after_a_generation_and_is_journaled(
    home: Path, tmp_path: Path
) -> None:
    made = config(home, "one", "three")
    state = search(tmp_path / "run", made, Options(minutes=1e-9))
    assert set(state.routes) == {"one", "three"}
    assert [event.kind for event in read_journal(RunFolder(tmp_path / "run").journal)][2:7] == [
        "task",
        "looks",
        "generation",
        "clock",
        "route",
    ]
    before = journal(tmp_path / "run")
    search(tmp_path / "run", made)
    assert journal(tmp_path / "run") == before


def test_a_generation_that_would_pass_the_limit_of_its_task_is_not_begun(home: Path, tmp_path: Path) -> None:
    made = config(home, "one", "three", overrides=("budget.generations=50",))
    search(tmp_path / "run", made, Options(minutes_per_task=1e-9))
    kinds = [event.kind for event in read_journal(RunFolder(tmp_path / "run").journal)]
    assert [kinds.count(kind) for kind in ("generation", "clock", "route")] == [2, 2, 2]
    before = journal(tmp_path / "run")
    search(tmp_path / "run", made)
    assert journal(tmp_path / "run") == before


def test_a_limit_that_no_generation_passes_changes_nothing(home: Path, tmp_path: Path) -> None:
    made = config(home, "one")
    search(tmp_path / "limited", made, Options(minutes_per_task=60.0, minutes=600.0))
    search(tmp_path / "free", made)
    assert journal(tmp_path / "limited") == journal(tmp_path / "free")


def test_the_state_that_is_returned_is_what_the_journal_replays_to(home: Path, tmp_path: Path) -> None:
    state = search(tmp_path / "run", config(home, "one"))
    assert replay(RunFolder(tmp_path / "run").journal) == state


def test_answers_of_an_archived_task_do_not_hang_on_the_number_of_images(home: Path) -> None:
    model = load(home / "run")
    whole = model.logits(IMAGES, ["one"])[0]
    assert torch.isfinite(whole).all()
    assert torch.equal(model.logits(IMAGES[:1], ["one"])[0], whole[:1])


def test_a_search_killed_after_its_looks_goes_on_from_what_they_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = journal(home / "run").splitlines(keepends=True)
    run = tmp_path / "run"
    shutil.copytree(home / "run", run)
    (run / "journal.jsonl").write_bytes(b"".join(lines[:4]))
    assert events(run, Looked)
    assert not events(run, Generation)

    def never(*_: object) -> None:
        raise AssertionError("looked again")

    monkeypatch.setattr("evo_mtl.engines.jobs.do_look", never)
    with pytest.raises(
        AssertionError, match="looked again"
    ):  # the second task's; the first one's are committed
        search(run, config(home, "one", "three"))
    assert journal(run) == b"".join(lines[: len(journal(run).splitlines())])
    assert [event.task for event in events(run, Found)] == ["one"]


def test_looks_are_in_the_journal_with_every_line_that_was_read(home: Path) -> None:
    first, second = events(home / "run", Looked)
    assert [(one.parent, one.image_size) for one in first.looks] == [(None, 24), (None, 32)]
    for event in (first, second):
        for one in event.looks:
            assert len(one.alone) == len(one.stages) > 1
            validation = 15 * np.array([*one.alone, one.together])  # a quarter of 60 images
            np.testing.assert_allclose(validation, validation.round(), atol=1e-9)
            assert one.together > 0.5 > 1 / 3  # the colours are told apart
            assert one.images > 0
            assert one.multiply_adds > 0


def test_show_tells_what_the_looks_said_and_how_right_they_were(home: Path) -> None:
    text = details_text(task_details(home / "run", "one"))
    assert "cheap looks, before anything was trained" in text
    found = task_details(home / "run", "one")["hindsight"]
    for look in found["looks"]:
        assert f"{look['together']:.3f}" in text
    assert f"({found['compared']} compared)" in text
