"""The online regime: one pass, one race a task, and a journal that does not depend on crashes or threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import evo_mtl
from evo_mtl.errors import ConfigError, InputError, RunError
from evo_mtl.run import progress as tell
from evo_mtl.run.events import Arrived, Found, Round
from evo_mtl.run.folder import open_run
from evo_mtl.testing.worlds import ONLINE_SPACE, coloured, living, write_space, write_stream
from tests.worlds import events, journal

ONLINE = "regime: online\nbatch_size: 8\nleast_aggregate: 4"


def online_stream(folder: Path, names: tuple[str, ...] = ("aa", "bbb"), online: str = ONLINE) -> Path:
    return write_stream(folder, names, online)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A stream, a space and a whole run."""
    folder = tmp_path_factory.mktemp("online")
    stream, space = online_stream(folder), write_space(folder, ONLINE_SPACE)
    evo_mtl.search(stream, space=str(space), run=folder / "run")
    return stream, space, folder / "run"


def test_every_example_is_raced_on_once_and_every_task_archived(world: tuple[Path, Path, Path]) -> None:
    _, _, run = world
    arrived = {event.task: event.data for event in events(run, Arrived)}
    last = {race.task: race for event in events(run, Round) for race in event.races}
    assert {name: race.examples for name, race in last.items()} == {
        name: data.num_train for name, data in arrived.items()
    }
    assert [event.task for event in events(run, Found)] == ["aa", "bbb"]
    for race in last.values():
        assert race.over
        assert not race.born
        assert not race.left
        seen = {tally.candidate: tally.examples for tally in race.tallies}
        assert max(seen.values()) == race.examples
        assert 0 <= race.right <= race.examples


def test_the_population_is_filled_with_children_that_inherit(world: tuple[Path, Path, Path]) -> None:
    _, _, run = world
    rounds = events(run, Round)
    born = [one for event in rounds for race in event.races for one in race.born]
    assert born
    trained = {
        digest
        for event in rounds
        for race in event.races
        for one in race.evaluations
        for digest in one.trained.values()
    }
    assert any(one.genome.components & trained for one in born)


def test_nothing_but_what_routes_need_stays(world: tuple[Path, Path, Path]) -> None:
    _, _, run = world
    folder, _, state = open_run(run)
    assert set(folder.store().digests()) == living(state)
    assert state.position.over == ()
    assert not state.rounds


def test_it_is_evaluated_and_predicts(world: tuple[Path, Path, Path]) -> None:
    _, _, run = world
    found = evo_mtl.evaluate(run)
    assert [row["name"] for row in found["tasks"]] == ["aa", "bbb"]
    assert all(row["logits_unchanged"] for row in found["tasks"])
    answer = evo_mtl.load(run).predict(np.zeros((2, 16, 16, 3), np.uint8), task="aa")
    assert answer.probabilities.shape == (2, 2)


def test_threads_change_nothing(world: tuple[Path, Path, Path], tmp_path: Path) -> None:
    stream, space, run = world
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run", workers=3)
    assert journal(tmp_path / "run") == journal(run)


