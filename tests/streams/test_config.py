"""Claims about stream files."""

from __future__ import annotations

from pathlib import Path

import pytest

from evo_mtl.errors import ConfigError
from evo_mtl.streams.config import read_stream

TASK = '- {name: a, source: "sklearn:digits"}\n'
TWO = TASK + TASK.replace("a,", "b,")
ONLINE = "name: s\nregime: online\n"


def stream(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text)
    return path


def test_the_defaults_are_as_documented(tmp_path: Path) -> None:
    read = read_stream(stream(tmp_path, "name: s\ntasks:\n" + TASK))
    assert (read.regime, read.order, read.batch_size) == ("offline", "sequential", 256)
    task = read.tasks[0]
    assert (task.validation, task.metric, task.seed, task.private, task.download) == (
        0.15,
        "accuracy",
        0,
        False,
        False,
    )
    assert (task.limit, task.classes, task.root) == (None, None, None)


def test_an_online_stream_has_its_own_defaults(tmp_path: Path) -> None:
    read = read_stream(stream(tmp_path, ONLINE + "order: blurry\ntasks:\n" + TWO))
    assert (read.overlap, read.boundaries, read.least_aggregate) == (0.1, "given", 16)
    read = read_stream(stream(tmp_path, ONLINE + "order: blurry\nsessions: 5\ntasks:\n" + TASK))
    assert (read.sessions, read.disjoint, read.blurriness) == (5, 0.5, 0.1)


def test_of_a_stream_is_fixed_what_changes_batches_that_came(tmp_path: Path) -> None:
    def fixed(text: str) -> object:
        return read_stream(stream(tmp_path, text)).fixed()

    assert fixed("name: s\ntasks:\n" + TASK) == fixed("name: other\ntasks:\n" + TWO)
    assert fixed(ONLINE + "tasks:\n" + TASK) == fixed(ONLINE + "tasks:\n" + TWO)
    assert fixed(ONLINE + "tasks:\n" + TASK) != fixed(ONLINE + "batch_size: 8\ntasks:\n" + TASK)
    assert fixed(ONLINE + "tasks:\n" + TASK) != fixed(ONLINE + "least_aggregate: 20\ntasks:\n" + TASK)
    assert fixed(ONLINE + "tasks:\n" + TASK) != fixed(ONLINE + "order: mixed\ntasks:\n" + TASK)


def test_paths_are_relative_to_the_stream_file_and_home_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = 'name: s\ntasks:\n- {name: a, source: "folder:x/y", root: r}\n- {name: b, source: "npz:~/b.npz"}\n'
    a, b = read_stream(stream(tmp_path, text + '- {name: c, source: "sklearn:digits"}')).tasks[:2]
    assert (a.source, a.root) == (f"folder:{tmp_path}/x/y", f"{tmp_path}/r")
    assert b.source == "npz:/home/me/b.npz"


def test_class_names_may_be_written_as_numbers(tmp_path: Path) -> None:
    text = 'name: s\ntasks:\n- {name: a, source: "sklearn:digits", classes: [3, 1]}\n'
    assert read_stream(stream(tmp_path, text)).tasks[0].classes == ("3", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: s\ntasks: []", ":2: tasks: expected at least 1 entries, met 0"),
        ("name: s\ntasks:\n" + TASK + TASK, ":4: tasks[1].name: a second task of the name 'a' (first in line 3)"),
        ("name: s\ntasks:\n- {name: a, source: foldr:x}", ":3: tasks[0].source: unknown data source 'foldr' (did you mean \"folder\"?)"),
        ("name: s\ntasks:\n- {name: a, source: x}", "tasks[0].source: expected scheme:argument"),
        ("name: s\ntasks:\n- {name: a, source: 'torchvision:MNST'}", '(did you mean "MNIST"?)'),
        ("name: s\ntasks:\n- {name: a/b, source: 'sklearn:digits'}", "tasks[0].name: expected text of the form"),
        ("name: s\ntasks:\n- {name: .., source: 'sklearn:digits'}", "tasks[0].name: expected text of the form"),
        ("name: s\ntasks:\n- {name: a, source: 'sklearn:digits', classes: [a]}", "two or more different classes"),
        ("name: s\ntasks:\n- {name: a, source: 'sklearn:digits', validation: 1.0}", "expected less than 1, met 1.0"),
        ("name: s\ntasks:\n- {name: a, source: 'sklearn:digits', limt: 3}", '(did you mean "limit"?)'),
        ("name: s\norder: mixed\ntasks:\n" + TASK, ":2: order: 'mixed' needs regime: online"),
        ("name: s\nbatch_size: 8\ntasks:\n" + TASK, ":2: batch_size: is for regime: online"),
        ("name: s\nleast_aggregate: 8\ntasks:\n" + TASK, ":2: least_aggregate: is for regime: online"),
        (ONLINE + "boundaries: found\norder: mixed\ntasks:\n" + TASK, ":3: boundaries: 'found' needs order: sequential"),
        (ONLINE + "overlap: 0.2\ntasks:\n" + TASK, ":3: overlap: is for order: blurry"),
        (ONLINE + "order: mixed\nsessions: 2\ntasks:\n" + TASK, ":4: sessions: is for order: blurry"),
        (ONLINE + "order: blurry\ntasks:\n" + TASK, ":3: order: 'blurry' with one task needs sessions"),
        (ONLINE + "order: blurry\nsessions: 2\noverlap: 0.1\ntasks:\n" + TASK, ":5: overlap: is for several tasks"),
        (ONLINE + "order: blurry\ndisjoint: 0.5\ntasks:\n" + TWO, ":4: disjoint: is for a blurry stream of one task"),
        (ONLINE + "order: blurry\noverlap: 1\ntasks:\n" + TWO, ":4: overlap: expected less than 1, met 1"),
        (ONLINE + "least_aggregate: 1\ntasks:\n" + TASK, ":3: least_aggregate: expected at least 2, met 1"),
        (ONLINE + "tasks:\n- {name: a, source: 'sklearn:digits', validation: 0.1}", ":4: tasks[0].validation: is for regime: offline"),
        ("name: s\nregime: onlin\ntasks:\n" + TASK, '(did you mean "online"?)'),
    ],
)  # fmt: skip
def test_a_wrong_stream_file_is_refused_with_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_stream(stream(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "s.yaml") + ":")
    assert message in str(caught.value)


def test_every_stream_file_that_ships_is_valid() -> None:
    found = sorted((Path(__file__).parents[2] / "search_spaces" / "streams").rglob("*.yaml"))
    assert found
    for path in found:
        assert read_stream(path).tasks
