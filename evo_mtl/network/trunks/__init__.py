"""Trunks by family, a file each; where their weights come from, and what their stages cost.

    timm      pretrained timm models, cut into stages; any name that is not another family's
    vector    residual blocks on vectors, the identity until they are trained

To add a family: write a class with the faces of :class:`~evo_mtl.network.trunks.family.TrunkFamily` in a file here
and enter it below. A name belongs to the family it begins with, up to a ``-``.
"""

from __future__ import annotations

import copy

from torch import nn

from evo_mtl.errors import TrunkError
from evo_mtl.network.trunks.cost import StageWork, work_in
from evo_mtl.network.trunks.family import TrunkFamily
from evo_mtl.network.trunks.timm_models import TimmFamily
from evo_mtl.network.trunks.trunk import CUTS, Trunk
from evo_mtl.network.trunks.vector import VectorFamily
from evo_mtl.registry import Registry
from evo_mtl.streams.raw import Form

TRUNKS: Registry[TrunkFamily] = Registry("trunk")
TRUNKS.add("timm", TimmFamily())
TRUNKS.add("vector", VectorFamily())

__all__ = [
    "CUTS",
    "TRUNKS",
    "StageWork",
    "Trunk",
    "TrunkFamily",
    "build_trunk",
    "stage_module",
    "stage_modules",
    "stage_outline",
    "stage_outlines",
    "trunk_name",
    "work_in",
]


def family_of(name: str) -> TrunkFamily:
    """The family that a trunk's name belongs to; timm's where no other has it."""
    family = name.partition("-")[0]
    return TRUNKS.get(family if family in TRUNKS else "timm")


def trunk_name(name: str, form: Form) -> str:
    """The full name of a trunk for examples of some form, from the name that a search space gives.

    Raises:
        TrunkError: The name is none, or such examples cannot be read.
    """
    return family_of(name).named(name, form)


def build_trunk(name: str, weights: str, cut: str = "block") -> Trunk:
    """A trunk with its weights; the same tensors each time.

    Args:
        name: A full name, as :func:`trunk_name` gives it.
        weights: Where its weights come from; see :mod:`evo_mtl.network.trunks.weights`.
        cut: How fine.

    Raises:
        TrunkError: Unknown name, a model that cannot be cut, or weights that cannot be had.
    """
    return family_of(name).build(name, weights, cut)


def stage_module(name: str, cut: str, index: int) -> nn.Module:
    """A fresh module of one stage, to load a component's tensors into.

    Its weights are unspecified. It is in eval mode and its parameters need no gradient.

    Raises:
        TrunkError: No such trunk, cut or stage.
    """
    _at(index, name, cut)
    return family_of(name).stage(name, cut, index)


def stage_modules(name: str, cut: str) -> tuple[nn.Module, ...]:
    """Fresh modules of all stages, as :func:`stage_module` gives each."""
    return tuple(stage_module(name, cut, i) for i in range(len(stage_outlines(name, cut))))


def stage_outline(name: str, cut: str, index: int) -> nn.Module:
    """A stage's module without storage, to read shapes from; as :func:`stage_module` otherwise."""
    return copy.deepcopy(_at(index, name, cut))


def stage_outlines(name: str, cut: str) -> tuple[nn.Module, ...]:
    """Modules of all stages without storage; shared, to be left as they are."""
    return family_of(name).outlines(name, cut)


def _at(index: int, name: str, cut: str) -> nn.Module:
    stages = stage_outlines(name, cut)
    if not 0 <= index < len(stages):
        raise TrunkError(f"trunk {name} cut by {cut} has stages 0 to {len(stages) - 1}, not {index}")
    return stages[index]
