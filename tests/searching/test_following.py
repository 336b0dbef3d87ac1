"""Routes that follow lines of versions: later tasks change their answers, by how much is told, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import evo_mtl
from evo_mtl.cli.main import main
from evo_mtl.errors import ConfigError, InputError, RunError
from evo_mtl.genome.genome import line_name
from evo_mtl.run import progress as tell
from evo_mtl.run.config import make_config
from evo_mtl.run.events import Arrived, Found, Generation, Round, history
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.run.options import Options
from evo_mtl.run.snapshot import read_state
from evo_mtl.run.state import ArchiveState, replay
from evo_mtl.searching.offers import offer
from evo_mtl.searching.runner import run_search
from evo_mtl.searching.usage import in_use
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import write_space, write_stream, write_task

TASKS = ("aa", "bbb", "cc")
ONLINE = "regime: online\nbatch_size: 8\nleast_aggregate: 4"
SPACE = """\
name: zones
trunk: {name: mobilenetv2_035, weights: random, cut: group}
stages: {boundaries: [1, 2], own_from: [2, 3, 4], clone: false}
taps: {stages: last, grids: [1]}
adapters: {insert: false}
heads: [linear]
hyperparameters:
  mutation_probability: {values: [0.2, 0.4], default: 0.4}
  image_size: {values: [32], default: 32}
  learning_rate: {values: [0.01, 0.03], default: 0.03}
  common_learning_rate: {values: [0.003, 0.01], default: 0.01}
  batch_size: {values: [8], default: 8}
  head_start: {values: [zero], default: zero}
race: {population: 3, age: 16, every: 3, window: 32}
seeds:
  - {name: split, depth: 4, open_from: 2, own_from: 3}
