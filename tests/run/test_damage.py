"""A journal whose chain is right and whose values are wrong is refused in one line, wherever the run is opened."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evo_mtl.answering.model import load
from evo_mtl.archive.journal import FIRST, read_journal
from evo_mtl.errors import InputError, RunError
from evo_mtl.files import canonical_json, digest
from evo_mtl.run.events import history
from evo_mtl.run.folder import RunFolder, open_run
from evo_mtl.telling.summary import summarize, task_details
from tests.worlds import config, search

Line = dict[str, Any]
Key = tuple[str | int, ...]
ENVELOPE = ("check", "format", "index", "kind", "previous")
WRONG = (None, "x", "", -1, 1.5, 10**30, 200_000, True, [], {}, [[]], "\x1b[31m", "0" * 64)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every kind of part: a kept front, looks, a mate; only to be read."""
    folder = tmp_path_factory.mktemp("world")
    more = ("objective.keep_front=true", "mutation.recombination=0.5", "budget.generations=1")
    search(folder / "run", config(folder, "one", "three", overrides=more))
    return folder


def lines_of(run: Path) -> list[Line]:
    return [json.loads(line) for line in RunFolder(run).journal.read_bytes().splitlines()]


def chained(lines: list[Line]) -> bytes:
    """Lines with their chain repaired."""
    previous, out = FIRST, b""
    for line in lines:
        body = {key: value for key, value in line.items() if key != "check"} | {"previous": previous}
        previous = digest(canonical_json(body))
        out += canonical_json(body | {"check": previous}) + b"\n"
    return out


def places(value: Any, key: Key = ()) -> Iterator[Key]:
    """Every key path in plain data; of a list the first and the last entry, for the others are like them."""
    if key:
        yield key
    if isinstance(value, dict):
        for name in sorted(value):
            yield from places(value[name], (*key, name))
    elif isinstance(value, list) and value:
        for i in sorted({0, len(value) - 1}):
            yield from places(value[i], (*key, i))


def changed(line: Line, key: Key, change: Callable[[Any, str | int], None]) -> Line:
    line = copy.deepcopy(line)
    inside: Any = line
    for part in key[:-1]:
        inside = inside[part]
    change(inside, key[-1])
    return line


def drop(inside: Any, last: str | int) -> None:
    del inside[last]


def put(value: object) -> Callable[[Any, str | int], None]:
    def change(inside: Any, last: str | int) -> None:
        inside[last] = value

    return change


def opened(run: Path) -> None:
    """What a user opens a run with."""
    open_run(run)
    history(RunFolder(run).journal)
    summarize(run)
    for task in open_run(run)[2].routes:
        task_details(run, task)
    load(run)


def refused(run: Path, lines: list[Line]) -> str | None:
    """The one line with which a journal is refused; ``None`` where it is let in."""
    RunFolder(run).journal.write_bytes(chained(lines))
    with contextlib.suppress(InputError):
        opened(run)
        return None
    with pytest.raises(InputError) as refusal:
        opened(run)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Path:
    """A copy without a snapshot."""
    shutil.copytree(home / "run", tmp_path / "run")
    for path in (tmp_path / "run").glob("journal.snapshot*"):
        path.unlink()
    return tmp_path / "run"


def test_a_journal_that_was_written_is_let_in(run: Path) -> None:
    assert refused(run, lines_of(run)) is None


def test_every_key_that_is_dropped_is_missed_by_line_and_name(run: Path) -> None:
    lines = lines_of(run)
    rng = random.Random(0)
    for index in {line["kind"]: i for i, line in enumerate(lines)}.values():
        keys = [key for key in places(lines[index]) if isinstance(key[-1], str) and key[0] not in ENVELOPE]
        for key in rng.sample(keys, min(len(keys), 12)):
            mapping = key[-2:-1] in (("trained",), ("hyperparameters",), ("rates",), ("settings",))
            said = refused(run, [*lines[:index], changed(lines[index], key, drop), *lines[index + 1 :]])
            if not mapping:  # there some keys may be absent
                assert said is not None, key
                assert f"journal.jsonl:{index + 1}: " in said


