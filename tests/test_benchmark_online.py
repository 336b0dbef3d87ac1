"""scripts/benchmark_online without a search: streams, resumed rows, costs of processes, intervals, tables."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from evo_mtl.errors import InputError
from evo_mtl.genome.one_pass import unfit_offline, unfit_online
from evo_mtl.streams.config import read_stream
from tests.scripts import SCRIPTS, load_script

SETS = ("one", "two", "three")

pytestmark = pytest.mark.usefixtures("scripts")


def part(name: str) -> ModuleType:
    return importlib.import_module(f"online.{name}")


def script() -> ModuleType:
    return load_script("benchmark_online")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Zips that nobody opens."""
    for name in SETS:
        (tmp_path / f"{name}.zip").write_bytes(b"")
    return tmp_path


def asked(data: Path, **more: Any) -> Any:
    """Two searches and an offline one of three sets."""
    methods = part("methods").read_methods(
        "", ["main: small", "ridge: small --set budget.children=1", "ceiling: small --regime offline"]
    )
    usual = {"orders": ("sequential",), "permutations": 1, "seeds": (0,), "methods": methods, "limit": 40}
    return part("asked").Asked(data / "out", data, SETS, **{**usual, **more})


class Pretended:
    """Runs no command; says what it was asked for."""

    def __init__(self, fail: Callable[[Sequence[str]], bool] = lambda words: False) -> None:
        self.asked: list[list[str]] = []
        self._fail = fail

    def __call__(self, words: Sequence[str], log: Path) -> Any:
        self.asked.append(list(words))
        ran = part("running").Ran
        if self._fail(words):
            return ran(2, "", "error: it failed", 1.0, 1.0, 1)
        out = {"search": "", "evaluate": json.dumps(EVALUATED), "show": json.dumps(SHOWN)}[words[0]]
        return ran(0, out, "", 7.0, {"search": 5.0}.get(words[0], 1.0), 800_000_000)

    @property
    def runs(self) -> list[str]:
        """Folders that were searched in."""
        return [Path(words[words.index("--run") + 1]).name for words in self.asked if words[0] == "search"]


EVALUATED = {
    "tasks": [
        {
            "name": name,
            "metric": "balanced_accuracy",
            "accuracy": 0.1,
            "balanced_accuracy": 0.5 + i / 10,
            "prequential": 0.4,
            "logits_unchanged": True,
            "added_parameters": 10,
        }
        for i, name in enumerate(SETS)
    ],
    "forgetting": 0.0,
    "undefined": {},
    "definitions": {
        "average_accuracy": "average_accuracy/x: mean",
        "forgetting": "forgetting/y: lost",
        "a": "b",
    },
    "total_parameters": 130,
    "trunk_parameters": 100,
}
SHOWN = {"tasks": [{"num_train": 30, "num_validation": 4} for _ in SETS]}


def rows(what: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in part("command").rows(what)]


def test_a_run_leaves_a_row_with_what_it_reached_and_what_it_took(data: Path) -> None:
    what, run = asked(data), Pretended()
    assert part("command").carry_out(what, 1, run=run) == []
    first, _, ceiling = rows(what)
    assert (first["method"], first["order"], first["permutation"], first["seed"]) == (
        "main",
        "sequential",
        0,
        0,
    )
    assert {name: one["accuracy"] for name, one in first["sets"].items()} == {
        "one": 0.5,
        "two": 0.6,
        "three": 0.7,
    }
    assert first["sets"]["one"]["prequential"] == 0.4
    assert (first["cpu_seconds"], first["seconds"], first["peak_memory"]) == (5.0, 7.0, 800_000_000)
    assert first["added_parameters"] == 30
    assert first["definitions"] == {
        key: EVALUATED["definitions"][key] for key in ("average_accuracy", "forgetting")
    }
    assert (first["stored_examples"], ceiling["stored_examples"]) == (0, 3 * 34)
    assert ceiling["order"] == "offline"


