"""Waiting for pieces of work, of which one that cannot be used must not cost the others."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, as_completed
from typing import Any

from evo_mtl.errors import EvoMtlError


def failures_of(futures: Iterable[Future[Any]]) -> list[EvoMtlError]:
    """Waits for all; why some could not be used. Any other exception is raised as soon as it comes."""
    failures: list[EvoMtlError] = []
    for future in as_completed(futures):
        error = future.exception()
        if isinstance(error, EvoMtlError):
            failures.append(error)
        elif error is not None:
            raise error
    return failures
