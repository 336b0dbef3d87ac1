import errno
import os

import pytest

from evo_mtl.archive import Journal, append_timing, read_journal, read_timings
from evo_mtl.errors import CorruptionError, RunError


def write(path, count=4):
    with Journal.open(path) as journal:
        for index in range(count):
            journal.append("task", name=f"é{index}", numbers=(0.1, index))
    return path.read_bytes()


def test_a_journal_reads_back_what_was_appended(tmp_path):
    path = tmp_path / "run" / "journal.jsonl"
    with Journal.open(path) as journal:
        first = journal.append("run", seed=1)
        second = journal.append("task", name="a", classes=("x", "y"))
        assert (first, second) == read_journal(path)
        assert (journal.count, journal.head) == (2, second.digest)
    assert second.payload == {"name": "a", "classes": ["x", "y"]}


def test_every_truncation_of_a_journal_reads_as_a_prefix_of_its_events(tmp_path):
    whole = write(tmp_path / "whole", 2)
    events = read_journal(tmp_path / "whole")
    path = tmp_path / "cut"
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        assert read_journal(path) == events[: whole[:length].count(b"\n")]
        assert path.stat().st_size == length


def test_appending_after_any_torn_tail_gives_the_bytes_of_a_journal_never_torn(tmp_path):
    whole = write(tmp_path / "whole", 2)
    start = len(write(tmp_path / "one", 1))
    path = tmp_path / "cut"
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        with Journal.open(path) as journal:
            journal.append("task", name="é1", numbers=(0.1, 1))
        assert path.read_bytes() == whole


def test_a_last_line_with_a_hole_of_zeros_is_a_torn_one(tmp_path):
    whole = write(tmp_path / "whole", 3)
    start = len(write(tmp_path / "two", 2))
    path = tmp_path / "holed"
    path.write_bytes(whole[:start] + b"\0" * 20 + whole[start + 20 :])
    assert len(read_journal(path)) == 2
    Journal.open(path).close()
    assert path.read_bytes() == whole[:start]


def test_any_flipped_bit_is_refused_and_its_line_is_named(tmp_path):
    whole = write(tmp_path / "whole", 3)
    path = tmp_path / "flipped"
    body = whole.rindex(b"\n")
    for position in [*range(0, body, 7), whole.index(b"\n"), body - 1]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        if flipped[position] == 0:
            continue
        path.write_bytes(flipped)
        line = whole[:position].count(b"\n") + 1
        for opened in (read_journal, Journal.open):
            with pytest.raises(CorruptionError, match=f"flipped:{line}: "):
                opened(path)
        assert path.read_bytes() == flipped


def test_a_line_lost_in_the_middle_is_refused_where_it_is_missing(tmp_path):
    lines = write(tmp_path / "whole").splitlines(keepends=True)
    path = tmp_path / "lost"
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(CorruptionError, match=r"lost:2: .*does not follow"):
        read_journal(path)


def test_a_line_of_another_history_is_refused(tmp_path):
    lines = write(tmp_path / "whole").splitlines(keepends=True)
    with Journal.open(tmp_path / "other") as journal:
        journal.append("task", name="other")
        journal.append("task", name="other")
    other = (tmp_path / "other").read_bytes().splitlines(keepends=True)
    path = tmp_path / "mixed"
    path.write_bytes(lines[0] + other[1])
    with pytest.raises(CorruptionError, match="mixed:2: "):
        read_journal(path)


def test_reading_where_no_journal_is_names_the_file(tmp_path):
    with pytest.raises(RunError, match=r"journal\.jsonl: no journal here"):
        read_journal(tmp_path / "journal.jsonl")


def test_equal_events_give_equal_journals(tmp_path):
    assert write(tmp_path / "a") == write(tmp_path / "b")


@pytest.mark.parametrize("payload", [{"index": 3}, {"score": float("nan")}])
def test_a_payload_that_cannot_be_kept_is_refused_and_leaves_the_journal_as_it_was(tmp_path, payload):
    path = tmp_path / "journal"
    with Journal.open(path) as journal:
        journal.append("run")
        before = path.read_bytes()
        with pytest.raises(ValueError):
            journal.append("task", **payload)
        assert path.read_bytes() == before
        journal.append("task")
    assert len(read_journal(path)) == 2


def test_a_full_disk_closes_the_journal_and_leaves_the_events_before(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    before = write(path)
    journal = Journal.open(path)

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append("task")
    with pytest.raises(ValueError, match="closed"):
        journal.append("task")
    assert path.read_bytes() == before


def test_timings_pass_over_torn_lines_and_missing_files(tmp_path):
    path = tmp_path / "timings.jsonl"
    assert read_timings(path) == ()
    append_timing(path, seconds=1.5)
    with open(path, "ab") as file:
        file.write(b'{"seconds":\n')
    append_timing(path, seconds=2.5)
    append_timing(tmp_path / "no" / "timings.jsonl", seconds=1.0)
    assert read_timings(path) == ({"seconds": 1.5}, {"seconds": 2.5})


@pytest.mark.parametrize("name", ["journal.jsonl", "timings.jsonl"])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_nothing_is_appended_to_or_cut_off_a_file_that_a_link_leads_to(tmp_path, name, link):
    outside, path = tmp_path / "notes", tmp_path / name
    outside.write_text("no line that ends")
    getattr(path, link)(outside)
    append_timing(path, seconds=1.0)
    with pytest.raises(RunError, match="link"):
        Journal.open(path)
    assert outside.read_text() == "no line that ends"


def test_a_journal_that_is_a_pipe_is_refused_at_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    os.mkfifo(path)
    with pytest.raises(RunError, match="met something else"):
        Journal.open(path)
    with pytest.raises(RunError, match="expected a file"):
        read_journal(path)
    append_timing(path, seconds=1.0)
    assert read_timings(path) == ()