def test_every_run_is_searched_evaluated_and_shown_as_a_user_would(data: Path) -> None:
    what, run = asked(data), Pretended()
    part("command").carry_out(what, 1, run=run)
    search, evaluate, show = run.asked[3:6]
    folder = data / "out"
    assert search == [
        *("search", "--tasks", str(folder / "streams" / "sequential-p0-s0.yaml"), "--space", "small"),
        *("--set", "budget.children=1", "--seed", "0"),
        *("--run", str(folder / "runs" / "ridge-sequential-p0-s0"), "--quiet"),
    ]
    assert evaluate == ["evaluate", search[-2], "--json"]
    assert show == ["show", search[-2], "--json"]


def test_streams_are_online_in_their_order_and_the_ceilings_is_offline(data: Path) -> None:
    what = asked(data, orders=("sequential", "mixed"), permutations=2, seeds=(3,), batch_size=32)
    streams = {piece.name: read_stream(piece.stream) for piece in part("asked").work(what)}
    assert len(streams) == 2 * 2 * 2 + 1
    mixed = streams["main-mixed-p1-s3"]
    assert (mixed.regime, mixed.order, mixed.batch_size) == ("online", "mixed", 32)
    assert sorted(task.name for task in mixed.tasks) == sorted(SETS)
    for task in mixed.tasks:
        assert (task.limit, task.seed, task.source) == (40, 3, f"folder:{data / task.name}.zip")
    ceiling = streams["ceiling-offline-p0-s3"]
    assert (ceiling.regime, [task.name for task in ceiling.tasks]) == ("offline", list(SETS))


def test_more_keys_reach_online_streams_alone(data: Path) -> None:
    what = asked(data, keys=("batch_size=7",))
    streams = [read_stream(piece.stream) for piece in part("asked").work(what)]
    assert [stream.batch_size for stream in streams] == [7, 7, 256]


def test_permutations_are_all_different_and_always_the_same() -> None:
    permuted = part("asked").permuted
    names = tuple("abcdefgh")
    found = [permuted(names, i) for i in range(4)]
    assert found[0] == names
    assert len(set(found)) == 4
    assert found == [permuted(names, i) for i in range(4)]


def test_what_was_stopped_goes_on_and_what_is_done_is_not_done_again(data: Path) -> None:
    what, run = asked(data, seeds=(0, 1)), Pretended()

    def stopped(words: Sequence[str], log: Path) -> Any:
        if "ridge-sequential-p0-s1" in str(log):
            raise KeyboardInterrupt
        return run(words, log)

    with pytest.raises(KeyboardInterrupt):
        part("command").carry_out(what, 1, run=stopped)
    assert run.runs == [
        f"{name}-p0-s0" for name in ("main-sequential", "ridge-sequential", "ceiling-offline")
    ] + ["main-sequential-p0-s1"]
    again = Pretended()
    half = data / "out" / "runs" / "ridge-sequential-p0-s1"
    half.mkdir(parents=True)
    (half / "journal.jsonl").write_text("begun")
    part("command").carry_out(what, 1, run=again)
    assert again.runs == ["ridge-sequential-p0-s1", "ceiling-offline-p0-s1"]
    assert not half.exists()  # begun anew, so that its costs are whole
    assert len(rows(what)) == 6
    assert part("command").missing(what) == []


def test_several_runs_at_a_time_leave_the_same_rows(data: Path) -> None:
    what = asked(data, seeds=(0, 1, 2))
    part("command").carry_out(what, 3, run=Pretended())
    assert len({tuple(row[key] for key in part("results").IDENTITY) for row in rows(what)}) == 9


def test_nothing_is_begun_when_the_time_is_over(data: Path) -> None:
    run = Pretended()
    assert part("command").carry_out(asked(data), 1, until=0.0, run=run) == []
    assert run.asked == []


@pytest.mark.parametrize("more", [{"limit": 41}, {"batch_size": 8}, {"keys": ("batch_size=9",)}])
def test_rows_that_were_asked_for_otherwise_are_refused(data: Path, more: dict[str, Any]) -> None:
    part("command").carry_out(asked(data), 1, run=Pretended())
    with pytest.raises(InputError, match="asked for with other sets, keys or space; use another --out"):
        part("command").missing(asked(data, **more))


