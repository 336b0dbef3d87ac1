"""Further visits of tasks: each starts from its own route and all others', and only ever gains."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from evo_mtl.answering.evaluation import total_parameters
from evo_mtl.answering.model import load
from evo_mtl.archive.journal import read_journal
from evo_mtl.evolution.candidate import CHILD, DRAW, OWN_ROUTE, OfTask, OfTurn
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import OK
from evo_mtl.face import resume
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Generation, Kept, Looked
from evo_mtl.run.folder import RunFolder, open_run, reopen
from evo_mtl.run.options import Options
from evo_mtl.run.progress import CandidateDone, Event, GenerationDone, TaskDone
from evo_mtl.run.root import read_root
from evo_mtl.run.snapshot import snapshot_path
from evo_mtl.run.state import replay
from evo_mtl.searching.estimate import estimate
from evo_mtl.searching.usage import num_users
from evo_mtl.telling.summary import Step, Tried, lineage, num_learnable, summarize, task_details
from evo_mtl.testing.worlds import coloured
from evo_mtl.training.pricing import Pricing
from tests.searching.test_resume import Stopped, stop_at
from tests.worlds import config, events, journal, search

IMAGES = list(coloured(70, 3, seed=9)[0])
NAMES = ("one", "three", "fifth")
HEAVY = (
    "budget.generations=1",
    "seeds=[{name: whole, depth: 5, open_from: 1, head: linear}]",
    "objective.size_factor=0.1",
)
"""A first pass that begins with a copy of most of the trunk leaves something to gain."""


def made(home: Path, passes: int) -> RunConfig:
    return config(home, *NAMES, overrides=HEAVY).model_copy(update={"passes": passes})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world with a run of one pass and the same of two; only to be read."""
    folder = tmp_path_factory.mktemp("world")
    search(folder / "once", made(folder, 1))
    search(folder / "twice", made(folder, 2))
    return folder


def copied(run: Path, to: Path) -> Path:
    """A run of one's own to go on with."""
    shutil.copytree(run, to)
    return to


def contents(run: Path) -> dict[Path, bytes]:
    """Components on disk, by their place."""
    return {path.relative_to(run): path.read_bytes() for path in run.rglob("*.safetensors")}


def test_a_second_pass_improves_a_task_and_changes_no_other_tasks_logits_by_a_bit(
    home: Path, tmp_path: Path
) -> None:
    run = copied(home / "once", tmp_path / "run")
    model = load(run)
    known = {name: model.logits(IMAGES, [name])[0] for name in NAMES}
    before = model.state.routes
    visited = []

    def progress(event: Event) -> None:
        if isinstance(event, TaskDone) and event.pass_ == 2:
            now = load(run)
            for name in NAMES:
                logits = now.logits(IMAGES, [name])[0]
                assert name == event.name or torch.equal(logits, known[name])
                known[name] = logits
            visited.append(event.name)

    search(run, made(home, 2), progress=progress)
    assert visited == list(NAMES)
    assert journal(run) == journal(home / "twice")
    after = open_run(run)[2].routes
    replaced = [name for name in NAMES if after[name] != before[name]]
    assert replaced
    for event in events(run, Generation):
        name = event.task
        if event.pass_ == 2 and event.number == 0 and name in replaced:
            assert after[name].brief.score > event.evaluations[0].score


def test_a_pass_in_which_nothing_is_better_leaves_all_logits_equal(tmp_path: Path) -> None:
    once = config(tmp_path, "one", "three", overrides=("budget.generations=1",))
    state = search(tmp_path / "run", once)
    assert [stored.brief.score for stored in state.routes.values()] == [1.0, 1.0]  # no score is higher here
    before, held = load(tmp_path / "run"), contents(tmp_path / "run")
    search(tmp_path / "run", once.model_copy(update={"passes": 2}))
    assert [event.task for event in events(tmp_path / "run", Kept)] == ["one", "three"]
    after = load(tmp_path / "run")
    for name in ("one", "three"):
        assert torch.equal(before.logits(IMAGES, [name])[0], after.logits(IMAGES, [name])[0])
    assert contents(tmp_path / "run") == held