"""
FIXED = SPACE.replace("population: 3", "population: 1")
PINNED = FIXED.replace(", own_from: [2, 3, 4]", "").replace(", own_from: 3", "")
OFFLINE = SPACE.replace(
    "race: {population: 3, age: 16, every: 3, window: 32}", "budget: {generations: 1, children: 2}"
)


def searched(folder: Path, space: str, online: str = ONLINE, names: tuple[str, ...] = TASKS) -> Path:
    stream = write_stream(folder, names, online)
    evo_mtl.search(stream, space=str(write_space(folder, space)), run=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tasks, one after another, split by hand."""
    return searched(tmp_path_factory.mktemp("fixed"), FIXED)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tasks, one after another, whose splits are searched."""
    return searched(tmp_path_factory.mktemp("raced"), SPACE)


def state_of(run: Path) -> ArchiveState:
    return open_run(run)[2]


def journal(run: Path) -> bytes:
    return (run / "journal.jsonl").read_bytes()


def probes(run: Path, after: str | None = None) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)
    return evo_mtl.load(run, after).logits(list(images), ["aa"])[0].numpy()


def test_a_later_task_moves_the_answers_of_one_that_follows(fixed: Path) -> None:
    assert not np.array_equal(probes(fixed, "aa"), probes(fixed, "bbb"))
    assert not np.array_equal(probes(fixed, "bbb"), probes(fixed))
    assert np.array_equal(probes(fixed, "cc"), probes(fixed))


def test_it_does_not_move_those_of_one_that_is_pinned(tmp_path: Path) -> None:
    run = searched(tmp_path, PINNED)
    assert np.array_equal(probes(run, "aa"), probes(run))
    assert not state_of(run).lines
    assert {(row["follows"], row["versions_behind"]) for row in evo_mtl.evaluate(run)["tasks"]} == {(0, 0)}


def test_each_task_starts_from_the_newest_version_and_writes_the_next(fixed: Path) -> None:
    state = state_of(fixed)
    (name, versions), *others = state.lines.items()
    root = next(iter(state.roots))
    assert not others
    assert name == line_name(root, 2)
    assert list(versions) == [state.answer(task).versions[name] for task in TASKS]
    assert len(set(versions)) == len(TASKS)
    begun = [
        race.evaluations[0].candidate.genome.stages[2].component
        for event in history(fixed / "journal.jsonl")
        if isinstance(event, Round)
        for race in event.races
    ]
    assert list(dict.fromkeys(begun)) == [state.roots[root].components[2], *versions[:-1]]
    assert state.newest(root) == {2: versions[-1]}
    assert [state.versions_behind(task) for task in TASKS] == [2, 1, 0]


def test_every_version_is_kept_and_nothing_else(fixed: Path) -> None:
    folder, _, state = open_run(fixed)
    kept = in_use(state)
    assert kept >= {version for versions in state.lines.values() for version in versions}
    assert set(folder.store().digests()) == kept


def test_evaluation_says_what_follows_and_what_that_cost(fixed: Path) -> None:
    found = evo_mtl.evaluate(fixed)
    rows = found["tasks"]
    assert [(row["follows"], row["versions_behind"]) for row in rows] == [(1, 2), (1, 1), (1, 0)]
    assert all(row["logits_unchanged"] for row in rows)
    state = state_of(fixed)
    newest = next(iter(state.lines.values()))[-1]
    assert all(newest in row["route"] for row in rows)
    before = [evo_mtl.evaluate(fixed, [task], after=task)["tasks"][0]["accuracy"] for task in TASKS[:2]]
    lost = [then - row["accuracy"] for then, row in zip(before, rows, strict=False)]
    assert found["forgetting"] == pytest.approx(np.mean(lost))


def test_after_a_task_the_later_ones_are_unknown(fixed: Path) -> None:
    found = evo_mtl.evaluate(fixed, after="bbb")
    assert found["after"] == "bbb"
    assert [row["name"] for row in found["tasks"]] == ["aa", "bbb"]
    assert [row["versions_behind"] for row in found["tasks"]] == [1, 0]
    with pytest.raises(RunError, match="cc"):
        evo_mtl.evaluate(fixed, ["cc"], after="bbb")
    with pytest.raises(InputError, match="dd"):
        evo_mtl.evaluate(fixed, after="dd")


def test_the_command_says_it_too(fixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(fixed), "--after", "bbb", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(evo_mtl.evaluate(fixed, after="bbb")))
    assert main(["evaluate", str(fixed), "--task", "cc", "--after", "bbb"]) == 2
    assert "cc" in capsys.readouterr().err
    assert main(["evaluate", str(fixed)]) == 0
    assert "versions behind" in capsys.readouterr().out


def test_a_state_from_a_snapshot_has_the_lines(fixed: Path) -> None:
    folder = open_run(fixed)[0]
    assert replay(folder.journal).lines == read_state(folder.journal).lines == state_of(fixed).lines


def test_after_a_task_whose_routes_were_replaced_since_it_is_refused(tmp_path: Path) -> None:
    space = OFFLINE.replace("generations: 1", "generations: 0")
    run = searched(tmp_path, space, "", ("aa", "bbb"))
    write_task(tmp_path / "aa.npz", seed=7, num_images=120, num_classes=4)
    made = make_config(tmp_path / "stream.yaml", str(tmp_path / "space.yaml"))
    run_search(RunFolder(run), made, Options(research=True))
    with pytest.raises(RunError, match="replaced"):
        evo_mtl.evaluate(run, after="bbb")
    assert set(open_run(run)[0].store().digests()) == in_use(state_of(run))
    rows = evo_mtl.evaluate(run)["tasks"]
    versions = next(iter(state_of(run).lines.values()))
    assert len(versions) == 3
    assert [row["versions_behind"] for row in rows] == [0, 1]


def test_parameters_in_common_are_added_once(fixed: Path) -> None:
    found = evo_mtl.evaluate(fixed)
    rows = {row["name"]: row for row in found["tasks"]}
    added = [row["added_parameters"] for row in rows.values()]
    assert found["total_parameters"] == found["trunk_parameters"] + sum(added)
    assert summarize(fixed)["total_parameters"] == found["total_parameters"]
    assert rows["aa"]["added_parameters"] > rows["cc"]["added_parameters"]  # of equally many classes
    assert task_details(fixed, "bbb")["following_stages"] == [2]


def test_splits_may_differ_from_task_to_task(raced: Path) -> None:
    state = state_of(raced)
    born = [
        one.genome
        for event in history(raced / "journal.jsonl")
        if isinstance(event, Round)
        for race in event.races
        for one in race.born
    ]
    assert len({(genome.boundary, genome.own_from) for genome in born}) > 1
    assert all(row["logits_unchanged"] for row in evo_mtl.evaluate(raced)["tasks"])
    assert set(open_run(raced)[0].store().digests()) == in_use(state)


@pytest.mark.parametrize(
    ("space", "online", "stops"),
    [
        (SPACE, ONLINE, (2, 4, 7, 9, 12)),
        (FIXED, f"{ONLINE}\norder: mixed", (4, 9)),
        (FIXED, f"{ONLINE}\norder: blurry\noverlap: 0.5", (2, 7)),
    ],
    ids=["sequential", "mixed", "blurry"],
)
def test_a_search_that_ends_anywhere_goes_on_to_the_same_journal(
    space: str, online: str, stops: tuple[int, ...], tmp_path: Path
) -> None:
    whole = searched(tmp_path, space, online)
    stream, written = tmp_path / "stream.yaml", tmp_path / "space.yaml"

    class Stop(Exception):
        pass

    for stop in stops:
        heard = 0

        def progress(event: tell.Event, stop: int = stop) -> None:
            nonlocal heard
            heard += 1
            if heard == stop:
                raise Stop

        target = tmp_path / f"run{stop}"
        with pytest.raises(Stop):
            evo_mtl.search(stream, space=str(written), run=target, progress=progress)
        evo_mtl.resume(target)
        assert journal(target) == journal(whole), stop


def test_tasks_that_are_learned_side_by_side_train_the_same_stages(tmp_path: Path) -> None:
    run = searched(tmp_path, FIXED, f"{ONLINE}\norder: mixed")
    rounds = [event for event in history(run / "journal.jsonl") if isinstance(event, Round)]
    together = [event for event in rounds if len(event.races) > 1]
    assert together
    for event in together:
        assert len({race.evaluations[0].trained["stage:2"] for race in event.races}) == 1
        assert len({race.evaluations[0].trained["stage:3"] for race in event.races}) == len(event.races)
    assert len({event.races[0].evaluations[0].trained["stage:2"] for event in rounds}) == len(rounds)
    arrived = [event.task for event in history(run / "journal.jsonl") if isinstance(event, Arrived)]
    assert sorted(arrived) == sorted(TASKS)
    assert all(row["logits_unchanged"] for row in evo_mtl.evaluate(run)["tasks"])


@pytest.mark.parametrize(
    "space",
    [SPACE, FIXED.replace("batch_size:", "average: {values: [0.9], default: 0.9}\n  batch_size:")],
    ids=["several", "averaged"],
)
def test_side_by_side_only_one_that_is_not_averaged_may_follow(space: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"own_from.*mixed"):
        searched(tmp_path, space, f"{ONLINE}\norder: mixed")


def test_offline_the_best_candidate_writes_the_next_version(tmp_path: Path) -> None:
    run = searched(tmp_path, OFFLINE, "")
    state, events = state_of(run), history(run / "journal.jsonl")
    seeds = {
        event.task: event.evaluations[0].candidate.genome
        for event in events
        if isinstance(event, Generation) and event.number == 0
    }
    root = next(iter(state.roots))
    newest = dict(enumerate(state.roots[root].components))
    for event in events:
        if isinstance(event, Found):
            assert seeds[event.task].stages[2].component == newest[2]
            newest |= {int(name.rpartition("/")[2]): one for name, one in event.answer.versions.items()}
    found = evo_mtl.evaluate(run)
    assert sum(row["follows"] for row in found["tasks"])
    assert set(open_run(run)[0].store().digests()) == in_use(state)
    told = [row["validation_quality"] for row in found["tasks"]]
    now = [row["accuracy"] for row in evo_mtl.evaluate(run, split="validation")["tasks"]]
    assert found["forgetting"] == pytest.approx(np.mean(np.subtract(told, now)[:-1]))


@pytest.mark.parametrize(("space", "online"), [(OFFLINE, ""), (FIXED, ONLINE)], ids=["offline", "online"])
def test_from_what_a_private_task_trained_nobody_goes_on(space: str, online: str, tmp_path: Path) -> None:
    stream = write_stream(tmp_path, TASKS[:2], online)
    stream.write_text(stream.read_text().replace("name: bbb,", "name: bbb, private: true,"))
    written = write_space(tmp_path, space)
    with pytest.raises(ConfigError, match=r"task bbb: private: .*own_from"):
        evo_mtl.search(stream, space=str(written), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    overrides = ("stages.own_from=[]", "seeds=[{name: split, open_from: 2}]")
    evo_mtl.search(stream, space=str(written), run=tmp_path / "run", overrides=overrides)


def test_what_changes_others_is_not_offered_and_not_visited_again(tmp_path: Path) -> None:
    run = searched(tmp_path, OFFLINE, "", ("aa",))
    with pytest.raises(RunError, match="own_from"):
        offer(run)
    for again in (
        lambda: evo_mtl.search(
            tmp_path / "stream.yaml", space=str(tmp_path / "space.yaml"), run=run, passes=2
        ),
        lambda: evo_mtl.resume(run, passes=2),
    ):
        with pytest.raises(InputError, match="own_from"):
            again()
