"""The front of a task's candidates: told, kept where it is asked for, and chosen from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evo_mtl.answering.evaluation import evaluate, total_parameters
from evo_mtl.answering.model import load
from evo_mtl.cli.show import details_text
from evo_mtl.errors import CorruptionError, InputError, RunError
from evo_mtl.evolution.pareto import front
from evo_mtl.files import lock
from evo_mtl.plain import plain
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Found, Generation, Looked, Member, Told, history
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.progress import TaskDone
from evo_mtl.run.snapshot import Archive, snapshot_path
from evo_mtl.run.state import replay
from evo_mtl.searching.front import choose
from evo_mtl.searching.usage import in_use, num_users
from evo_mtl.telling.summary import num_learnable, summarize, task_details
from evo_mtl.testing.worlds import coloured, write_task
from tests.searching.test_resume import Stopped, stop_at
from tests.worlds import config, events, journal, search

IMAGES = list(coloured(20, 8, seed=9)[0])
NAMES = ("hard", "last")
SMALL = ("budget={generations: 1, children: 3}", "looks={sizes: [], parents: 1}")


def made(home: Path, keep: bool = True, names: tuple[str, ...] = NAMES) -> RunConfig:
    return config(home, *names, overrides=(*SMALL, f"objective.keep_front={str(keep).lower()}"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of eight classes, searched with their fronts kept and without; only to be read."""
    folder = tmp_path_factory.mktemp("world")
    for seed, name in enumerate(NAMES):
        write_task(folder / f"{name}.npz", seed=3 + 2 * seed, num_images=120, num_classes=8)
    search(folder / "kept", made(folder))
    search(folder / "bare", made(folder, keep=False))
    return folder


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Path:
    """A run of one's own whose fronts were kept."""
    shutil.copytree(home / "kept", tmp_path / "run")
    return tmp_path / "run"


def on_disk(run: Path) -> set[str]:
    return set(RunFolder(run).store().digests())


def another(run: Path, task: str) -> Member:
    """What the journal holds of a candidate that is not the route."""
    answer = open_run(run)[2].answer(task)
    return next(one for one in answer.front if one.told.candidate != answer.told.candidate)


def name(member: Member) -> str:
    """As the command line takes it."""
    return str(member.told.candidate)


def logits(run: Path) -> dict[str, torch.Tensor]:
    model = load(run)
    return {name: model.logits(IMAGES, [name])[0] for name in model.tasks}


def cut(run: Path, count: int) -> None:
    """A run whose journal has its first events alone."""
    found = history(RunFolder(run).journal)[:count]
    RunFolder(run).journal.unlink()
    snapshot_path(RunFolder(run).journal).unlink()
    with Archive(RunFolder(run).journal) as archive:
        for event in found:
            archive.append(event)


@pytest.mark.parametrize("which", ["kept", "bare"])
def test_a_route_tells_the_front_of_its_search_and_itself(which: str, home: Path) -> None:
    for route in events(home / which, Found):
        told = [
            data
            for event in events(home / which, Generation)
            if event.task == route.task
            for data in event.evaluations
        ]
        wanted = {one.candidate.id: one for one in front(told)}
        found = {one.told.candidate: one for one in route.answer.front}
        assert found.keys() == wanted.keys() | {route.answer.told.candidate}
        for id, one in wanted.items():
            assert found[id].told == Told(1, id, one.quality, one.score, one.cost)
        qualities = [one.told.quality for one in route.answer.front]
        assert qualities == sorted(qualities, reverse=True)
        assert all((one.way is not None) == (which == "kept") for one in found.values())


def test_components_that_live_are_those_of_the_root_the_routes_and_the_kept_fronts(home: Path) -> None:
    for which in ("kept", "bare"):
        state = open_run(home / which)[2]
        wanted = {*state.root_components, *state.users}
        for task in state.routes:
            for one in state.answer(task).front:
                wanted.update(one.way.route.components if one.way is not None else ())
        assert on_disk(home / which) == wanted
    assert on_disk(home / "bare") < on_disk(home / "kept")


