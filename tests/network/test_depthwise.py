"""Quick depthwise convolutions: the same answers to the bit, and the same gradients up to rounding."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from evo_mtl.network.depthwise import Depthwise, quicken
from evo_mtl.network.trunks import build_trunk

CONVOLUTIONS = {
    "five wide": nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
    "with a bias": nn.Conv2d(8, 8, 5, padding=2, groups=8),
    "seven wide": nn.Conv2d(8, 8, 7, padding=3, groups=8),
    "four wide": nn.Conv2d(8, 8, 4, padding=1, groups=8),
    "stride two": nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8, bias=False),
    "no padding": nn.Conv2d(8, 8, 5, groups=8, bias=False),
    "more padding than kernel": nn.Conv2d(8, 8, 5, padding=6, groups=8, bias=False),
    "wider than high": nn.Conv2d(8, 8, (3, 7), padding=(1, 3), groups=8),
    "padded by rule": Conv2dSame(8, 8, 5, stride=2, groups=8, bias=False),
}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (name, size)
        for name, conv in CONVOLUTIONS.items()
        for size in (2, 5, 6, 11)
        if size + 2 * max(conv.padding) >= max(conv.kernel_size) or isinstance(conv, Conv2dSame)
    ],
)
def test_answers_are_equal_and_gradients_nearly(name: str, size: int) -> None:
    plain = copy.deepcopy(CONVOLUTIONS[name])
    quick = quicken(copy.deepcopy(plain))
    assert isinstance(quick, Depthwise)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 8, size, size, generator=generator).contiguous(memory_format=torch.channels_last)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    answer, other = quick(ours), plain(theirs)
    assert torch.equal(answer, other)
    with torch.no_grad():
        assert torch.equal(quick(x), other)
    towards = torch.randn(answer.shape, generator=generator)
    answer.backward(towards)
    other.backward(towards)
    torch.testing.assert_close(ours.grad, theirs.grad)
    for (_, mine), (_, its) in zip(quick.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad)


def test_only_what_is_asked_for_is_computed() -> None:
    quick = quicken(nn.Conv2d(4, 4, 5, padding=2, groups=4)).requires_grad_(False)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    quick(x).sum().backward()
    assert x.grad is not None
    assert quick.weight.grad is None


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 8, 5, padding=2, groups=4),
        nn.Conv2d(4, 4, 5, padding=2, groups=2),
        nn.Conv2d(4, 4, 5, padding=4, dilation=2, groups=4),
        nn.Conv2d(4, 4, 5, padding="same", groups=4),
        nn.Conv2d(4, 4, 5, padding=2, groups=4, padding_mode="reflect"),
    ],
)
def test_others_are_left_as_they_are(conv: nn.Conv2d) -> None:
    assert quicken(conv) is conv


def test_a_trunk_has_them_under_the_same_names() -> None:
    trunk = build_trunk("tf_efficientnet_lite0", "random")
    quick = [module for stage in trunk.stages for module in stage.modules() if isinstance(module, Depthwise)]
    wide = [module for stage in trunk.stages for module in stage.modules() if _is_wide(module)]
    assert quick
    assert quick == wide


def _is_wide(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups > 1 and module.kernel_size[1] > 3
