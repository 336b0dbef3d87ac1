"""What all tests share: one torch thread, so that results and speed do not hang on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts the same in every test."""
    return np.random.default_rng(20220509)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules below scripts/ can be imported; threads that they set are put back."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "scripts"))
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