def test_a_second_pass_changes_no_component_and_leaves_those_that_are_used_and_no_others(home: Path) -> None:
    before, after = contents(home / "once"), contents(home / "twice")
    assert all(after[path] == content for path, content in before.items() if path in after)
    folder, _, state = open_run(home / "twice")
    assert set(folder.store().digests()) == {*state.users, *state.root_components}


def test_passes_that_are_raised_later_give_the_journal_of_a_run_that_knew_them_at_once(
    home: Path, tmp_path: Path
) -> None:
    made(home, 1)
    run = copied(home / "once", tmp_path / "run")
    resume(run, passes=2)
    assert journal(run) == journal(home / "twice")
    assert open_run(run)[1].passes == 2
    resume(run)
    search(run, made(home, 1))
    assert journal(run) == journal(home / "twice")


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *((CandidateDone, i) for i in range(1, 7)),
        *((GenerationDone, i) for i in range(1, 7)),
        (TaskDone, 4),
        (TaskDone, 5),
    ],
)
def test_a_second_pass_stopped_anywhere_resumes_to_the_same_journal_and_components(
    kind: type, number: int, home: Path, tmp_path: Path
) -> None:
    run = copied(home / "once", tmp_path / "run")
    with pytest.raises(Stopped):
        search(run, made(home, 2), progress=stop_at(kind, number))
    left = read_journal(RunFolder(run).journal)
    assert left == read_journal(RunFolder(home / "twice").journal)[: len(left)]
    search(run, made(home, 2))
    assert journal(run) == journal(home / "twice")
    assert contents(run) == contents(home / "twice")


def test_a_run_cut_off_after_any_event_of_its_second_pass_resumes_to_the_same_journal(
    home: Path, tmp_path: Path
) -> None:
    lines = journal(home / "twice").splitlines(keepends=True)
    first = len(journal(home / "once").splitlines())
    run = copied(home / "once", tmp_path / "run")
    snapshot_path(RunFolder(run).journal).unlink()
    for cut in range(first, len(lines)):
        assert journal(run) == b"".join(lines[:cut])
        _until(run, made(home, 2), cut + 1)
    search(run, made(home, 2))
    assert journal(run) == journal(home / "twice")


def _until(run: Path, wanted: RunConfig, lines: int) -> None:
    """Goes on until the journal has so many lines, and stops there."""

    def progress(event: object) -> None:
        if len(journal(run).splitlines()) >= lines:
            raise Stopped

    with pytest.raises(Stopped):
        search(run, wanted, progress=progress)


def test_a_pass_begins_with_the_tasks_own_route_scored_at_what_it_costs_today(home: Path) -> None:
    once = open_run(home / "once")[2]
    for event in events(home / "twice", Generation):
        if event.pass_ == 2 and event.number == 0:
            (data,) = event.evaluations
            own, route = data, once.routes[event.task].brief
            assert (own.candidate.origin, own.candidate.parent, own.admitted) == (OWN_ROUTE, None, True)
            assert own.quality == route.quality
            assert own.cost.inference == route.cost.inference
            assert (own.cost.images, own.cost.multiply_adds, own.trained) == (0, 0, {})
    layout = read_root(next(iter(once.roots.values()))).layout
    known, route = once.tasks["one"].brief, once.routes["one"].brief
    pricing = Pricing(
        layout=layout,
        num_train=known.num_train,
        num_validation=known.num_validation,
        num_classes=known.num_classes,
        users=num_users(once, without="one"),
        image_size=32,
        validations=2,
    )
    second = next(e for e in events(home / "twice", Generation) if e.pass_ == 2)
    own = second.evaluations[0]
    assert own.cost.accounted_parameters == pricing.cost(own.candidate.genome).accounted_parameters
    objective = open_run(home / "twice")[1].space.objective
    assert own.score == fitness(route.quality, own.cost, pricing.root(), objective)


