"""``python:module:function``: a function of yours that returns arrays. Runs your code."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from evo_mtl.errors import DataError, EvoMtlError
from evo_mtl.registry import suggestion
from evo_mtl.streams.raw import RawTask, Request, Source
from evo_mtl.streams.sources.arrays import task_from_arrays

KEYS = ("train_images", "train_labels", "test_images", "test_labels", "classes")


def load(argument: str, request: Request) -> RawTask:
    """Calls the function; it returns a mapping, or an object, with ``train_images`` and so on."""
    place = f"python:{argument}"
    module_name, colon, function_name = argument.partition(":")
    if not colon or not module_name or not function_name:
        raise DataError("expected python:module:function", place)
    function = _function(module_name, function_name, place)
    try:
        made = function()
    except EvoMtlError:
        raise
    except Exception as error:  # whatever a user's function may raise
        raise DataError(f"the function failed: {type(error).__name__}: {error}", place) from error
    if not isinstance(made, Mapping):
        made = {key: getattr(made, key) for key in KEYS if hasattr(made, key)}
        if not made:
            raise DataError(f"expected a mapping or an object with {', '.join(KEYS)}", place)
    for key in made:
        if key not in KEYS:
            raise DataError(
                f"unknown key {key!r}{suggestion(str(key), KEYS)}; known: {', '.join(KEYS)}", place
            )
    return task_from_arrays(made, place)


def _function(module_name: str, function_name: str, place: str) -> Callable[[], Any]:
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        what = f"no module {error.name!r}" + (
            "; is its folder on PYTHONPATH?" if str(error.name) in module_name else ""
        )
        raise DataError(what, place) from None
    except Exception as error:  # whatever a user's module may raise
        raise DataError(f"the module failed: {type(error).__name__}: {error}", place) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        near = suggestion(function_name, [name for name in vars(module) if callable(getattr(module, name))])
        raise DataError(f"module {module_name!r} has no function {function_name!r}{near}", place)
    return function  # type: ignore[no-any-return]


SOURCE = Source(load, "a function of yours that returns arrays; runs your code", "module:function")