@pytest.mark.parametrize("seed", range(4))
def test_any_value_may_be_wrong_and_no_traceback_comes_of_it(run: Path, seed: int) -> None:
    lines = lines_of(run)
    rng = random.Random(seed)
    kinds = {line["kind"]: i for i, line in enumerate(lines)}
    seen = 0
    for index in kinds.values():
        keys = [key for key in places(lines[index]) if key[0] not in ENVELOPE]
        for key in rng.sample(keys, min(len(keys), 8)):
            change = put(rng.choice(WRONG))
            seen += (
                refused(run, [*lines[:index], changed(lines[index], key, change), *lines[index + 1 :]])
                is not None
            )
    assert seen > len(kinds)


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("task", ("data", "num_train"), "30", 'data.num_train: expected a whole number, met "30"'),
        ("task", ("data", "metric"), "f1", "data.metric: "),
        ("run", ("seed",), None, "seed: expected a whole number, met nothing"),
        ("root", ("layout", "final_norm"), 99, "layout: it does not describe a trunk"),
        (
            "generation",
            ("evaluations", 0, "status", "ended"),
            "lost",
            "evaluations[0].status.ended: expected ",
        ),
        (
            "generation",
            ("evaluations", 0, "candidate", "genome", "hyperparameters", "image_size"),
            200_000,
            "image_size: 200000 is not a whole number between 1 and 1024",
        ),
        ("generation", ("evaluations", 0, "candidate", "genome", "boundary"), 50, "boundary 50 lies outside"),
        (
            "route",
            ("answer", "told", "cost", "images"),
            -1,
            "answer.told.cost.images: expected at least 0, met -1",
        ),
        ("route", ("answer", "way", "route", "nodes", 0, "inputs"), [7], "nodes[0]: it reads [7]"),
        ("route", ("answer", "way", "temperature"), 0, "answer.way.temperature: expected more than 0, met 0"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(
    kind: str, key: Key, value: object, said: str, run: Path
) -> None:
    lines = lines_of(run)
    index = next(i for i, line in enumerate(lines) if line["kind"] == kind)
    told = refused(run, [*lines[:index], changed(lines[index], key, put(value)), *lines[index + 1 :]])
    assert told is not None
    assert told.startswith(f"{RunFolder(run).journal}:{index + 1}: ")
    assert said in told


def test_a_number_that_is_none_is_refused_with_its_line(run: Path) -> None:
    journal = RunFolder(run).journal
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b'"seed":0', b'"seed":NaN', 1))
    with pytest.raises(InputError, match=r"journal\.jsonl:1: this line is not what was written"):
        open_run(run)


def test_a_run_of_the_first_version_is_refused_by_name(tmp_path: Path, run: Path) -> None:
    body = {"format": 1, "index": 0, "kind": "run", "previous": FIRST, "configuration": "a", "seed": 0}
    line = canonical_json(body | {"check": digest(canonical_json(body))}) + b"\n"
    RunFolder(run).journal.write_bytes(line)
    said = r"journal\.jsonl:1: this run was written by evo-mtl 0\.1; this version does not read it"
    with pytest.raises(RunError, match=said):
        read_journal(RunFolder(run).journal)
    with pytest.raises(RunError, match=said):
        opened(run)


def test_a_configuration_of_another_version_is_refused_by_its_format(run: Path) -> None:
    config = RunFolder(run).config
    text = config.read_text()
    RunFolder(run).opened.unlink(missing_ok=True)
    assert "format: 2\n" in text
    for written, said in (
        ("", "this run was written by evo-mtl 0.1; this version does not read it"),
        ("format: 3\n", "run format 3; this version reads format 2"),
    ):
        config.write_text(text.replace("format: 2\n", written))
        with pytest.raises(RunError, match=said):
            open_run(run)