def test_a_method_with_something_else_set_is_refused_too(data: Path) -> None:
    what = asked(data)
    part("command").carry_out(what, 1, run=Pretended())
    changed = replace(what, methods=tuple(m.with_set(["budget.generations=1"]) for m in what.methods))
    with pytest.raises(InputError, match="other sets, keys or space"):
        part("command").missing(changed)


def test_a_run_that_fails_is_named_and_the_others_have_rows(data: Path) -> None:
    what = asked(data)
    failures = part("command").carry_out(what, 1, run=Pretended(lambda words: "budget.children=1" in words))
    assert [str(one) for one in failures] == ["ridge-sequential-p0-s0: evo-mtl search: error: it failed"]
    assert [row["method"] for row in rows(what)] == ["main", "ceiling"]


def test_a_set_that_is_not_there_is_named(data: Path) -> None:
    with pytest.raises(InputError, match=r"no four\.zip"):
        part("asked").work(replace(asked(data), sets=("one", "four")))


def test_a_command_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    found = part("running").measured(["spaces", "list", "--json"], tmp_path / "logs" / "a")
    assert found.status == 0
    assert "small" in json.dumps(json.loads(found.out))
    assert found.cpu > 0.05
    assert found.peak > 10_000_000
    wrong = part("running").measured(["spaces", "check", "nonsense"], tmp_path / "logs" / "b-2.4-x")
    assert wrong.status == 2
    assert "nonsense" in wrong.said
    names = {path.name for path in (tmp_path / "logs").iterdir()}
    assert names == {"a.out", "a.err", "b-2.4-x.out", "b-2.4-x.err"}


