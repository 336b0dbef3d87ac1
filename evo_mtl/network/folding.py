"""Batch normalization folded into the convolution before it, for modules that are only run.

In eval mode ``norm(conv(x))`` is a convolution with other weights, which saves a pass over every activation.
All that runs in eval mode runs folded (kept activations, validation, archived routes), so what a
candidate scored is what its route answers, bit for bit; a module that is trained is not folded.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from evo_mtl.network.pooling import main_tensor
from evo_mtl.seeding import torch_seed

PROBE_SIZE = 32
TOLERANCE = 1e-3

Fold = tuple[str, str]
"""Names, inside a module, of a convolution and of the batch norm that it takes in."""


def folded(module: nn.Module) -> nn.Module:
    """The module in the form in which it is run where nothing is trained; the module itself if nothing can be folded.

    The result is in eval mode and in the module's memory format. What is folded depends on what the
    module is, not on its weights: see :func:`mark`.

    Args:
        module: Left as it is.
    """
    if not getattr(module, "folds", ()):
        return module
    return _fold(module, module.folds)  # type: ignore[arg-type]


def mark(stages: Sequence[nn.Module]) -> None:
    """Finds what can be folded in each stage and notes it there as ``folds``, which copies of a stage keep.

    A batch norm is assumed to follow the convolution registered right before it, if their widths fit.
    Whether it really does is tested on random images, with norms that are far from the identity: a stage
    that does not compute the same when folded gets no folds.

    Args:
        stages: From pixels onwards, in eval mode, each from activation to activation.
    """
    found = [tuple(foldable(stage)) for stage in stages]
    last = max((i for i, folds in enumerate(found) if folds), default=-1)
    drawn = torch.Generator().manual_seed(torch_seed(0, "folding probe"))
    activation: Any = torch.randn(2, 3, PROBE_SIZE, PROBE_SIZE, generator=drawn)
    for i, stage in enumerate(stages):
        folds: tuple[Fold, ...] = ()
        if i <= last:
            probe = _with_drawn_norms(stage, drawn)
            plain = _run(probe, activation)
            if found[i] and _close(_run(_fold(probe, found[i]), activation), plain):
                folds = found[i]
            activation = plain
        stage.folds = folds  # type: ignore[assignment]


def foldable(module: nn.Module, prefix: str = "") -> Iterator[Fold]:
    """Every convolution with the batch norm registered right after it, whether or not it really follows."""
    before, before_name = None, ""
    for name, child in module.named_children():
        if (
            type(child) in (nn.BatchNorm2d, BatchNormAct2d)
            and isinstance(before, nn.Conv2d)
            and before.out_channels == child.num_features
            and child.running_var is not None
        ):
            yield before_name, prefix + name
        yield from foldable(child, f"{prefix}{name}.")
        before, before_name = child, prefix + name


@torch.no_grad()
def _fold(module: nn.Module, folds: Sequence[Fold]) -> nn.Module:
    module = copy.deepcopy(module).eval()
    for conv_name, norm_name in folds:
        conv: Any = module.get_submodule(conv_name)
        norm: Any = module.get_submodule(norm_name)
        scale = (norm.running_var.double() + norm.eps).sqrt().reciprocal()  # rounded alike on every device
        shift = -norm.running_mean.double() * scale
        if norm.affine:
            scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
        if conv.bias is not None:
            shift = shift + conv.bias * scale
        needs_gradient = conv.weight.requires_grad
        kernel = conv.weight * scale.to(conv.weight.dtype).view(-1, 1, 1, 1)
        conv.weight = nn.Parameter(kernel, requires_grad=needs_gradient)
        conv.bias = nn.Parameter(shift.to(kernel.dtype), requires_grad=needs_gradient)
        parent, _, name = norm_name.rpartition(".")
        setattr(module.get_submodule(parent), name, norm.act if hasattr(norm, "act") else nn.Identity())
    module.folds = ()  # type: ignore[assignment]
    return module


@torch.no_grad()
def _with_drawn_norms(stage: nn.Module, drawn: torch.Generator) -> nn.Module:
    """A copy whose batch norms are random: with fresh ones it would not be noticed if one were left out."""
    stage = copy.deepcopy(stage)
    for norm in stage.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                if tensor is not None:
                    tensor.copy_(torch.rand(tensor.shape, generator=drawn) + 0.5)
    return stage


@torch.no_grad()
def _run(stage: nn.Module, activation: Any) -> Any:
    """The output for a copy of the activation, since a block may add into its input in place."""
    if isinstance(activation, tuple):
        return stage(tuple(tensor.clone() for tensor in activation))
    return stage(activation.clone())


def _close(a: Any, b: Any) -> bool:
    ours, plain = main_tensor(a), main_tensor(b)
    scale = float(plain.abs().max())
    return bool((ours - plain).abs().max() <= TOLERANCE * max(scale, 1e-6))
