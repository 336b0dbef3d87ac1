"""Kept arrays: whole or absent, bounded, never needed, and nothing else touched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from evo_mtl.errors import InputError
from evo_mtl.names import CACHE_MARK as MARK
from evo_mtl.training import arrays
from evo_mtl.training.arrays import ArrayCache, check_cache_folder

Damage = Callable[[bytearray], None]
A = np.arange(12, dtype=np.float32).reshape(3, 4)
KEYS = ["aa" * 32, "bb" * 32, "cc" * 32]


def test_an_array_is_found_again_equal_and_read_only(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "cache", 10**6)
    assert cache.find(KEYS[0]) is None
    cache.keep(KEYS[0], A)
    found = cache.find(KEYS[0])
    assert found is not None
    assert found.dtype == A.dtype
    np.testing.assert_array_equal(found, A)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


def test_an_array_is_made_once_while_it_is_kept(tmp_path: Path) -> None:
    cache, made = ArrayCache(tmp_path, 10**6), []

    def make() -> np.ndarray:
        made.append(1)
        return A

    for _ in range(3):
        np.testing.assert_array_equal(cache.get(KEYS[0], make), A)
    assert len(made) == 1


def test_what_does_not_fit_is_made_and_handed_on_but_not_kept(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "cache", A.nbytes - 1)
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A), A)
    assert cache.find(KEYS[0]) is None
    assert not (tmp_path / "cache").exists()


def test_the_array_that_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    big = np.zeros(1000, dtype=np.float32)
    cache = ArrayCache(tmp_path, 10_000)
    cache.keep(KEYS[0], big)
    cache.keep(KEYS[1], big)
    for i, key in enumerate(KEYS[:2]):
        path = next(tmp_path.glob(f"{key}.npy"))
        os.utime(path, (1000 + i, 1000 + i))
    cache.find(KEYS[0])
    cache.keep(KEYS[2], big)
    assert [cache.find(key) is not None for key in KEYS] == [True, False, True]


def test_a_folder_that_cannot_be_written_costs_the_keeping_only(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is here")
    cache = ArrayCache(tmp_path / "cache", 10**6)
    for _ in range(2):
        np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A), A)
    assert cache.find(KEYS[0]) is None


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, 10**6)
    with contextlib.suppress(RuntimeError), cache.writing(KEYS[0], A.shape, A.dtype) as target:
        target[0] = 1
        raise RuntimeError
    assert cache.find(KEYS[0]) is None
    assert [path.name for path in tmp_path.rglob("*")] == [MARK]


def kept(folder: Path) -> Path:
    """The file of an array that was kept."""
    ArrayCache(folder, 10**6).keep(KEYS[0], A)
    return folder / f"{KEYS[0]}.npy"


def cut(data: bytearray) -> None:
    del data[-5:]


def flipped(place: int) -> Damage:
    def flip(data: bytearray) -> None:
        data[place] ^= 4

    return flip


def garbage(data: bytearray) -> None:
    data[:100] = b"[" * 100


def lengthened(data: bytearray) -> None:
    data += b"x"


def emptied(data: bytearray) -> None:
    data.clear()


def zeroed(data: bytearray) -> None:
    data[:] = bytes(len(data))


@pytest.mark.parametrize(
    "damage",
    [cut, *map(flipped, (0, 7, 60, 130, -9, -8, -1)), garbage, lengthened, emptied, zeroed],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.parametrize("seen", [False, True], ids=["not seen", "seen before"])
def test_a_damaged_file_is_as_good_as_none_and_is_made_again(
    damage: Damage, seen: bool, tmp_path: Path
) -> None:
    path = kept(tmp_path)
    cache = ArrayCache(tmp_path, 10**6)
    if seen:
        assert cache.find(KEYS[0]) is not None
    data = bytearray(path.read_bytes())
    damage(data)
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))  # whatever the clock's ticks: the time of change is another
    assert cache.find(KEYS[0]) is None
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A + 1), A + 1)
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A), A + 1)


def test_the_array_of_another_key_is_not_taken_for_it(tmp_path: Path) -> None:
    kept(tmp_path).rename(tmp_path / f"{KEYS[1]}.npy")
    assert ArrayCache(tmp_path, 10**6).find(KEYS[1]) is None


def test_a_file_is_read_whole_once_while_it_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(tmp_path)
    cache, read, whole = ArrayCache(tmp_path, 10**6), [], arrays._sum

    def watched(key: str, file: BinaryIO, size: int) -> bytes:
        read.append(key)
        return whole(key, file, size)

    monkeypatch.setattr(arrays, "_sum", watched)
    for _ in range(3):
        assert cache.find(KEYS[0]) is not None
    cache.keep(KEYS[1], A)
    assert cache.find(KEYS[1]) is not None
    assert read == KEYS[:2]


@pytest.mark.parametrize("name", ["notes.npy", "photos", f"{KEYS[1]}.npy", "aa"])
def test_nothing_is_kept_in_or_removed_from_a_folder_that_is_not_marked(name: str, tmp_path: Path) -> None:
    lost = tmp_path / name / "old.npy" if "." not in name else tmp_path / name
    lost.parent.mkdir(exist_ok=True)
    np.save(lost, A)
    with pytest.raises(InputError, match=f"not a cache of this program, but '{name}' is in it"):
        check_cache_folder(tmp_path)
    cache = ArrayCache(tmp_path, A.nbytes)
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A), A)
    cache.clear()
    np.testing.assert_array_equal(np.load(lost, allow_pickle=False), A)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [lost]


def test_the_mark_of_another_program_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / MARK).write_bytes(arrays.MARKED.replace(b"evo-mtl", b"cargo"))
    with pytest.raises(InputError, match="not a cache of this program"):
        check_cache_folder(tmp_path)


def test_of_a_marked_folder_only_arrays_are_removed_and_no_links(tmp_path: Path) -> None:
    folder, outside = tmp_path / "cache", tmp_path / f"{KEYS[2]}.npy"
    kept(folder)
    np.save(outside, A)
    (folder / "aa").mkdir()
    others = [
        folder / "notes.txt",
        folder / "mine.npy",
        folder / "aa" / f"{KEYS[1]}.npy",
        folder / "x.1.part",
    ]
    for path in others:
        path.write_bytes(bytes(1000))
    (folder / f"{KEYS[2]}.npy").symlink_to(outside)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    check_cache_folder(folder)
    cache = ArrayCache(folder, A.nbytes)
    cache.keep(KEYS[1], A)
    assert not (folder / f"{KEYS[0]}.npy").exists()
    cache.clear()
    assert {path for path in folder.rglob("*") if path.is_file()} == {
        *others,
        folder / MARK,
        folder / f"{KEYS[2]}.npy",
    }
    np.testing.assert_array_equal(np.load(outside, allow_pickle=False), A)


def test_an_unfinished_file_goes_when_it_is_old(tmp_path: Path) -> None:
    kept(tmp_path)
    old, new = tmp_path / f"{KEYS[1]}.7.part", tmp_path / f"{KEYS[2]}-0.8.part"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    ArrayCache(tmp_path, 10**6).keep(KEYS[2], A)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_cleared_cache_leaves_no_folder(tmp_path: Path) -> None:
    kept(tmp_path / "cache")
    ArrayCache(tmp_path / "cache", 0).clear()
    assert not (tmp_path / "cache").exists()


def test_what_lies_in_the_place_of_an_unfinished_file_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    kept(tmp_path / "cache")
    (tmp_path / "cache" / f"{KEYS[1]}.{os.getpid()}.part").symlink_to(outside)
    cache = ArrayCache(tmp_path / "cache", 10**6)
    cache.keep(KEYS[1], A)
    assert cache.find(KEYS[1]) is not None
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_in_the_place_of_an_array_costs_the_keeping_only(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    kept(tmp_path).unlink()
    make(tmp_path / f"{KEYS[0]}.npy")
    cache = ArrayCache(tmp_path, 10**6)
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A), A)