def test_a_later_pass_may_start_from_newer_tasks_and_opens_nothing_that_another_route_uses(
    home: Path,
) -> None:
    looked = [e for e in events(home / "twice", Looked) if e.task == "one"]
    first, second = ({look.parent for look in event.looks} for event in looked)
    assert first == {None}
    assert second - {None}
    assert second <= {None, OfTask("three"), OfTask("fifth")}
    told = [
        data for event in events(home / "twice", Generation) if event.pass_ == 2 for data in event.evaluations
    ]
    users = open_run(home / "once")[2].users
    for one in told:
        if one.candidate.origin == OWN_ROUTE and one.candidate.task == "one":
            genes = [*one.candidate.genome.stages, *one.candidate.genome.adapters]
            assert all(users[gene.component] == 1 for gene in genes if gene.open)


def test_children_of_a_second_pass_are_drawn_at_addresses_of_their_own(home: Path) -> None:
    second = [e for e in events(home / "twice", Generation) if e.pass_ == 2]
    candidates = [data.candidate for data in second[1].evaluations]
    assert all(one.pass_ == 2 and one.address[:4] == ("task", one.task, "pass", 2) for one in candidates)


def test_a_clock_that_ran_out_in_the_first_pass_does_not_end_the_second(home: Path, tmp_path: Path) -> None:
    search(tmp_path / "run", made(home, 1), Options(minutes=1e-9))
    first = len(read_journal(RunFolder(tmp_path / "run").journal))
    search(tmp_path / "run", made(home, 2))
    later = read_journal(RunFolder(tmp_path / "run").journal)[first:]
    assert [event.kind for event in later if event.payload.get("task") == "one"][:3] == [
        "looks",
        "generation",
        "generation",
    ]


def test_show_follows_a_winner_of_the_second_pass_back_through_the_first(home: Path) -> None:
    state = open_run(home / "twice")[2]
    for name in NAMES:
        steps = task_details(home / "twice", name)["lineage"]
        assert steps[0]["candidate"] == str(state.routes[name].brief.candidate)
    own = {
        Step(OfTurn(0, 0)): Tried(OK, OWN_ROUTE, Step(OfTurn(2, 1), "pass 1"), 0.5, 0.5),
        Step(OfTurn(1, 0)): Tried(OK, CHILD, Step(OfTurn(0, 0)), 0.6, 0.6),
    }
    former = {Step(OfTurn(2, 1), "pass 1"): Tried(OK, DRAW, None, 0.5, 0.5)}
    steps = lineage("a", OfTurn(1, 0), {"a": own | former}, state)
    assert [step["candidate"] for step in steps] == ["1/0", "0/0", "2/1 of pass 1"]


def test_the_state_after_two_passes_replays_and_its_parameters_are_those_on_disk(home: Path) -> None:
    state = open_run(home / "twice")[2]
    assert state == replay(RunFolder(home / "twice").journal)
    assert dict(state.passes) == dict.fromkeys(NAMES, 2)
    store = RunFolder(home / "twice").store()
    sizes = [num_learnable(store, component) for component in store.digests()]
    assert summarize(home / "twice")["total_parameters"] == sum(sizes)
    assert total_parameters(load(home / "twice")) == sum(sizes)


def test_a_dry_run_plans_the_passes_that_are_left(home: Path) -> None:
    folder, wanted, _ = reopen(home / "once", passes=3)
    found = estimate(folder, wanted)
    children = wanted.space.budget.generations * wanted.space.budget.children
    assert [row["candidates"] for row in found["tasks"]] == [2 * children] * 3
    assert estimate(folder, made(home, 1))["tasks"] == []
