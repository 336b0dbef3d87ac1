"""What a stage costs to run: multiply-adds of one image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from timm.layers.attention import Attention
from torch import nn

from evo_mtl.network.trunks.trunk import stage_modules


@torch.no_grad()
def multiply_adds(modules: Sequence[nn.Module], image_size: int) -> tuple[int, ...]:
    """Multiply-adds of one image in each module, run one after another.

    Convolutions, linear layers and the two matrix products of attention are counted; norms,
    activations and sums are not.

    Args:
        modules: From pixels ``(1, 3, S, S)`` onwards, each from activation to activation.
        image_size: ``S``.
    """
    counted: list[int] = []
    count = 0

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        nonlocal count
        count += _work(module, inputs[0], output)

    device = next((p.device for module in modules for p in module.parameters()), None)
    activation: Any = torch.zeros(1, 3, image_size, image_size, device=device)
    for module in modules:
        count = 0
        handles = [m.register_forward_hook(hook) for m in module.modules() if isinstance(m, COUNTED)]
        try:
            activation = module(activation)
        finally:
            for handle in handles:
                handle.remove()
        counted.append(count)
    return tuple(counted)


@lru_cache(maxsize=64)
def trunk_multiply_adds(name: str, cut: str, image_size: int) -> tuple[int, ...]:
    """Multiply-adds of one image in each stage of a trunk; kept, since they depend on nothing else."""
    return multiply_adds(stage_modules(name, cut), image_size)


COUNTED = (nn.Conv2d, nn.Linear, Attention)


def _work(module: Any, x: torch.Tensor, output: torch.Tensor) -> int:
    if isinstance(module, nn.Conv2d):
        kernel = module.kernel_size[0] * module.kernel_size[1]
        return output.numel() * kernel * module.in_channels // module.groups
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    # Queries by keys, then weights by values: its linear layers are counted on their own.
    return 2 * x.shape[1] ** 2 * module.num_heads * module.head_dim
