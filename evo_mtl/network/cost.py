"""What parts of routes cost: parameters and multiply-adds, from shapes alone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from evo_mtl.network.adapters import make_adapter
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.trunks import multiply_adds, stage_modules


def num_parameters(module: nn.Module) -> int:
    """Learnable numbers of a module; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


@lru_cache(maxsize=16)
def stage_parameters(name: str, cut: str) -> tuple[int, ...]:
    """Parameters of each stage of a trunk."""
    return tuple(num_parameters(stage) for stage in stage_modules(name, cut))


@lru_cache(maxsize=256)
def adapter_parameters(kind: str, channels: int, width: int) -> int:
    """Parameters of an adapter."""
    return num_parameters(make_adapter(kind, channels, width, torch.Generator()))


@lru_cache(maxsize=1024)
def line_multiply_adds(
    layout: TrunkLayout, depth: int, adapters: tuple[tuple[int, int], ...], image_size: int
) -> tuple[int, ...]:
    """Multiply-adds of one example in each stage, the adapter behind it included.

    Args:
        layout: The trunk.
        depth: Stages of the route.
        adapters: Stage and width of each adapter.
        image_size: Side of a square image; not read where examples are none.
    """
    source = layout.input.at(image_size)
    first = source.first(torch.from_numpy(np.zeros((1, *source.shape), source.dtype)))
    widths = dict(adapters)
    modules: list[nn.Module] = []
    owner: list[int] = []
    for i, stage in enumerate(stage_modules(layout.name, layout.cut)[:depth]):
        modules.append(stage)
        owner.append(i)
        if i in widths:
            modules.append(make_adapter(layout.kind, layout.channels[i], widths[i], torch.Generator()))
            owner.append(i)
    return _by_owner(owner, multiply_adds(modules, first), depth)


def _by_owner(owner: Iterable[int], counts: Iterable[int], depth: int) -> tuple[int, ...]:
    sums = [0] * depth
    for place, count in zip(owner, counts, strict=True):
        sums[place] += count
    return tuple(sums)
