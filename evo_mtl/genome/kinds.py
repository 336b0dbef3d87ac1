"""Kinds of components, as far as genes have to know them: no tensors, and no torch is loaded.

What a kind computes is said in one module, its ``home`` (:mod:`evo_mtl.network.kinds`). A new kind is that module
and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from evo_mtl.errors import InputError
from evo_mtl.registry import Registry

Value = float | int | str | bool
Role = Literal["stage", "adapter", "head"]
Settings = tuple[tuple[str, Value], ...]
"""Name and value, sorted by name."""


class Values(Protocol):
    """Hyperparameters by name."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Setting:
    """What a kind's spec takes from a hyperparameter.

    Attributes:
        hyperparameter: Its name.
        usual: The value it has where a space does not list it.
        meaning: In words, for people.
    """

    hyperparameter: str
    usual: Value
    meaning: str


@dataclass(frozen=True)
class KindFacts:
    """What genes know of a kind.

    Attributes:
        role: Where in a route it stands.
        home: The module that says what it computes, in a :class:`evo_mtl.network.kinds.kind.Kind` named ``KIND``.
        trained: Whether gradient descent fits it; other heads are solved in closed form.
        settings: By name in its spec, what it takes from hyperparameters when it is new.
        listed: Whether a search space may name it; other kinds come about in ways of their own.
        buffers: Last words of the names of its tensors that are not learned.
    """

    role: Role
    home: str
    trained: bool = True
    settings: Mapping[str, Setting] = field(default_factory=dict)
    listed: bool = True
    buffers: tuple[str, ...] = ()

    def settings_of(self, values: Values) -> Settings:
        """The settings of a new component under some hyperparameters."""
        return tuple((name, values[one.hyperparameter]) for name, one in sorted(self.settings.items()))

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names of the hyperparameters that it reads."""
        return tuple(one.hyperparameter for _, one in sorted(self.settings.items()))


KINDS: Registry[KindFacts] = Registry("kind of component")


def facts_of(kind: str, role: Role) -> KindFacts:
    """What is known of a kind.

    Raises:
        InputError: There is none of that name, or it stands elsewhere in a route.
    """
    facts = KINDS.get(kind)
    if facts.role != role:
        raise InputError(f"{kind!r} is a kind of {facts.role}, not of {role}")
    return facts


def listed_kinds(role: Role) -> tuple[str, ...]:
    """Kinds that a search space may name for a role."""
    return tuple(name for name in KINDS if KINDS.get(name).role == role and KINDS.get(name).listed)


def hyperparameters_of_kinds() -> dict[str, Setting]:
    """Every hyperparameter that some kind reads, by name."""
    return {one.hyperparameter: one for name in KINDS for one in KINDS.get(name).settings.values()}


_HOME = "evo_mtl.network.kinds."
_STANDARDISED = ("mean", "scale", "temperature")
_WIDTH = {"width": Setting("adapter_width", 32, "hidden width of a new adapter")}
_PROJECTION = {
    "projection_width": Setting(
        "projection_width", 1000, "width of the random ReLU projection under a projected_ridge head"
    )
}

KINDS.add(
    "stage",
    KindFacts("stage", _HOME + "stage", buffers=("running_mean", "running_var", "num_batches_tracked")),
)
KINDS.add("bottleneck", KindFacts("adapter", _HOME + "bottleneck", settings=_WIDTH))
KINDS.add("linear", KindFacts("head", _HOME + "linear", buffers=_STANDARDISED))
KINDS.add("ridge", KindFacts("head", _HOME + "ridge", trained=False, buffers=_STANDARDISED))
KINDS.add(
    "projected_ridge",
    KindFacts("head", _HOME + "projected_ridge", trained=False, settings=_PROJECTION, buffers=_STANDARDISED),
)
KINDS.add("nearest_mean", KindFacts("head", _HOME + "nearest_mean", trained=False, buffers=_STANDARDISED))
KINDS.add("slda", KindFacts("head", _HOME + "slda", trained=False, buffers=_STANDARDISED))
KINDS.add("multipath", KindFacts("head", _HOME + "multipath", listed=False, buffers=_STANDARDISED))
