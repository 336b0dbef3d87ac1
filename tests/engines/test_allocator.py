"""The allocator's settings change no number, and other systems do without."""

from __future__ import annotations

import ctypes

import pytest
import torch

from evo_mtl.engines import allocator
from evo_mtl.engines.allocator import keep_freed_memory


def big_products() -> list[torch.Tensor]:
    x = torch.rand(512, 512, generator=torch.Generator().manual_seed(0))
    return [x @ x for _ in range(3)]


def test_numbers_are_the_same_before_and_after_and_the_settings_may_be_repeated() -> None:
    before = big_products()
    taken = keep_freed_memory()
    assert keep_freed_memory() == taken
    assert all(torch.equal(a, b) for a, b in zip(before, big_products(), strict=True))


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    assert not keep_freed_memory()
