"""Depthwise convolutions whose gradients are quick on a CPU; what they answer is the same to the bit.

oneDNN's weight gradient of a depthwise convolution is fast for kernels of at most three columns, and many times slower for wider
ones. A wide kernel's gradient is therefore taken a few columns at a time, each from the input moved by as much. The input's gradient
at stride 1 is a forward convolution with the kernel turned around. ``scripts/benchmark_speed steps`` measures a whole step both ways.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

COLUMNS = 3
"""Of a kernel whose weight gradient is fast."""


def quicken(module: nn.Module) -> nn.Module:
    """The module with quick depthwise convolutions in place of wide ones; they share its parameters, under the same names."""
    if type(module) in (nn.Conv2d, Conv2dSame) and _is_wide_and_depthwise(cast(nn.Conv2d, module)):
        return Depthwise(cast(nn.Conv2d, module))
    for name, child in module.named_children():
        setattr(module, name, quicken(child))
    return module


def _is_wide_and_depthwise(conv: nn.Conv2d) -> bool:
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and conv.kernel_size[1] > COLUMNS
        and conv.dilation == (1, 1)
        and conv.padding_mode == "zeros"
        and isinstance(conv.padding, tuple)
    )


class Depthwise(nn.Conv2d):
    """Stands for a depthwise convolution, whose parameters it has.

    Args:
        conv: Padded by a fixed amount, or by TensorFlow's rule (timm's ``Conv2dSame``).
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            cast(tuple[int, int], conv.kernel_size),
            cast(tuple[int, int], conv.stride),
            cast(tuple[int, int], conv.padding),
            groups=conv.groups,
            bias=conv.bias is not None,
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        self._padded_by_rule = isinstance(conv, Conv2dSame)
        self.train(conv.training)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        stride, padding = cast(tuple[int, int], self.stride), cast(tuple[int, int], self.padding)
        if self._padded_by_rule:
            input, padding = pad_same(input, list(weight.shape[-2:]), list(stride)), (0, 0)
        if is_worth_it(input, weight, bias):
            return cast(Tensor, _Quick.apply(input, weight, bias, stride, padding))
        return nn.functional.conv2d(input, weight, bias, stride, padding, 1, self.groups)


def is_worth_it(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether gradients are wanted, of numbers and on a processor for which the quick way is quick."""
    wanted = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (x, weight, bias)
    )
    float32 = x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
    return wanted and x.device.type == "cpu" and float32


class _Quick(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return nn.functional.conv2d(x, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            _input_gradient(gradient, x, weight, ctx.stride, ctx.padding) if of_x else None,
            _weight_gradient(gradient, x, weight, ctx.stride, ctx.padding) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
            None,
            None,
        )


def _input_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    beyond = [size - 1 - pad for size, pad in zip(weight.shape[-2:], padding, strict=True)]
    if stride != (1, 1) or min(beyond) < 0:
        return _gradients(gradient, x, weight, stride, padding, [True, False, False])[0]
    turned = weight.flip(2, 3)
    return nn.functional.conv2d(gradient, turned, None, 1, beyond, 1, len(weight))


def _weight_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    width, across = weight.shape[-1], stride[1] * (gradient.shape[-1] - 1)
    if x.shape[-1] <= COLUMNS:  # so narrow that moving costs more
        return _gradients(gradient, x, weight, stride, padding, [False, True, False])[1]
    x = nn.functional.pad(x, (padding[1], padding[1]))
    found = torch.empty_like(weight)
    for first in range(0, width, COLUMNS):
        columns = slice(first, min(first + COLUMNS, width))
        moved = x[..., first : across + columns.stop].contiguous(memory_format=torch.channels_last)
        part = weight[..., columns]
        found[..., columns] = _gradients(
            gradient, moved, part, stride, (padding[0], 0), [False, True, False]
        )[1]
    return found


def _gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """torch's own gradients of input, weight and bias, as far as they are wanted."""
    found = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), wanted
    )
    return cast(tuple[Tensor, Tensor, Tensor], found)