def test_keeping_the_front_changes_nothing_that_is_tried_or_archived(home: Path) -> None:
    for kind in (Looked, Generation):
        kept, bare = (events(home / which, kind) for which in ("kept", "bare"))
        assert kept == bare
    kept, bare = (
        [replace(one.answer, front=()) for one in events(home / which, Found)] for which in ("kept", "bare")
    )
    assert kept == bare


def test_components_that_are_only_kept_are_no_sharers(run: Path) -> None:
    state = open_run(run)[2]
    spare = set().union(*state.choosable.values()) - set(state.users)
    assert spare - state.root_components
    for component in spare:
        assert num_users(state)[component] == (component in state.root_components)
    assert spare <= in_use(state)


@pytest.mark.parametrize("task", NAMES)
def test_a_chosen_candidate_answers_its_task_and_no_other_tasks_logits_change_by_a_bit(
    task: str, run: Path
) -> None:
    before, components = logits(run), on_disk(run)
    former, wanted = str(open_run(run)[2].routes[task].brief.candidate), another(run, task)
    found = choose(run, task, name(wanted))
    assert (found["former"], found["candidate"]) == (former, name(wanted))
    after = logits(run)
    for one in NAMES:
        assert torch.equal(before[one], after[one]) == (one != task)
    model = load(run)
    assert model.route(task) == wanted.way.route
    assert all(model.fingerprint(one) == model.state.answer(one).fingerprint for one in NAMES)
    assert on_disk(run) == components
    choose(run, task, former)
    assert all(torch.equal(before[other], one) for other, one in logits(run).items())


def test_show_follows_a_choice(run: Path) -> None:
    wanted = name(another(run, "hard"))
    choose(run, "hard", wanted)
    found = task_details(run, "hard")
    assert found["candidate"] == found["lineage"][0]["candidate"] == wanted
    assert [one["candidate"] for one in found["front"] if one["is_route"]] == [wanted]
    assert found["corrected"] is None
    (line,) = [line for line in details_text(found).splitlines() if line.endswith("the route")]
    assert line.startswith(wanted)
    sizes = {one: num_learnable(RunFolder(run).store(), one) for one in on_disk(run)}
    state = open_run(run)[2]
    live = sum(sizes[one] for one in {*state.users, *state.root_components})
    assert summarize(run)["total_parameters"] == total_parameters(load(run)) == live


def test_show_says_where_only_the_route_was_kept(home: Path) -> None:
    bare, kept = (task_details(home / which, "hard") for which in ("bare", "kept"))
    assert [one["kept"] for one in bare["front"]] == [one["is_route"] for one in bare["front"]]
    assert all(one["kept"] for one in kept["front"])
    assert "only the route was kept" in details_text(bare)
    assert "only the route was kept" not in details_text(kept)


def test_the_state_after_choices_is_that_of_a_replay_with_and_without_a_snapshot(run: Path) -> None:
    for task in NAMES:
        choose(run, task, name(another(run, task)))
    found = RunFolder(run).read_state()
    assert found == replay(RunFolder(run).journal)
    snapshot_path(RunFolder(run).journal).unlink()
    assert RunFolder(run).read_state() == found


def test_choosing_what_is_the_route_writes_nothing(run: Path) -> None:
    before, now = journal(run), str(open_run(run)[2].routes["hard"].brief.candidate)
    found = choose(run, "hard", now)
    assert found["former"] == found["candidate"] == now
    assert journal(run) == before


def test_a_candidate_off_the_front_or_not_kept_is_refused_with_those_that_were_kept(
    home: Path, run: Path
) -> None:
    names = ", ".join(map(name, open_run(run)[2].answer("last").front))
    with pytest.raises(RunError, match=rf"'7/7' of task 'last' is not on the front; kept: {names}$"):
        choose(run, "last", "7/7")
    bare, now = another(home / "bare", "last"), open_run(run)[2].routes["last"].brief.candidate
    before = journal(home / "bare")
    with pytest.raises(RunError, match=rf"'{name(bare)}' .* was not kept; kept: {now}$"):
        choose(home / "bare", "last", name(bare))
    assert journal(home / "bare") == before


