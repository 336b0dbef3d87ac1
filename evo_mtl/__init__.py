"""Grows one model from a stream of classification tasks by evolution (mu2Net, Gesmundo 2022).

*Genomes* are *searched* for each task of a *stream*, assembled into *routes* over one growing network of
immutable *components*, *trained* only where they are open, and kept in an *archive*, by a *run*. A route
pins its components by the digest of their content, so a later task cannot change an earlier one's answers.

    import evo_mtl
    run = evo_mtl.search("stream.yaml", space="small", run="runs/a", seed=0)
    model = evo_mtl.load("runs/a")
    model.predict(images, task="mnist").labels
    model.as_module("mnist")                     # a plain torch.nn.Module

Floors; imports go only downhill:

    floor 0  ``errors`` ``names`` ``seeding`` ``registry`` ``files`` ``documents`` ``plain``    words and tools
    floor 1  ``genome``      what is inherited and mutated; search spaces
             ``streams``     tasks: sources, splits, images, checks
    floor 2  ``evolution``   who is tried: ask and tell over genomes and numbers
             ``network``     what it is: trunks, routes, components, cost
             ``archive``     what is remembered: journal, component store
    floor 3  ``training``    fitting, closed-form heads, kept activations, calibration
             ``learners``    what a search is compared with
             ``engines``     where candidates run
    floor 4  ``run``         a run on disk: its configuration and its files
    floor 5  ``answering``   an archived network, loaded: evaluation, prediction
    floor 6  ``telling``     summaries, comparisons, the search in Optuna's storage
    floor 7  ``searching``   the search itself
    floor 8  ``face``        the Python functions
    floor 9  ``cli``         the command ``evo-mtl``

Words: a *stage* is a slot in depth of the trunk; a *component* is weights under the digest of their
bytes; a *boundary* is where the shared frozen prefix ends; an *open* part is the task's own and may be
trained; a *tap* is a depth that the head reads; a *seed candidate* is tried before any child.

Importing this loads neither torch nor numpy; that happens when something is called.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evo_mtl.answering.evaluation import evaluate as evaluate
    from evo_mtl.answering.model import load as load
    from evo_mtl.face import resume as resume
    from evo_mtl.face import search as search

__all__ = ["__version__", "evaluate", "load", "resume", "search"]

_HOMES = {
    "evaluate": "evo_mtl.answering.evaluation",
    "load": "evo_mtl.answering.model",
    "resume": "evo_mtl.face",
    "search": "evo_mtl.face",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("evo-mtl")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, "__version__"])
