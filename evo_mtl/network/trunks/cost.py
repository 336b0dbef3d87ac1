"""What a stage costs to run: multiply-adds of one example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from timm.layers.attention import Attention
from torch import nn

from evo_mtl.network.pooling import main_tensor


class StageWork(NamedTuple):
    """What a stage does with one image: multiply-adds, and the shape ``(1, ...)`` of what it gives."""

    multiply_adds: int
    shape: tuple[int, ...]


@torch.no_grad()
def work_in(modules: Sequence[nn.Module], first: torch.Tensor) -> tuple[StageWork, ...]:
    """What is done with one example in each module, run one after another.

    Convolutions, linear layers and the two matrix products of attention are counted; norms,
    activations and sums are not.

    Args:
        modules: From the first activation onwards, each from activation to activation.
        first: That activation, of one example.
    """
    found: list[StageWork] = []
    count = 0

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        nonlocal count
        count += _work(module, inputs[0], output)

    device = next((p.device for module in modules for p in module.parameters()), None)
    activation: Any = first if device is None else first.to(device)
    for module in modules:
        count = 0
        handles = [m.register_forward_hook(hook) for m in module.modules() if isinstance(m, COUNTED)]
        try:
            activation = module(activation)
        finally:
            for handle in handles:
                handle.remove()
        found.append(StageWork(count, tuple(main_tensor(activation).shape)))
    return tuple(found)


COUNTED = (nn.Conv2d, nn.Linear, Attention)


def _work(module: Any, x: torch.Tensor, output: torch.Tensor) -> int:
    if isinstance(module, nn.Conv2d):
        kernel = module.kernel_size[0] * module.kernel_size[1]
        return output.numel() * kernel * module.in_channels // module.groups
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    # Queries by keys, then weights by values: its linear layers are counted on their own.
    return 2 * x.shape[1] ** 2 * module.num_heads * module.head_dim
