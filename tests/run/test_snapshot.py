"""A journal opened with a snapshot tells the same as one read from its first line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evo_mtl.archive import journal as journal_module
from evo_mtl.archive.journal import read_journal
from evo_mtl.errors import CorruptionError
from evo_mtl.files import canonical_json, digest
from evo_mtl.run.events import Member
from evo_mtl.run.snapshot import FORMAT, Archive, read_state, snapshot_path
from evo_mtl.run.state import replay
from evo_mtl.testing.records import (
    BEGUN,
    COST,
    arrived,
    evaluations,
    found,
    generation,
    looked,
    named,
    rooted,
    told,
    way,
)

A, B = named("aa"), named("bb")


def fill(archive: Archive, *tasks: str) -> None:
    """A finished turn of each name."""
    for task in tasks:
        archive.append(arrived(task, task * 3, ("x" * 90,) * 3))
        archive.append(generation(task, 0, tried=evaluations(task)[:2]))
        archive.append(found(task, "aa", "bb"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with a snapshot of all of it but the last turn, which is not finished."""
    path = tmp_path / "journal.jsonl"
    with Archive(path) as archive:
        archive.append(BEGUN)
        archive.append(rooted("aa"))
        fill(archive, "b", "a")
        archive.append(arrived("c"))
        archive.append(looked("c", "ofc="))
        archive.append(generation("c", 0, tried=evaluations("c")[:1]))
        archive.snapshot()
        archive.append(generation("c", 1, tried=evaluations("c")[2:3]))
    return path


def parsed_lines(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the lines that are parsed from now on."""
    seen: list[int] = []
    real = journal_module.parse_line

    def watched(line: bytes, index: int, *more: object) -> object:
        seen.append(index)
        return real(line, index, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(journal_module, "parse_line", watched)
    return seen


def test_the_state_from_a_snapshot_is_the_state_from_all_lines(path: Path) -> None:
    from_snapshot = read_state(path)
    assert from_snapshot == replay(path)
    assert list(from_snapshot.routes) == ["b", "a"]
    assert from_snapshot.users == {A: 2, B: 2}
    assert from_snapshot.descriptors == {"c": "ofc="}
    snapshot_path(path).unlink()
    assert read_state(path) == from_snapshot


def test_opening_with_a_snapshot_parses_no_covered_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covered = len(read_journal(path)) - 1
    seen = parsed_lines(monkeypatch)
    read_state(path)
    assert seen == [covered]
    Archive(path).close()
    assert seen == [covered, covered]


def test_what_is_asked_for_of_every_task_is_told_without_reading_its_lines(path: Path) -> None:
    state = read_state(path)
    path.unlink()
    assert state.tasks["a"].brief.digest == named("aaa")
    assert (state.routes["b"].brief.quality, state.routes["b"].brief.cost) == (0.5, COST)
    with pytest.raises(CorruptionError, match=r"journal\.jsonl:\d+: cannot be read"):
        state.answer("b")


def test_any_flipped_bit_of_a_covered_line_is_found_and_its_line_is_named(path: Path) -> None:
    whole = path.read_bytes()
    covered = json.loads(snapshot_path(path).read_bytes().split(b"\n")[1])["size"]
    for position in range(0, covered, 397):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        line = whole[:position].count(b"\n") + 1
        for opened in (read_state, Archive):
            with pytest.raises(CorruptionError, match=rf"journal\.jsonl:{line}: "):
                opened(path)


def test_a_line_changed_after_opening_is_refused_when_it_is_asked_for(path: Path) -> None:
    state = read_state(path)
    path.write_bytes(path.read_bytes().replace(b'"x"', b'"y"').replace(B.encode(), named("cc").encode()))
    with pytest.raises(CorruptionError, match=r"journal\.jsonl:5: this line is not what was written"):
        state.answer("b")


@pytest.mark.parametrize("cut", [0, 1, 80, 200, -2])
def test_a_broken_snapshot_is_passed_over(path: Path, cut: int) -> None:
    expected = replay(path)
    snapshot = snapshot_path(path)
    snapshot.write_bytes(snapshot.read_bytes()[:cut])
    assert read_state(path) == expected


def test_every_byte_of_a_snapshot_may_change_without_a_change_of_the_state(path: Path) -> None:
    expected = replay(path)
    snapshot = snapshot_path(path)
    whole = snapshot.read_bytes()
    for position in range(0, len(whole), 97):
        changed = bytearray(whole)
        changed[position] ^= 1
        snapshot.write_bytes(changed)
        assert read_state(path) == expected


def test_a_snapshot_of_a_longer_journal_is_passed_over(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    assert read_state(path) == replay(path)
    assert list(read_state(path).routes) == ["b"]


def test_a_torn_tail_behind_a_snapshot_is_cut_off_by_the_writer_and_the_journal_goes_on(
    path: Path, tmp_path: Path
) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"check": "torn')
    with Archive(path) as archive:
        assert path.read_bytes() == whole
        fill(archive, "d")
        archive.snapshot()
    assert read_state(path) == replay(path)


def test_a_snapshot_is_written_only_when_enough_came_since_the_last(path: Path) -> None:
    before = snapshot_path(path).read_bytes()
    with Archive(path) as archive:
        archive.snapshot(at_least=10**6)
        assert snapshot_path(path).read_bytes() == before
        archive.snapshot()
        after = snapshot_path(path).read_bytes()
        assert after != before
        archive.snapshot()
    assert snapshot_path(path).read_bytes() == after


def test_readers_write_nothing(path: Path) -> None:
    snapshot_path(path).unlink()
    read_state(path)
    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]


def test_a_full_disk_leaves_the_search_without_a_snapshot_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    snapshot_path(path).unlink()
    with Archive(path) as archive:
        with monkeypatch.context() as patch:
            patch.setattr("evo_mtl.run.snapshot.write_atomic", full)
            fill(archive, "d")
            archive.snapshot()
        assert not snapshot_path(path).exists()
        archive.snapshot()
    assert snapshot_path(path).exists()


def test_a_state_that_was_handed_out_does_not_change_with_what_comes_after(path: Path) -> None:
    with Archive(path) as archive:
        before = archive.state
        fill(archive, "d")
        assert list(before.routes) == ["b", "a"]
        assert before.users == {A: 2, B: 2}
        assert list(archive.state.routes) == ["b", "a", "d"]


def test_a_route_that_replaces_another_gives_its_components_back(path: Path) -> None:
    new = named("new")
    with Archive(path) as archive:
        archive.append(found("a", "aa", "new", pass_=2))
        assert archive.state.users == {A: 2, B: 1, new: 1}
        assert archive.state.replaced == 1
        archive.append(found("b", "aa", "new", pass_=2))
        assert archive.state.users == {A: 2, new: 2}
    assert read_state(path) == replay(path)


def test_what_may_be_chosen_is_in_a_snapshot_and_one_that_lacks_it_is_passed_over(path: Path) -> None:
    front = (Member(told(0), way("aa", "bb")), Member(told(1), way("aa", "cc")), Member(told(2), None))
    with Archive(path) as archive:
        archive.append(arrived("d"))
        archive.append(found("d", "aa", "bb", front=front))
        archive.snapshot()
    assert read_state(path).choosable == {"d": {A, B, named("cc")}}
    assert read_state(path) == replay(path)
    content = json.loads(snapshot_path(path).read_bytes().split(b"\n")[1])
    del content["choosable"]
    body = canonical_json(content)
    head = canonical_json({"check": digest(body), "format": FORMAT})
    snapshot_path(path).write_bytes(head + b"\n" + body + b"\n")
    assert read_state(path) == replay(path)
