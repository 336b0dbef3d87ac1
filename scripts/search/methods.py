"""What is compared: search algorithms, the same with a part left out, and learners; each under one name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evo_mtl.errors import InputError
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS, KNOWN_HYPERPARAMETERS
from evo_mtl.genome.space import SearchSpace
from evo_mtl.registry import suggestion
from evo_mtl.run.config import override

CLOCKED = " (s)"
"""Ends the name of a search whose budget is seconds instead of images."""

AUGMENTATION = tuple(name for name in DATA_HYPERPARAMETERS if name != "image_size")
Data = dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A column of the comparison and how often it is repeated.

    Attributes:
        name: As rows and tables call it.
        seeds: Of its repetitions.
        algorithm: Of a search; empty for a learner, whose name is the method's.
        overrides: ``key=value`` of a search's space.
        clocked: Whether its budget is seconds.
    """

    name: str
    seeds: tuple[int, ...]
    algorithm: str = ""
    overrides: tuple[str, ...] = ()
    clocked: bool = False


def named(text: str, seeds: Sequence[int], place: str) -> list[tuple[str, tuple[int, ...]]]:
    """Names of ``a,b:3`` with their seeds: all, or the first so many.

    Raises:
        InputError: A number is none, or larger than the seeds there are.

    Example:
        >>> named("a, b:1", [4, 5], "--algorithms")
        [('a', (4, 5)), ('b', (4,))]
    """
    found = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, colon, count = word.partition(":")
        if colon and not (count.isdecimal() and 1 <= int(count) <= len(seeds)):
            raise InputError(f"{word!r}: expected NAME or NAME:1 to NAME:{len(seeds)}", place)
        found.append((name, tuple(seeds[: int(count)] if colon else seeds)))
    return found


def ablated(space: SearchSpace, name: str) -> tuple[str, ...]:
    """Overrides that take a part out of a space; none where it has no such part.

    Raises:
        InputError: No part of that name.
    """
    if name not in ABLATIONS:
        known = ", ".join(ABLATIONS)
        raise InputError(f"unknown part {name!r}{suggestion(name, ABLATIONS)}; known: {known}", "--ablations")
    before: Data = space.model_dump(mode="json")
    after = ABLATIONS[name](json.loads(json.dumps(before)))
    settings = [f"{key}={json.dumps(after[key])}" for key in after if after[key] != before.get(key)]
    return tuple(settings) if override(space, settings) != space else ()


def _transfer_prior(space: Data) -> Data:
    space["parents"] = {**space.get("parents", {}), "order": "shuffled"}
    if space.get("looks"):
        space["looks"]["parents"] = 0
    return space


def _learned_rates(space: Data) -> Data:
    return space | {"mutation": {**space.get("mutation", {}), "rates": "shared"}}


def _recombination(space: Data) -> Data:
    return space | {"mutation": {**space.get("mutation", {}), "recombination": 0.0}}


def _multipath(space: Data) -> Data:
    return space | {"mutation": {**space.get("mutation", {}), "multipath": 0.0}}


def _adapters(space: Data) -> Data:
    space["adapters"]["insert"] = False
    return space


def _closed_form(space: Data) -> Data:
    """Every head is trained, and starts at zero; looks are left as they are."""
    fixed = _fixed(space, {"head_start": "zero"})
    return fixed | {"heads": ["linear"], "seeds": [{**seed, "head": "linear"} for seed in fixed["seeds"]]}


def _taps(space: Data) -> Data:
    seeds = [{**seed, "taps": "last", "grids": [1]} for seed in space["seeds"]]
    return space | {"taps": {"stages": "last", "grids": [1]}, "seeds": seeds}


def _augmentation(space: Data) -> Data:
    return _fixed(space, {name: KNOWN_HYPERPARAMETERS[name] for name in AUGMENTATION})


def _fixed(space: Data, values: Data) -> Data:
    """The space with hyperparameters that have one value only, in its seeds too."""
    listed = {
        name: {"values": [values[name]], "default": values[name]} if name in values else rules
        for name, rules in space["hyperparameters"].items()
    }
    seeds = [
        {**seed, "values": {k: v for k, v in seed["values"].items() if k not in values}}
        for seed in space["seeds"]
    ]
    return space | {"hyperparameters": listed, "seeds": seeds}


def _looks(space: Data) -> Data:
    """No looks, and nothing that goes by them."""
    seeds = [{**seed, "follow": []} for seed in space["seeds"]]
    return space | {
        "looks": None,
        "seeds": seeds,
        "parents": {**space.get("parents", {}), "order": "shuffled"},
    }


ABLATIONS: dict[str, Callable[[Data], Data]] = {
    "transfer_prior": _transfer_prior,
    "learned_rates": _learned_rates,
    "adapters": _adapters,
    "closed_form": _closed_form,
    "taps": _taps,
    "augmentation": _augmentation,
    "recombination": _recombination,
    "multipath": _multipath,
    "rejection": lambda space: space | {"rejection": None},
    "stop": lambda space: space | {"stop": None},
    "looks": _looks,
}