def test_a_search_that_ends_anywhere_goes_on_to_the_same_journal(
    world: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Stopped at each report in turn, which is between any two commits."""
    stream, space, run = world
    told = 0

    class Stop(Exception):
        pass

    for stop in range(1, 12):
        heard = 0

        def progress(event: tell.Event, stop: int = stop) -> None:
            nonlocal heard, told
            heard += 1
            told += 1
            if heard == stop:
                raise Stop

        target = tmp_path / f"run{stop}"
        try:
            evo_mtl.search(stream, space=str(space), run=target, progress=progress)
        except Stop:
            evo_mtl.resume(target)
        assert journal(target) == journal(run), stop


@pytest.mark.slow
def test_a_killed_race_resumes_to_the_same_journal(world: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Twenty times ``kill -9``, at moments spread over a whole run."""
    stream, space, run = world
    command = [sys.executable, "-m", "evo_mtl", "search", "--tasks", str(stream), "--space", str(space)]
    begun = time.monotonic()
    subprocess.run([*command, "--run", str(tmp_path / "whole"), "--quiet"], check=True)
    seconds = time.monotonic() - begun
    for number in range(20):
        target = tmp_path / f"run{number}"
        process = subprocess.Popen([*command, "--run", str(target), "--quiet"])
        time.sleep(seconds * (0.5 + 0.5 * number / 20))
        process.send_signal(signal.SIGKILL)
        process.wait()
        subprocess.run([*command, "--run", str(target), "--quiet"], check=True)
        assert journal(target) == journal(run), number


def test_a_later_task_leaves_the_answers_of_an_earlier_one(tmp_path: Path) -> None:
    space = write_space(tmp_path, ONLINE_SPACE)
    stream = online_stream(tmp_path, ("aa",))
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run")
    before = evo_mtl.load(tmp_path / "run").fingerprint("aa")
    online_stream(tmp_path, ("aa", "bbb"))
    evo_mtl.resume(tmp_path / "run")
    assert evo_mtl.load(tmp_path / "run").fingerprint("aa") == before
    assert set(open_run(tmp_path / "run")[2].routes) == {"aa", "bbb"}


def test_rows_of_numbers_are_raced_on_and_classes_may_come_in_sessions(tmp_path: Path) -> None:
    """Wine's three classes in two sessions (Si-Blurry), on the trunk for vectors."""
    space = write_space(
        tmp_path,
        "name: rows\n"
        "trunk: {name: vector, weights: random, input: vector}\n"
        "stages: {boundaries: [0, 1], depths: [], clone: true}\n"
        "taps: {stages: all, grids: [1]}\n"
        "adapters: {insert: false}\n"
        "heads: [linear, ridge, slda, nearest_mean, projected_ridge]\n"
        "hyperparameters: {projection_width: {values: [64], default: 64}}\n"
        "race: {population: 6, age: 32, every: 2, window: 32}\n"
        "seeds:\n"
        + "".join(
            f"  - {{name: {head}, taps: last, head: {head}}}\n"
            for head in ("ridge", "slda", "nearest_mean", "projected_ridge", "linear")
        ),
    )
    stream = tmp_path / "stream.yaml"
    stream.write_text(
        "name: s\nregime: online\nbatch_size: 16\nleast_aggregate: 4\norder: blurry\nsessions: 2\n"
        'tasks: [{name: wine, source: "sklearn:wine"}]\n'
    )
    run = evo_mtl.search(stream, space=str(space), run=tmp_path / "run")
    assert run.evaluate()["tasks"][0]["accuracy"] > 0.85


@pytest.mark.parametrize("order", ["mixed", "blurry"])
def test_tasks_may_come_mixed(tmp_path: Path, order: str) -> None:
    space = write_space(tmp_path, ONLINE_SPACE)
    stream = online_stream(tmp_path, online=f"{ONLINE}\norder: {order}")
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run")
    rounds = events(tmp_path / "run", Round)
    assert {len(event.races) for event in rounds} >= {2}
    assert set(open_run(tmp_path / "run")[2].routes) == {"aa", "bbb"}


def test_random_replacement_is_the_control(tmp_path: Path) -> None:
    space, stream = write_space(tmp_path, ONLINE_SPACE), online_stream(tmp_path)
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run", algorithm="random")
    rounds = events(tmp_path / "run", Round)
    born = [one for event in rounds for race in event.races for one in race.born]
    assert born
    assert all(one.parent is None for one in born)


def test_a_task_of_a_stream_has_no_limit_of_its_own(tmp_path: Path) -> None:
    space, stream = write_space(tmp_path, ONLINE_SPACE), online_stream(tmp_path)
    with pytest.raises(InputError, match="--per-task: a task of a stream lasts as long as its examples come"):
        evo_mtl.search(stream, space=str(space), run=tmp_path / "run", minutes_per_task=1.0)
    assert not (tmp_path / "run").exists()


def test_a_limit_by_the_clock_ends_the_stream_with_routes(tmp_path: Path) -> None:
    space, stream = write_space(tmp_path, ONLINE_SPACE), online_stream(tmp_path)
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run", minutes=0.0)
    state = open_run(tmp_path / "run")[2]
    assert list(state.routes) == ["aa"]
    assert state.position.stopped
    before = journal(tmp_path / "run")
    evo_mtl.resume(tmp_path / "run")
    assert journal(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  repeats: {values: [1, 2], default: 1}", "  epochs: {values: [1, 2], default: 1}", "epochs"),
        ("race:", "looks: {sizes: [24]}\nrace:", "looks"),
        ("race:", "stop: {gain: 0.1}\nrace:", "stop"),
        ("race:", "budget: {images: 10}\nrace:", "budget: images"),
        ("race:", "mutation: {multipath: 0.5, paths: 2}\nrace:", "mutation: multipath"),
        ("race:", "mutation: {restart: 0.5}\nrace:", "mutation: restart"),
        ("population: 4", "population: 1", "race: population"),
    ],
)
def test_a_space_that_needs_a_second_pass_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    space, stream = write_space(tmp_path, ONLINE_SPACE.replace(old, new, 1)), online_stream(tmp_path)
    with pytest.raises(ConfigError, match=said):
        evo_mtl.search(stream, space=str(space), run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_only_a_stream_has_is_refused_offline(tmp_path: Path) -> None:
    space, stream = write_space(tmp_path, ONLINE_SPACE), write_stream(tmp_path, ["aa"])
    with pytest.raises(ConfigError, match="repeats"):
        evo_mtl.search(stream, space=str(space), run=tmp_path / "run")


def test_what_needs_examples_again_is_refused_for_an_online_run(world: tuple[Path, Path, Path]) -> None:
    from evo_mtl.searching.offers import offer

    with pytest.raises(RunError, match="online"):
        offer(world[2])
    with pytest.raises(InputError, match="online"):
        evo_mtl.evaluate(world[2], split="validation")


def test_what_a_race_does_not_have_is_refused(world: tuple[Path, Path, Path], tmp_path: Path) -> None:
    stream, space, run = world
    with pytest.raises(InputError, match="optuna"):
        evo_mtl.search(stream, space=str(space), run=tmp_path / "run", optuna_storage="sqlite:///a.db")
    with pytest.raises(InputError, match="passes"):
        evo_mtl.resume(run, passes=2)
    assert not (tmp_path / "run").exists()


def test_data_that_changed_are_refused(tmp_path: Path) -> None:
    space, stream = write_space(tmp_path, ONLINE_SPACE), online_stream(tmp_path, ("aa",))
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run")
    held = np.load(tmp_path / "aa.npz")
    changed = {**held, "images": 255 - held["images"]}
    np.savez(tmp_path / "aa.npz", **changed)
    with pytest.raises(RunError, match="changed"):
        evo_mtl.resume(tmp_path / "run")
    assert json.loads(journal(tmp_path / "run").splitlines()[-1])["kind"] == "route"
    assert os.path.exists(tmp_path / "run" / "run.yaml")


def test_a_dry_run_tells_what_a_race_would_cost(tmp_path: Path) -> None:
    from evo_mtl.run.config import make_config
    from evo_mtl.run.folder import RunFolder
    from evo_mtl.searching.estimate import estimate

    space, stream = write_space(tmp_path, ONLINE_SPACE), online_stream(tmp_path)
    found = estimate(RunFolder(tmp_path / "run"), make_config(stream, str(space)))
    assert [row["candidates"] for row in found["tasks"]] == [4, 4]
    assert all(row["images"] >= 4 * row["num_train"] for row in found["tasks"])
    assert not (tmp_path / "run").exists()


def test_boundaries_that_are_not_told_are_found(tmp_path: Path) -> None:
    """Two tasks of other colours: each gets an end of its own, and a killed run goes on the same."""
    space = write_space(tmp_path, ONLINE_SPACE)
    images, labels = coloured(200, 2, 0)
    for name, pictures in (("dark", images // 4), ("light", 255 - images // 4)):
        np.savez(
            tmp_path / f"{name}.npz",
            images=pictures[:160],
            labels=labels[:160],
            test_images=pictures[160:],
            test_labels=labels[160:],
        )
    stream = online_stream(
        tmp_path, ("dark", "light"), "regime: online\nbatch_size: 16\nleast_aggregate: 4\nboundaries: found"
    )
    run = tmp_path / "run"
    evo_mtl.search(stream, space=str(space), run=run)
    state = open_run(run)[2]
    assert list(state.routes) == ["found-1", "found-2"]
    origins = [dict(state.answer(name).streamed.origins) for name in state.routes]  # type: ignore[union-attr]
    assert origins == [{"dark": 160}, {"light": 160}]
    rows = evo_mtl.evaluate(run)["tasks"]
    assert [(row["name"], row["answered_by"]) for row in rows] == [("dark", "found-1"), ("light", "found-2")]
    assert [row["name"] for row in evo_mtl.evaluate(run, ["light"])["tasks"]] == ["light"]
    with pytest.raises(InputError, match="dark"):
        evo_mtl.evaluate(run, ["drak"])

    heard = 0

    def progress(event: tell.Event) -> None:
        nonlocal heard
        heard += 1
        if heard in (4, 9):
            raise KeyboardInterrupt

    again = tmp_path / "again"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            evo_mtl.search(stream, space=str(space), run=again, progress=progress)
    evo_mtl.resume(again)
    assert journal(again) == journal(run)


def test_a_head_that_may_not_be_written_does_not_lead_at_the_end(tmp_path: Path) -> None:
    """Fewer examples of every class than an aggregate has: a solved head would know none of them."""
    space = write_space(tmp_path, ONLINE_SPACE)
    stream = online_stream(tmp_path, ("aa",), "regime: online\nbatch_size: 8\nleast_aggregate: 40")
    evo_mtl.search(stream, space=str(space), run=tmp_path / "run")
    assert open_run(tmp_path / "run")[2].answer("aa").way.genome.head.kind == "linear"


@pytest.mark.parametrize("widest", [1, 100_000])
def test_children_with_solved_heads_begin_no_wide_sums(tmp_path: Path, widest: int) -> None:
    """Where they may be wide some do begin sums of their own: it is the bound that holds them back."""
    text = ONLINE_SPACE.replace("every: 2", f"every: 1, widest: {widest}").replace(
        "population: 4", "population: 12"
    )
    space = write_space(tmp_path, text.replace("heads: [linear, ridge]", "heads: [ridge, slda]"))
    evo_mtl.search(online_stream(tmp_path, ("aa",)), space=str(space), run=tmp_path / "run")
    races = [race for event in events(tmp_path / "run", Round) for race in event.races]
    summed = set(races[0].evaluations[0].candidate.genome.taps)
    solved = [one.genome for race in races for one in race.born if not one.genome.head.trained]
    assert solved
    assert all(set(genome.taps) <= summed for genome in solved) == (widest == 1)