@pytest.mark.parametrize(
    ("names", "more", "said"),
    [
        ("onlin", [], 'did you mean "online"'),
        ("online,online", [], "'online' is there twice"),
        ("online", ["online: small"], "'online' is there twice"),
        ("", [], "expected at least one"),
        ("", ["wide"], "expected NAME: SPACE"),
        ("", ["wide: small --colour red"], "expected NAME: SPACE"),
        ("", ["wide: small --set"], "expected NAME: SPACE"),
        ("", ["wide: small 'open"], "expected NAME: SPACE"),
        ("", ["wide: small --regime sometimes"], "a regime online or offline"),
    ],
)
def test_a_method_that_cannot_be_read_is_refused(names: str, more: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        part("methods").read_methods(names, more)


KNOWN = ("online", "random", "depth_ridge", "slda", "ncm", "fine_tuning", "fixed_split", "offline")


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_method_can_be_searched_in_its_regime(name: str) -> None:
    (method,) = part("methods").read_methods(name)
    space = method.resolved()
    assert set(part("methods").KNOWN) == set(KNOWN)
    for order in ("sequential", "mixed", "blurry"):
        assert (unfit_offline(space) if method.regime == "offline" else unfit_online(space, order)) is None
    if name in ("depth_ridge", "slda", "ncm", "fine_tuning", "fixed_split"):
        assert [seed.name for seed in space.seeds] == [name]
        assert space.race.population == 1  # so nobody is ever born


def test_a_method_told_in_full_has_its_space_algorithm_and_settings() -> None:
    (found,) = part("methods").read_methods(
        "", ["x: small --algorithm random --set budget.children=3 --set 'heads=[linear, ridge]'"]
    )
    assert found.options() == [
        *("--space", "small", "--algorithm", "random"),
        *("--set", "budget.children=3", "--set", "heads=[linear, ridge]"),
    ]
    space = found.resolved()
    assert (space.algorithm, space.budget.children, space.heads) == ("random", 3, ("linear", "ridge"))
    with pytest.raises(InputError, match="unknown"):
        replace(found, algorithm="rndom").resolved()


def test_the_bootstrap_is_what_drawing_sets_and_repeats_anew_gives(rng: np.random.Generator) -> None:
    gains = rng.normal(0.02, 0.05, (3, 8))
    found = part("results").over_sets_and_seeds(gains, rng, draws=20_000)
    drawn = [gains[rng.integers(3, size=3)][:, rng.integers(8, size=8)].mean() for _ in range(20_000)]
    assert found.mean == pytest.approx(gains.mean())
    assert (found.low, found.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=2e-3)
    assert found.count == 3


def test_what_there_is_one_of_is_not_drawn_anew(rng: np.random.Generator) -> None:
    draw = part("results").over_sets_and_seeds
    alone = draw(np.array([[0.25]]), rng)
    assert (alone.mean, alone.known, alone.count) == (0.25, False, 1)
    assert draw(np.zeros((0, 3)), rng).count == 0
    equal = draw(np.full((1, 5), 0.1), rng)
    assert (equal.low, equal.high) == pytest.approx((0.1, 0.1))
    assert draw(np.array([[0.0, 0.2]]), rng).low == 0.0


def made(method: str, accuracies: Sequence[float], order: str = "sequential", **more: Any) -> dict[str, Any]:
    """A row of sets a, b, ..."""
    sets = {
        name: {"accuracy": one, "prequential": one - 0.1, "logits_unchanged": True, "added_parameters": 5}
        for name, one in zip("abc", accuracies)
    }
    return {
        **{"method": method, "order": order, "permutation": 0, "seed": 0, "asked": "", "sets": sets},
        **{"forgetting": 0.0, "stored_examples": 0, "added_parameters": 2_000_000},
        **{"cpu_seconds": 60.0, "peak_memory": 9e8, "definitions": {}, **more},
    }


def results(found: Sequence[dict[str, Any]], sets: str = "ab") -> Any:
    return part("results").Results(found, tuple(sets), "online")


def lines(text: str) -> dict[str, list[str]]:
    """Cells of a Markdown table by the first."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {line[0]: line[1:] for line in cells}


def test_a_table_has_a_line_a_method_with_its_costs_and_the_difference() -> None:
    found = [made("depth_ridge", (0.5, 0.6), seed=seed) for seed in (0, 1)]
    found += [made("online", (0.7, 0.8), seed=seed) for seed in (0, 1)]
    found += [made("lost", (0.1, 0.2), forgetting=None)]
    table = lines(part("tables").in_order(results(found), "sequential", part("tables").markdown))
    assert list(table) == ["method", "---", "online", "depth_ridge", "lost"]
    assert table["depth_ridge"] == [
        *("2", "0.5500", "+20.00 [+20.00, +20.00] n=2", "0.4500", "0.0000", "0", "2.00M", "60", "900"),
    ]
    assert table["online"][2] == ""
    assert table["lost"][2:5] == ["+60.00 [+60.00, +60.00] n=1", "0.0500", "-"]


def test_differences_rest_on_repeats_that_both_have() -> None:
    found = [made("online", (0.7 + seed / 10, 0.8), seed=seed) for seed in (0, 1, 2)]
    found += [made("random", (0.5, 0.8), seed=seed) for seed in (1, 2)]
    gain = results(found).difference(("online", "sequential"), ("random", "sequential"))
    assert gain.count == 2
    assert gain.mean == pytest.approx((0.3 + 0.4) / 4)


def test_the_offline_ceiling_stands_in_every_order_and_permutation() -> None:
    found = [
        made("online", (0.7, 0.7), order, permutation=permutation)
        for order in ("sequential", "mixed")
        for permutation in (0, 1)
    ]
    found.append(made("offline", (0.9, 0.9), "offline", stored_examples=100))
    made_up = results(found)
    for order in ("sequential", "mixed"):
        assert made_up.methods(order) == ("online", "offline")
        gain = made_up.difference(("online", order), ("offline", order))
        assert (gain.mean, gain.count) == (pytest.approx(-0.2), 2)
    text = part("tables").everything(made_up, True)
    assert "| online | +0.00" in text.partition("Orders, in points")[2]
    assert "offline" not in text.partition("Orders, in points")[2]


def test_offline_rows_alone_have_a_table() -> None:
    text = part("tables").everything(results([made("offline", (0.9, 0.9), "offline")]), False)
    assert text.startswith("Offline: mean over sets and repeats")
    assert "0.9000" in text


def test_of_several_orders_of_the_sets_the_worst_is_told() -> None:
    found = [
        made("online", (one, one), permutation=permutation, seed=seed)
        for permutation, one in ((0, 0.8), (1, 0.6), (2, 0.7))
        for seed in (0, 1)
    ]
    table = lines(part("tables").in_order(results(found), "sequential", part("tables").markdown))
    assert table["method"][2] == "of the worst order of sets"
    assert table["online"][:3] == ["6", "0.7000", "0.6000"]


def test_a_row_that_lacks_a_set_does_not_count() -> None:
    assert results([made("online", (0.5,))]).methods("sequential") == ()


def verdict(found: Sequence[dict[str, Any]], words: str) -> str:
    (line,) = [line for line in part("verdicts").verdicts(results(found)).splitlines() if words in line]
    return line[:8].strip()


@pytest.mark.parametrize(
    ("ours", "ridges", "below", "above"),
    [
        ((0.7, 0.8), (0.6, 0.7), "met", "met"),
        ((0.7, 0.8), (0.69, 0.79), "met", "NOT MET"),
        ((0.6, 0.6), (0.7, 0.8), "NOT MET", "NOT MET"),
        ((0.6, 0.9), (0.7, 0.8), "met", "NOT MET"),
    ],
)
def test_the_search_is_held_against_depth_ridge(
    ours: Sequence[float], ridges: Sequence[float], below: str, above: str
) -> None:
    found = [made("online", ours), made("depth_ridge", ridges)]
    assert verdict(found, "not below depth_ridge") == below
    assert verdict(found, "above depth_ridge") == above
    assert verdict(found, "above fixed_split") == "open"


@pytest.mark.parametrize(
    ("forgetting", "unchanged", "said"), [(0.0, True, "met"), (0.01, True, "NOT MET"), (None, True, "open")]
)
def test_forgetting_is_expected_to_be_exactly_nothing(forgetting: Any, unchanged: bool, said: str) -> None:
    row = made("online", (0.5, 0.5), forgetting=forgetting)
    assert verdict([row], "forgets exactly nothing") == said
    row["sets"]["a"]["logits_unchanged"] = False
    assert verdict([row], "forgets exactly nothing") == "NOT MET"


@pytest.mark.parametrize(("mixed", "said"), [(0.795, "met"), (0.785, "NOT MET")])
def test_mixed_is_held_against_sequential(mixed: float, said: str) -> None:
    found = [made("online", (0.8, 0.8)), made("online", (mixed, mixed), "mixed")]
    assert verdict(found, "mixed at most 1 point below") == said


def test_the_command_tells_what_it_would_run_and_reports_what_is_there(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(data), "--out", str(data / "out"), "--sets", ",".join(SETS), "--seeds", "0,1"]
    words += ["--methods", "", "--method", "main: small", "--main", "main"]
    assert script().main([*words, "--dry-run", "--set", "budget.children=5"]) == 0
    planned = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in planned] == ["search", "evaluate", "show"] * 2
    assert planned[0][0] == "evo-mtl"
    assert "budget.children=5" in planned[0]
    assert script().main([*words, "--table"]) == 0
    assert capsys.readouterr().out == "no rows yet\n"
    part("command").carry_out(
        asked(data, methods=part("methods").read_methods("", ["main: small"]), limit=None, seeds=(0, 1)),
        1,
        run=Pretended(),
    )
    capsys.readouterr()
    assert script().main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out == "\n"
    assert script().main([*words, "--table", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert "| main | 2 | 0.6000 |" in printed
    assert "forgetting/y: lost" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sets", "one,one"], "--sets"),
        (["--orders", "sideways"], "--orders"),
        (["--seeds", "a"], "--seeds"),
        (["--permutations", "0"], "--permutations"),
        (["--batch-size", "0"], "--batch-size"),
        (["--methods", "nonsense"], "unknown method"),
        (["--sets", "absent"], "no absent.zip"),
        (["--methods", "", "--method", "a: nowhere"], "nowhere"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(
    data: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", str(data), "--out", str(data / "out"), "--sets", ",".join(SETS)]
    own = [] if "--methods" in words else ["--methods", "", "--method", "a: small"]
    assert script().main([*common, *own, *words, "--dry-run"]) == 2
    assert said in capsys.readouterr().err


def test_starting_the_command_loads_no_torch_which_would_count_as_memory_of_what_it_starts() -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(SCRIPTS)!r}, {str(SCRIPTS.parent)!r}]; "
        "import online.command; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
