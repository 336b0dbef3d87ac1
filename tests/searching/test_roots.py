"""A run with more than one root trunk: what was there keeps its answers, and every task stays on its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import load
from evo_mtl.cli.show import summary_text
from evo_mtl.errors import RunError
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Generation, Looked
from evo_mtl.run.folder import RunFolder, open_run, reopen
from evo_mtl.run.options import Options
from evo_mtl.run.progress import GenerationDone
from evo_mtl.searching.estimate import estimate
from evo_mtl.searching.offers import offer
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import coloured, living
from tests.searching.test_resume import Stopped, stop_at
from tests.worlds import config, events, journal, search

OTHER = ("trunk.name=mobilenetv3_small_050",)
FEW = ("budget.generations=1",)


def first(home: Path) -> RunConfig:
    return config(home, "one", "three", overrides=FEW)


def second(home: Path) -> RunConfig:
    return config(home, "one", "three", "fifth", overrides=(*OTHER, *FEW))


def third(home: Path) -> RunConfig:
    return config(home, "one", "three", "fifth", "six", overrides=FEW)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks on one root, then one on a second root, then one on the first again."""
    folder = tmp_path_factory.mktemp("roots")
    search(folder / "run", first(folder))
    shutil.copytree(folder / "run", folder / "before")
    search(folder / "run", second(folder))
    search(folder / "run", third(folder))
    return folder


def copied(home: Path, tmp_path: Path, name: str) -> Path:
    shutil.copytree(home, tmp_path / "world")
    return tmp_path / "world" / name


def test_a_space_of_another_trunk_adds_a_root_and_tasks_stand_on_the_one_they_were_begun_on(
    home: Path,
) -> None:
    _, made, state = open_run(home / "run")
    old, new = state.roots
    assert [state.roots[name].layout.name for name in (old, new)] == [
        "mobilenetv2_035",
        "mobilenetv3_small_050",
    ]
    assert {name: task.brief.root for name, task in state.tasks.items()} == {
        "one": old,
        "three": old,
        "fifth": new,
        "six": old,
    }
    for event in events(home / "run", Generation):
        for one in event.evaluations:
            assert one.candidate.genome.root == state.tasks[event.task].brief.root
    assert [space.trunk.name for space in made.spaces] == ["mobilenetv3_small_050", "mobilenetv2_035"]


def test_old_routes_answer_bit_for_bit_as_before_a_root_was_added(home: Path) -> None:
    before, now = load(home / "before"), load(home / "run")
    images = coloured(40, 3, seed=9)[0]
    for task in before.tasks:
        then = before.logits(list(images), [task])[0].numpy()
        assert np.array_equal(then, now.logits(list(images), [task])[0].numpy())
    assert journal(home / "run").startswith(journal(home / "before"))
    assert all(row["logits_unchanged"] for row in evaluate(home / "run")["tasks"])


def test_routes_of_several_roots_answer_the_same_images_in_one_call(home: Path) -> None:
    model = load(home / "run")
    images = coloured(5, 3, seed=9)[0]
    together = model.predict_many(images, list(model.tasks))
    for task, found in zip(model.tasks, together, strict=True):
        assert np.array_equal(found.probabilities, model.predict(images, task).probabilities)


def test_no_candidate_has_a_parent_on_another_root(home: Path) -> None:
    roots = {name: task.brief.root for name, task in open_run(home / "run")[2].tasks.items()}
    parents = set()
    for event in events(home / "run", Looked):
        for look in event.looks:
            if look.parent is not None:
                parents.add((event.task, look.parent.task))
    assert parents
    assert all(roots[task] == roots[parent] for task, parent in parents)
    assert not any(task == "fifth" for task, _ in parents)


def test_components_of_every_root_and_route_live_and_no_others(home: Path) -> None:
    folder, _, state = open_run(home / "run")
    assert set(folder.store().digests()) == living(state)


def test_a_summary_names_every_trunk_and_each_task_its_own(home: Path) -> None:
    found = summarize(home / "run")
    assert [trunk["name"] for trunk in found["trunks"]] == ["mobilenetv2_035", "mobilenetv3_small_050"]
    assert {row["name"]: row["trunk"] for row in found["tasks"]}["fifth"] == "mobilenetv3_small_050"
    assert found["total_parameters"] == evaluate(home / "run")["total_parameters"]
    assert "mobilenetv2_035 (" in summary_text(found)
    assert "mobilenetv3_small_050 (" in summary_text(found)
    assert any(node["of_trunk"] for node in task_details(home / "run", "fifth")["nodes"])


@pytest.mark.parametrize("generation", [1, 2])
def test_a_search_that_adds_a_root_and_is_stopped_goes_on_to_the_same_journal(
    home: Path, tmp_path: Path, generation: int
) -> None:
    run = copied(home, tmp_path, "before")
    with pytest.raises(Stopped):
        search(run, second(home), progress=stop_at(GenerationDone, generation))
    folder, made, _ = reopen(run)
    search(folder.path, made)
    search(run, third(home), Options(workers=2))
    assert journal(run) == journal(home / "run")


def test_a_later_pass_visits_every_task_on_its_own_root(home: Path, tmp_path: Path) -> None:
    run = copied(home, tmp_path, "run")
    _, made, before = reopen(run, passes=2)
    state = search(run, made)
    assert state.passes == dict.fromkeys(before.routes, 2)
    assert {name: task.brief.root for name, task in state.tasks.items()} == {
        name: task.brief.root for name, task in before.tasks.items()
    }
    for name in state.routes:
        assert state.answer(name).way.genome.root == state.tasks[name].brief.root


def test_offers_stay_on_the_root_of_their_task(home: Path, tmp_path: Path) -> None:
    run = copied(home, tmp_path, "run")
    rows = {row["task"]: row for row in offer(run)}
    assert rows["fifth"]["newer"] == []
    assert set(rows["one"]["newer"]) <= {"three", "six"}


def test_a_dry_run_counts_new_tasks_by_the_space_that_is_asked_for(home: Path) -> None:
    run = RunFolder(home / "before")
    found = estimate(run, second(home))
    assert found["trunk"]["name"] == "mobilenetv3_small_050"
    assert found["archived"] == ["one", "three"]
    assert [row["name"] for row in found["tasks"]] == ["fifth"]


def test_another_space_of_the_same_trunk_is_refused_and_nothing_is_written(
    home: Path, tmp_path: Path
) -> None:
    run = copied(home, tmp_path, "before")
    before = journal(run), RunFolder(run).config.read_bytes()
    made = config(home, "one", "three", overrides=("budget.generations=2",))
    with pytest.raises(
        RunError, match=r"another configuration: space\.budget\.generations is 1 there, 2 here"
    ):
        search(run, made)
    assert (journal(run), RunFolder(run).config.read_bytes()) == before


def test_a_run_whose_space_was_taken_out_of_run_yaml_is_refused(home: Path, tmp_path: Path) -> None:
    run = copied(home, tmp_path, "run")
    folder = RunFolder(run)
    text = folder.config.read_text()
    folder.config.write_text(text.replace("generations: 1", "generations: 3", 1))
    with pytest.raises(RunError, match=r"run\.yaml.*lacks a search space that the journal names"):
        search(run, reopen(run)[1])
