"""Adapters: the identity at birth, trainable after it."""

from __future__ import annotations

import pytest
import torch

from evo_mtl.network.kinds.kind import new

SHAPES = {"conv": (2, 12, 5, 5), "token": (2, 7, 12)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def activation(kind: str) -> torch.Tensor:
    return torch.randn(SHAPES[kind], generator=generator(1))


def an_adapter(form: str, drawn: torch.Generator) -> torch.nn.Module:
    return new({"kind": "bottleneck", "form": form, "channels": 12, "width": 4}, drawn)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_new_adapter_is_the_identity_bit_for_bit(kind):
    x = activation(kind)
    assert torch.equal(an_adapter(kind, generator())(x), x)


@pytest.mark.parametrize("kind", SHAPES)
def test_gradient_reaches_the_up_projection_of_a_new_adapter(kind):
    adapter = an_adapter(kind, generator())
    adapter(activation(kind)).square().sum().backward()
    assert adapter.up.weight.grad.abs().min() > 0


@pytest.mark.parametrize("kind", SHAPES)
def test_gradient_reaches_every_parameter_after_one_step(kind):
    adapter, x = an_adapter(kind, generator()), activation(kind)
    optimizer = torch.optim.SGD(adapter.parameters(), lr=0.01)
    adapter(x).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    adapter(x).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in adapter.parameters())


@pytest.mark.parametrize("kind", SHAPES)
def test_only_the_main_tensor_of_a_tuple_is_adapted(kind):
    adapter, x, skip = an_adapter(kind, generator()), activation(kind), torch.ones(3)
    torch.nn.init.ones_(adapter.up.weight)
    main, handed_on = adapter((x, skip))
    assert torch.equal(main, adapter(x))
    assert not torch.equal(main, x)
    assert handed_on is skip


def test_a_conv_adapter_keeps_channels_last():
    x = activation("conv").to(memory_format=torch.channels_last)
    adapter = an_adapter("conv", generator())
    torch.nn.init.ones_(adapter.up.weight)
    y = adapter(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, adapter(x.contiguous()))


@pytest.mark.parametrize("kind", SHAPES)
def test_initialisation_comes_from_the_given_generator_only(kind):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = an_adapter(kind, generator(9)).state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = an_adapter(kind, generator(9)).state_dict()
    other = an_adapter(kind, generator(10)).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["down.weight"], other["down.weight"])
