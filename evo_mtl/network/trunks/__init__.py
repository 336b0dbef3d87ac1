"""Pretrained models cut into stages, and where their weights come from."""

from evo_mtl.network.trunks.cost import multiply_adds
from evo_mtl.network.trunks.trunk import CUTS, Trunk, build_trunk, stage_module, stage_modules

__all__ = [
    "CUTS",
    "Trunk",
    "build_trunk",
    "multiply_adds",
    "stage_module",
    "stage_modules",
]
