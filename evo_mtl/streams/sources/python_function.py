"""``python:module:function``: a function of yours that returns arrays. Runs your code."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from typing import Any

from evo_mtl.errors import DataError, EvoMtlError, reason
from evo_mtl.registry import suggestion
from evo_mtl.streams.raw import RawStream, RawTask, Request, Source
from evo_mtl.streams.sources.arrays import task_from_arrays

KEYS = (
    "train_images",
    "train_features",
    "train_labels",
    "test_images",
    "test_features",
    "test_labels",
    "classes",
)


def load(argument: str, request: Request) -> RawTask | RawStream:
    """Calls the function; it returns a mapping, or an object, with ``train_images`` and so on, or a ``RawStream``."""
    place = f"python:{argument}"
    module, colon, function = argument.partition(":")
    if not colon or not module or not function:
        raise DataError("expected python:module:function", place)
    with _blamed("the module", place):
        found = _function(module, function, place)
    with _blamed("the function", place):
        made = found()
    if isinstance(made, RawStream):
        return replace(made, batches=lambda: _given(made, place), place=place)
    with _blamed("what the function returned", place):
        return task_from_arrays(_parts(made, place), place)


def _given(stream: RawStream, place: str) -> Iterator[tuple[Any, Any]]:
    """Batches of a user's, each with the faults of what made it told by its number."""
    with _blamed("batches", place):
        batches = iter(stream.batches())
    for number in count():
        with _blamed(f"batch {number}", place):
            found = list(islice(batches, 1))
        if not found:
            return
        yield found.pop()  # so that nothing of it stays here


@contextmanager
def _blamed(what: str, place: str) -> Iterator[None]:
    """Whatever a user's code raises, an end of the program among it, is told as a fault of its source."""
    try:
        yield
    except (EvoMtlError, KeyboardInterrupt):
        raise
    except BaseException as error:
        kind, said = type(error).__name__, reason(error)
        told = said if said.startswith(kind) else f"{kind}: {said}"
        raise DataError(f"{what} failed: {told}", place) from error


def _function(module_name: str, function_name: str, place: str) -> Callable[[], Any]:
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        what = f"no module {error.name!r}" + (
            "; is its folder on PYTHONPATH?" if str(error.name) in module_name else ""
        )
        raise DataError(what, place) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        near = suggestion(function_name, [name for name in vars(module) if callable(getattr(module, name))])
        raise DataError(f"module {module_name!r} has no function {function_name!r}{near}", place)
    return function  # type: ignore[no-any-return]


def _parts(made: Any, place: str) -> dict[str, Any]:
    """What a function returned, by the names of :data:`KEYS`."""
    if not isinstance(made, Mapping):
        made = {key: getattr(made, key) for key in KEYS if hasattr(made, key)}
        if not made:
            raise DataError(f"expected a RawStream, or a mapping or an object with {', '.join(KEYS)}", place)
    for key in made:
        if key not in KEYS:
            raise DataError(
                f"unknown key {key!r}{suggestion(str(key), KEYS)}; known: {', '.join(KEYS)}", place
            )
    return dict(made)


SOURCE = Source(
    load, "a function of yours that returns arrays; runs your code", "module:function", runs_code=True
)
