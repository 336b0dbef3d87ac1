"""Pretrained models cut into stages, and where their weights come from."""

from evo_mtl.network.trunks.cost import StageWork, work_in
from evo_mtl.network.trunks.trunk import (
    CUTS,
    Trunk,
    build_trunk,
    stage_module,
    stage_modules,
    stage_outline,
    stage_outlines,
)

__all__ = [
    "CUTS",
    "StageWork",
    "Trunk",
    "build_trunk",
    "stage_module",
    "stage_modules",
    "stage_outline",
    "stage_outlines",
    "work_in",
]
