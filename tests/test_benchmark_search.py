"""scripts/benchmark_search on a tiny world: its rows are complete, resumable and right; so are its figures."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evo_mtl.archive.journal import read_journal
from evo_mtl.errors import InputError
from evo_mtl.genome.space import read_space
from evo_mtl.learners.answers import pack, unpack
from evo_mtl.run.config import override
from evo_mtl.testing.worlds import write_space, write_stream
from evo_mtl.training.metrics import score
from tests.scripts import SCRIPTS, load_script

pytestmark = pytest.mark.usefixtures("scripts")


def part(name: str) -> ModuleType:
    return importlib.import_module(f"search.{name}")


def asked(home: Path, *methods: Any, overrides: tuple[str, ...] = ()) -> Any:
    stream, space = write_stream(home, ("t0", "t01")), str(write_space(home))
    return part("asked").Asked(stream, home / "out", space, overrides, methods, (), size=32, grid="1e-3x1")


def method(name: str, seeds: Sequence[int] = (0,), overrides: tuple[str, ...] = (), **more: Any) -> Any:
    return part("methods").Method(name, tuple(seeds), "mu2net", overrides, **more)


def carried_out(what: Any, seconds: float | None = None, until: float | None = None) -> list[dict[str, Any]]:
    """The rows once all pieces were done in this process."""
    place = part("work").Place(what.folder, None, until)
    pieces = part("asked").work(what, what.methods, seconds)
    assert part("carrying_out").do_all(pieces, place, 1) == []
    return part("rows").Rows(what.folder).read()


def without_clock(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    clock = ("cpu_seconds", "seconds")
    plain = [{key: value for key, value in row.items() if key not in clock} for row in rows]
    for row in plain:
        row["no_search"] = {k: v for k, v in row["no_search"].items() if k not in clock}
    return plain


def test_a_search_leaves_a_whole_row_for_each_task_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    what = asked(tmp_path, method("mu2net"))
    rows = carried_out(what)
    assert [(row["method"], row["seed"], row["task"]) for row in rows] == [
        ("mu2net", 0, "t0"),
        ("mu2net", 0, "t01"),
    ]
    for row in rows:
        correct, labels = unpack(row)
        assert row["test"] == np.mean(correct)
        assert len(labels) == 12
        assert row["candidates"] == 6
        assert row["no_search"]["candidates"] == 2
        assert 0 < row["no_search"]["images"] < row["images"]
        assert 0 < row["no_search"]["planned_multiply_adds"] < row["planned_multiply_adds"]
        assert row["cpu_seconds"] > row["no_search"]["cpu_seconds"] > 0
        assert row["no_search"]["chosen"]["candidate"] in ("0/0", "0/1")
    assert carried_out(what) == rows


def test_a_benchmark_that_was_cut_short_goes_on_to_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = carried_out(asked(tmp_path / "whole", method("mu2net")))
    cut = asked(tmp_path / "cut", method("mu2net"))
    place = part("work").Place(cut.folder, None, None)
    (piece,) = part("asked").work(cut, cut.methods)

    searching = part("searching")
    left = [0]

    class Cut(searching._Listener):  # type: ignore[misc, name-defined]
        """Dies when it has heard so much."""

        def __call__(self, event: Any) -> None:
            super().__call__(event)
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

    monkeypatch.setattr(searching, "_Listener", Cut)
    for attempt in range(1, 20):
        left[0] = 4 * attempt
        try:
            searching.do(piece, place, lambda line: None)
            break
        except KeyboardInterrupt:
            pass
    assert 3 < attempt < 19
    rows = part("rows").Rows(cut.folder).read()
    strip = [{k: v for k, v in row.items() if k != "asked"} for row in without_clock(rows)]
    assert strip == [{k: v for k, v in row.items() if k != "asked"} for row in without_clock(whole)]


def test_no_search_is_what_the_seed_candidates_alone_would_have_answered(tmp_path: Path) -> None:
    for name in ("searched", "seeds"):
        (tmp_path / name).mkdir()
    row = carried_out(asked(tmp_path / "searched", method("mu2net")))[0]
    alone = carried_out(asked(tmp_path / "seeds", method("mu2net", overrides=("budget.generations=0",))))[0]
    same = ("validation", "test", "correct", "labels", "added_parameters", "chosen", "images", "candidates")
    assert {key: row["no_search"][key] for key in same} == {key: alone[key] for key in same}


def test_a_budget_in_seconds_ends_a_turn_at_a_generation_and_the_journal_says_so(tmp_path: Path) -> None:
    what = asked(tmp_path, method("mu2net (s)", overrides=("budget.generations=1000",), clocked=True))
    rows = carried_out(what, seconds=1e-9)
    assert [row["candidates"] for row in rows] == [2, 2]
    events = read_journal(what.folder / "runs" / "mu2net_s-s0" / "journal.jsonl")
    stops = [(e.payload["task"], e.payload["number"]) for e in events if e.kind == "clock"]
    assert stops == [("t0", 1), ("t01", 1)]


def test_no_new_task_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    assert carried_out(asked(tmp_path, method("mu2net")), until=0.0) == []


def test_a_seed_changes_the_split_and_is_the_same_split_for_every_method(tmp_path: Path) -> None:
    learner = part("methods").Method("depth_ridge", (0, 1))
    split = part("methods").Method("fixed_split", (0, 1))
    rows = carried_out(asked(tmp_path, method("mu2net", (0, 1)), learner, split))
    data = {(row["method"], row["seed"]): row["data"] for row in rows if row["task"] == "t0"}
    assert len(data) == 6
    for seed in (0, 1):
        assert len({data[name, seed] for name in ("mu2net", "depth_ridge", "fixed_split")}) == 1
    assert data["mu2net", 0] != data["mu2net", 1]


def test_the_fixed_split_states_its_shares_and_both_its_qualities(tmp_path: Path) -> None:
    rows = carried_out(asked(tmp_path, part("methods").Method("fixed_split", (0,))))
    assert len(rows) == 2
    for row in rows:
        assert sum(row["shares"]) == pytest.approx(1)
        assert row["test"] == np.mean(unpack(row)[0])
        assert row["val1"] * len(unpack(row)[1]) in range(
            len(unpack(row)[1]) + 1
        )  # a share of the test images
    assert rows[-1]["val1"] == rows[-1]["test"]  # nothing came after the last task


def test_rows_of_other_options_are_refused_by_name(tmp_path: Path) -> None:
    carried_out(asked(tmp_path, part("methods").Method("depth_ridge", (0,))))
    other = asked(tmp_path, method("depth_ridge"))
    with pytest.raises(InputError, match="another --out"):
        part("command")._missing(part("asked").work(other, other.methods), other)


ROOMY = (
    "mutation={rates: learned, recombination: 0.2, multipath: 0.1}",
    "parents={order: predicted}",
    "rejection={}",
    "stop={gain: 0.001}",
)


@pytest.mark.parametrize(
    "name",
    [
        "adapters",
        "closed_form",
        "augmentation",
        "learned_rates",
        "looks",
        "multipath",
        "recombination",
        "rejection",
        "stop",
        "taps",
        "transfer_prior",
    ],
)
def test_a_part_is_taken_out_of_a_space_once_and_for_all(name: str, tmp_path: Path) -> None:
    methods = part("methods")
    assert name in methods.ABLATIONS
    space = override(read_space("small"), ROOMY)
    left_out = methods.ablated(space, name)
    assert left_out
    rest = override(space, left_out)
    assert rest != space
    assert methods.ablated(rest, name) == ()


def test_what_is_left_out_is_out(tmp_path: Path) -> None:
    methods = part("methods")
    space = override(read_space("small"), ROOMY)
    rest = {name: override(space, methods.ablated(space, name)) for name in methods.ABLATIONS}
    assert rest["taps"].taps.stages == "last"
    assert {(seed.taps, seed.grids) for seed in rest["taps"].seeds} == {("last", (1,))}
    assert rest["closed_form"].heads == ("linear",)
    assert {seed.head for seed in rest["closed_form"].seeds} == {"linear"}
    assert rest["closed_form"].hyperparameters["head_start"].values == ("zero",)
    assert rest["augmentation"].hyperparameters["views"].values == (1,)
    assert rest["augmentation"].hyperparameters["crop_area_min"].values == (1.0,)
    assert rest["learned_rates"].mutation.recombination == 0.2
    assert rest["looks"].looks is None
    assert rest["transfer_prior"].looks.parents == 0


def test_a_part_that_a_space_does_not_have_is_nothing_to_take_out() -> None:
    assert part("methods").ablated(read_space("small"), "stop") == ()


def test_an_unknown_part_is_refused_with_a_near_one() -> None:
    with pytest.raises(InputError, match='did you mean "taps"'):
        part("methods").ablated(read_space("small"), "tapes")


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.01, 0.03, 0.02, 0.05]
    found = part("intervals").over_seeds(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high, found.count) == (pytest.approx(low), pytest.approx(high), 4)


def test_one_seed_has_a_mean_and_no_interval() -> None:
    found = part("intervals").over_seeds([0.5])
    assert (found.mean, found.known, found.count) == (0.5, False, 1)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_difference_seen_is_that_of_the_metric(metric: str, rng: np.random.Generator) -> None:
    intervals = part("intervals")
    labels = rng.choice(3, 200, p=[0.8, 0.15, 0.05])
    first, second = rng.random((2, 200)) < [[0.8], [0.6]]
    wrong = (labels + 1) % 3
    expected = score(metric, np.where(first, labels, wrong), labels) - score(
        metric, np.where(second, labels, wrong), labels
    )
    found = intervals.over_images_and_seeds([intervals.Pair(first, second, labels)], metric, rng)
    assert found.mean == pytest.approx(expected)
    assert found.low < expected < found.high


def test_the_bootstrap_covers_the_true_difference_about_as_often_as_it_says() -> None:
    intervals = part("intervals")
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        labels = np.zeros(150, np.int64)
        pair = intervals.Pair(rng.random(150) < 0.8, rng.random(150) < 0.7, labels)
        found = intervals.over_images_and_seeds([pair], "accuracy", rng, draws=300)
        covered += found.low <= 0.1 <= found.high
    assert 0.90 <= covered / 200 <= 0.985


def test_seeds_that_disagree_widen_the_interval(rng: np.random.Generator) -> None:
    intervals = part("intervals")
    labels = np.zeros(400, np.int64)
    better = intervals.Pair(np.arange(400) % 10 > 0, np.arange(400) % 10 > 3, labels)
    worse = intervals.Pair(better.second, better.first, labels)
    agree = intervals.over_images_and_seeds([better] * 4, "accuracy", rng)
    differ = intervals.over_images_and_seeds([better, worse] * 2, "accuracy", rng)
    assert differ.high - differ.low > 3 * (agree.high - agree.low)


def made(
    name: str, seed: int, task: str, right: int, validation: float | None = None, **more: Any
) -> dict[str, Any]:
    """A row of 200 images of which so many were answered rightly."""
    labels = np.zeros(200, np.int64)
    answers = (np.arange(200) >= right).astype(int)
    return {
        "method": name,
        "seed": seed,
        "task": task,
        "asked": "",
        "metric": "accuracy",
        "test": right / 200,
        "validation": right / 200 if validation is None else validation,
        "added_parameters": 10,
        "trunk_parameters": 100,
        "cpu_seconds": 5.0,
        "seconds": 5.0,
        "no_search": None,
        **pack(answers, labels),
        **more,
    }


def results(rows: Sequence[Mapping[str, Any]], *tasks: str) -> Any:
    return part("results").Results(rows, tasks, "mu2net_plus")


def test_a_difference_rests_on_seeds_that_have_every_task_of_both() -> None:
    rows = [made("mu2net_plus", seed, task, 180 + seed) for seed in range(4) for task in "ab"]
    rows += [made("random", seed, task, 170) for seed in range(3) for task in "ab"]
    rows += [made("random", 3, "a", 0)]
    found = results(rows, "a", "b").difference("mu2net_plus", "random")
    assert found.interval.count == 3
    assert found.num_tasks == 2
    assert found.interval.mean == pytest.approx(np.mean([10, 11, 12]) / 200)


def test_before_any_seed_is_whole_the_tasks_that_are_there_are_compared_and_counted() -> None:
    rows = [made("mu2net_plus", 0, task, 180) for task in "ab"] + [made("random", 0, "a", 170)]
    found = results(rows, "a", "b").difference("mu2net_plus", "random")
    assert (found.num_tasks, found.interval.count, found.interval.known) == (1, 1, False)


def test_the_best_baseline_is_chosen_on_validation_and_not_on_test() -> None:
    rows = [made("mu2net_plus", 0, "a", 150), made("probe", 0, "a", 190, validation=0.5)]
    rows += [made("fine_tuning", 0, "a", 160, validation=0.9)]
    found = results(rows, "a")
    assert found.row("best baseline", (0, "a"))["method"] == "fine_tuning"
    assert found.chosen_baselines("a") == {"fine_tuning": 1}


def verdict(rows: Sequence[Mapping[str, Any]], words: str, *tasks: str) -> str:
    (line,) = [
        line for line in part("verdicts").verdicts(results(rows, *tasks)).splitlines() if words in line
    ]
    return str(line[:8]).strip()


@pytest.mark.parametrize(
    ("others", "expected"), [([170, 171, 172], "met"), ([170, 199, 150], "NOT MET"), ([170], "open")]
)
def test_above_random_is_met_only_if_the_interval_is_without_0(others: list[int], expected: str) -> None:
    rows = [made("mu2net_plus", seed, "a", 180) for seed in range(3)]
    rows += [made("random", seed, "a", right) for seed, right in enumerate(others)]
    assert verdict(rows, "mu2net_plus above random", "a") == expected


@pytest.mark.parametrize(("right", "expected"), [(180, "met"), (196, "met"), (199, "met"), (120, "NOT MET")])
def test_a_task_wholly_more_than_a_point_below_the_best_baseline_is_named(right: int, expected: str) -> None:
    rows = [made("mu2net_plus", seed, "a", right) for seed in range(2)]
    rows += [made("probe", seed, "a", 190 if right == 120 else 180) for seed in range(2)]
    assert verdict(rows, "no task wholly", "a") == expected
    table = part("tables").everything(results(rows, "a"), as_markdown=False)
    assert ("BELOW" in table) == (expected == "NOT MET")


@pytest.mark.parametrize(("added", "expected"), [(24, "met"), (25, "NOT MET")])
def test_parameters_added_are_counted_as_a_share_of_the_trunk(added: int, expected: str) -> None:
    assert (
        verdict([made("mu2net_plus", 0, "a", 180, added_parameters=added)], "added a task", "a") == expected
    )


def test_a_table_in_markdown_has_the_same_number_of_cells_in_every_line() -> None:
    rows = [made(name, seed, "a", 180) for name in ("mu2net_plus", "random", "probe") for seed in range(2)]
    text = part("tables").everything(results(rows, "a"), as_markdown=True)
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) >= 3
    for block in blocks:
        assert len({line.count("|") for line in block}) == 1


def script() -> ModuleType:
    return load_script("benchmark_search")


def run_here(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    return script().main([*arguments, "--processes", "1"]), capsys.readouterr().out


def run_as_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    command = [sys.executable, str(SCRIPTS / "benchmark_search"), *arguments, "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout


@pytest.mark.parametrize("run", [run_here, pytest.param(run_as_command, marks=pytest.mark.slow)])
def test_the_command_does_what_is_asked_and_prints_tables_and_verdicts(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, space = write_stream(tmp_path, ("t0",)), write_space(tmp_path)
    common = ["--tasks", stream, "--out", tmp_path / "out", "--space", space, "--main", "mu2net"]
    options = ["--algorithms", "mu2net", "--baselines", "depth_ridge", "--seeds", "0", "--size", 32]
    status, printed = run([str(one) for one in (*common, *options, "--markdown")], capsys)
    assert status == 0
    assert "| mu2net | 1 |" in printed
    assert "What was expected" in printed
    rows = (tmp_path / "out" / "rows.jsonl").read_text().splitlines()
    assert {json.loads(line)["method"] for line in rows} == {"mu2net", "depth_ridge"}


@pytest.mark.parametrize(
    "wrong",
    [
        ("--algorithms", "mu3net"),
        ("--baselines", "prob"),
        ("--seeds", "a"),
        ("--seconds", "soon"),
        ("--ablations", "tapes"),
        ("--algorithms", "random:9"),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_option(wrong: tuple[str, str], tmp_path: Path) -> None:
    stream, space = write_stream(tmp_path, ("t0",)), write_space(tmp_path)
    module = script()
    common = ["--tasks", str(stream), "--out", str(tmp_path), "--space", str(space), "--main", "mu2net"]
    options = module.parser().parse_args([*common, "--algorithms", "random", *wrong])
    with pytest.raises(InputError) as caught:
        part("command").read(options)
    assert wrong[0] in str(caught.value)
