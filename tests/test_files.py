import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evo_mtl import files
from evo_mtl.errors import RunError

HOLDER = """
import os, sys, time
from pathlib import Path
from evo_mtl.files import lock
with lock(Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""


def full_disk(fd: int, data: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert files.canonical_json({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_canonical_json_refuses_numbers_that_are_not_finite(number):
    with pytest.raises(ValueError):
        files.canonical_json({"score": [number]})


def test_file_digest_is_the_digest_of_the_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 1000)
    assert files.file_digest(path) == files.digest(b"abc" * 1000)


def test_write_atomic_sets_content_and_mode_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a"
    files.write_atomic(path, b"old")
    files.write_atomic(path, b"new", mode=0o444)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o444
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("operation", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch, operation):
    path = tmp_path / "a"
    files.write_atomic(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, operation, lambda *_: full_disk(0, b""))
        with pytest.raises(OSError, match="No space left"):
            files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_failed_append_leaves_the_file_as_long_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    write = os.write

    def fills_up(number: int, data: bytes) -> int:
        return write(number, data[:2]) if len(data) > 2 else full_disk(number, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fills_up)
        with pytest.raises(OSError, match="No space left"):
            files.append_durably(fd, b"1234")
    os.close(fd)
    assert path.read_bytes() == b"old"


def test_a_crash_at_any_operation_of_an_atomic_write_leaves_the_old_or_the_new_file(tmp_path):
    script = "import sys; from pathlib import Path; from evo_mtl.files import write_atomic\n"
    script += "write_atomic(Path(sys.argv[1]), b'new' * 100)"
    statuses = []
    for k in range(1, 6):
        path = tmp_path / str(k) / "a"
        path.parent.mkdir()
        path.write_bytes(b"old")
        environment = {**os.environ, "EVOMTL_CRASH_AT": str(k)}
        done = subprocess.run([sys.executable, "-c", script, path], env=environment, cwd=root())
        statuses.append(done.returncode)
        assert path.read_bytes() == (b"old" if k <= 3 else b"new" * 100)
    assert statuses == [70, 70, 70, 70, 0]


def test_a_lock_that_is_held_is_refused_and_names_the_holder(tmp_path):
    path = tmp_path / "lock"
    refused = pytest.raises(RunError, match=f"in use by process {os.getpid()} on ")
    with files.lock(path), refused, files.lock(path):
        pass


def test_a_lock_is_free_after_the_block_even_when_it_raised(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(KeyError), files.lock(path):
        raise KeyError
    with files.lock(path):
        pass


def test_a_lock_is_free_after_kill_9_even_while_a_forked_worker_lives(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, cwd=root())
    assert holder.stdout is not None
    worker = int(holder.stdout.readline())
    try:
        with pytest.raises(RunError, match=f"process {holder.pid} "), files.lock(path):
            pass
        holder.send_signal(signal.SIGKILL)
        # All the holder's own descriptors are closed once the pipe ends.
        holder.stdout.read()
        holder.wait()
        with files.lock(path):
            assert path.read_text().startswith(f"process {os.getpid()} ")
        os.kill(worker, 0)
    finally:
        os.kill(worker, signal.SIGKILL)
        holder.stdout.close()


def test_a_lock_in_a_folder_that_is_not_there_is_a_run_error(tmp_path):
    with pytest.raises(RunError, match="cannot be opened as a lock"), files.lock(tmp_path / "no" / "lock"):
        pass


@pytest.mark.parametrize("leads_to", ["notes", "nothing"])
def test_a_lock_that_is_a_link_is_not_followed(tmp_path, leads_to):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / leads_to)
    with pytest.raises(RunError, match="lock: expected a file, met a link"), files.lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "notes").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["lock", "notes"]


def test_a_lock_that_is_another_name_of_a_file_is_not_written_to(tmp_path):
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "lock").hardlink_to(tmp_path / "notes")
    with pytest.raises(RunError, match="second name"), files.lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("text", ["mine", "process 1 on a\nmine", "process 1 on " + "a" * 400])
def test_a_lock_that_is_a_file_of_something_else_is_not_written_to(tmp_path, text):
    (tmp_path / "lock").write_text(text)
    with pytest.raises(RunError, match="met a file of something else"), files.lock(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").read_text() == text


@pytest.mark.parametrize("text", ["", "process 12 on there\n", "process 12 on there\n\0\0"])
def test_a_lock_left_by_a_process_that_ended_is_taken(tmp_path, text):
    (tmp_path / "lock").write_text(text)
    with files.lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_lock_that_is_a_pipe_or_a_folder_is_refused_at_once(tmp_path, make):
    make(tmp_path / "lock")
    with pytest.raises(RunError, match="met something else"), files.lock(tmp_path / "lock"):
        pass


def test_reading_waits_for_no_pipe_and_follows_links_to_files_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    os.mkfifo(tmp_path / "pipe")
    for name, leads_to in (("good", tmp_path / "a"), ("bad", tmp_path / "pipe"), ("zero", "/dev/zero")):
        (tmp_path / name).symlink_to(leads_to)
    with files.open_plain(tmp_path / "good") as file:
        assert file.read() == b"abc"
    for name in ("pipe", "bad", "zero"):
        with pytest.raises(OSError, match="expected a file"):
            files.open_plain(tmp_path / name)


def test_only_what_an_atomic_write_left_is_removed_as_such(tmp_path):
    left, outside = tmp_path / "run" / ".evo-mtl-abcdefgh.tmp", tmp_path / "outside"
    left.parent.mkdir()
    outside.write_text("mine")
    mine = [tmp_path / "run" / name for name in (".mine.tmp", ".evo-mtl-notes", "x.tmp")]
    for path in (left, *mine):
        path.write_text("x")
    link, folder = left.with_name(".evo-mtl-link.tmp"), left.with_name(".evo-mtl-folder.tmp")
    link.symlink_to(outside)
    folder.mkdir()
    files.remove_temporaries(tmp_path / "run")
    assert set((tmp_path / "run").iterdir()) == {*mine, link, folder}
    assert outside.read_text() == "mine"
    files.remove_temporaries(tmp_path / "gone")


def root() -> Path:
    return Path(files.__file__).parents[1]
