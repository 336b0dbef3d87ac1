"""Kept arrays: whole or absent, bounded, never needed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.training.arrays import ArrayCache

A = np.arange(12, dtype=np.float32).reshape(3, 4)
KEYS = ["aa" * 32, "bb" * 32, "cc" * 32]


def test_an_array_is_found_again_equal_and_read_only(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "cache", 10**6)
    assert cache.find(KEYS[0]) is None
    assert cache.keep(KEYS[0], A)
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
        path = next(tmp_path.glob(f"*/{key}.npy"))
        os.utime(path, (1000 + i, 1000 + i))
    cache.find(KEYS[0])
    cache.keep(KEYS[2], big)
    assert [cache.find(key) is not None for key in KEYS] == [True, False, True]


def test_a_file_cut_short_is_made_again(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, 10**6)
    cache.keep(KEYS[0], A)
    path = next(tmp_path.glob("*/*.npy"))
    path.write_bytes(path.read_bytes()[:-5])
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A + 1), A + 1)


def test_a_folder_that_cannot_be_written_costs_the_keeping_only(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is here")
    cache = ArrayCache(tmp_path / "cache", 10**6)
    np.testing.assert_array_equal(cache.get(KEYS[0], lambda: A), A)
    assert not cache.keep(KEYS[0], A)


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, 10**6)
    with contextlib.suppress(RuntimeError), cache.writing(KEYS[0], A.shape, A.dtype) as target:
        target[0] = 1
        raise RuntimeError
    assert cache.find(KEYS[0]) is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