def test_an_unknown_task_is_refused_with_a_near_one(run: Path) -> None:
    with pytest.raises(InputError, match=r"unknown task 'lost'.* known: hard, last"):
        choose(run, "lost", "0/0")


def test_a_task_that_has_no_route_yet_is_refused(run: Path) -> None:
    cut(run, len(history(RunFolder(run).journal)) - 1)
    with pytest.raises(RunError, match="task 'last' has not been archived yet"):
        choose(run, "last", "0/0")


@pytest.mark.parametrize("data", ["same", "other"])
def test_a_task_whose_next_search_has_begun_is_refused(data: str, run: Path) -> None:
    wanted = name(another(run, "last"))
    with Archive(RunFolder(run).journal) as archive:
        if data == "same":
            archive.append(Generation("last", 2, 0, ()))
        else:
            known = archive.state.tasks["last"].read()
            archive.append(replace(known, data=replace(known.data, digest="0" * 64)))
    before = journal(run)
    with pytest.raises(RunError, match="the search of task 'last' is not over"):
        choose(run, "last", wanted)
    assert journal(run) == before


def test_a_run_that_is_in_use_is_refused(run: Path) -> None:
    with lock(RunFolder(run).lock), pytest.raises(RunError, match="in use by process"):
        choose(run, "last", name(another(run, "last")))


def test_a_broken_component_of_a_candidate_is_found_before_it_is_chosen(run: Path) -> None:
    wanted, before = another(run, "last"), journal(run)
    head = RunFolder(run).store().path(wanted.way.route.components[-1])
    head.chmod(0o644)
    head.write_bytes(head.read_bytes()[:-1] + b"\1")
    with pytest.raises(CorruptionError, match=head.name):
        choose(run, "last", name(wanted))
    assert journal(run) == before


def test_a_search_that_keeps_fronts_resumes_to_the_same_journal_and_components(
    home: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        search(tmp_path / "run", made(home), progress=stop_at(TaskDone, 1))
    search(tmp_path / "run", made(home))
    assert journal(tmp_path / "run") == journal(home / "kept")
    assert on_disk(tmp_path / "run") == on_disk(home / "kept")


def test_a_search_goes_on_after_a_choice_and_a_later_pass_starts_from_it(home: Path, run: Path) -> None:
    wanted = another(run, "hard")
    choose(run, "hard", name(wanted))
    search(run, made(home))  # nothing is left to do, and nothing is swept away
    assert on_disk(run) >= set(wanted.way.route.components)
    again = made(home).model_copy(update={"passes": 2})
    state = search(run, again)
    own = [e for e in events(run, Generation) if e.pass_ == 2 and e.number == 0]
    assert own[0].evaluations[0].quality == wanted.told.quality
    assert own[0].evaluations[0].candidate.task == "hard"
    steps = task_details(run, "hard")["lineage"]
    assert name(wanted) in [step["candidate"].removesuffix(" of pass 1") for step in steps]
    assert on_disk(run) == in_use(state)


def test_a_chosen_candidate_of_a_task_with_few_labels_tells_its_own_pooled_quality(home: Path) -> None:
    pooled = (*SMALL, "objective.keep_front=true", "small_data={below: 100, folds: 2}")
    run = home / "pooled"
    search(run, config(home, "hard", overrides=pooled))
    wanted = another(run, "hard")
    choose(run, "hard", name(wanted))
    told = [one for event in events(run, Generation) for one in event.evaluations]
    (its,) = [one for one in told if one.candidate.id == wanted.told.candidate]
    assert task_details(run, "hard")["pooled"] == plain(its.notes.pooled)
    found = evaluate(run, split="validation")
    assert found["tasks"][0]["accuracy"] == pytest.approx(its.notes.pooled.validation)
    assert found["tasks"][0]["corrected"] is None
    assert found["tasks"][0]["logits_unchanged"]
