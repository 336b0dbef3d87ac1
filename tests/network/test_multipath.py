"""The head of a route with several paths."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from evo_mtl.archive.store import ComponentStore
from evo_mtl.network.components import load_module
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.network.kinds.multipath import MultipathHead

K = 5


def main_head(width: int = 6, projection: int = 0) -> Head:
    """A head with drawn weights."""
    drawn = torch.Generator().manual_seed(1)
    head = Head(width, K, projection, projection_seed=9 if projection else 0)
    with torch.no_grad():
        head.linear.weight.copy_(torch.randn(head.linear.weight.shape, generator=drawn))
        head.linear.bias.copy_(torch.randn(K, generator=drawn))
        head.mean.copy_(torch.randn(width, generator=drawn))
        head.temperature.fill_(1.7)
    return head


def spec(head: MultipathHead, projection: int) -> dict:
    main = {"kind": "linear", "in_features": 6, "num_classes": K}
    if projection:
        main |= {"kind": "projected_ridge", "projection_width": projection, "projection_seed": 9}
    return {"kind": "multipath", "main": main, "widths": list(head.widths[1:])}


def moved(head: MultipathHead) -> MultipathHead:
    """A copy with drawn connectors and router, as if it had been trained."""
    head, drawn = copy.deepcopy(head), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in (*head.connectors.parameters(), *head.router.parameters()):
            p.add_(torch.randn(p.shape, generator=drawn))
    return head


def taps(width: int, count: int = 40) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("widths", [(4,), (4, 7)])
@pytest.mark.parametrize("projection", [0, 11])
def test_zero_connectors_leave_the_highest_logit_of_the_main_head(
    widths: tuple[int, ...], projection: int
) -> None:
    main = main_head(projection=projection)
    x = taps(6 + sum(widths))
    expected = main(x[:, :6]).argmax(1)
    found = MultipathHead(copy.deepcopy(main), widths)(x).argmax(1)
    assert len(expected.unique()) > 1
    assert torch.equal(found, expected)


@pytest.mark.parametrize("widths", [(4,), (4, 7)])
def test_the_main_path_starts_with_a_weight_of_0_8_for_every_image_and_the_others_share_the_rest(
    widths: tuple[int, ...],
) -> None:
    head = MultipathHead(main_head(), widths)
    weights = head.weights(head.path_logits(taps(6 + sum(widths))))
    share = 0.2 / len(widths)
    assert_close(weights, torch.tensor([0.8, *[share] * len(widths)]).expand(40, -1))


def test_logits_are_the_weighted_sum_of_the_paths_logits_over_the_temperature() -> None:
    head = moved(MultipathHead(main_head(), (4,)))
    head.temperature.fill_(2.5)
    x = taps(10)
    with torch.no_grad():
        first, second = head.main(x[:, :6]), head.connectors[0](x[:, 6:])
        weights = head.router(first).softmax(1)
        expected = (weights[:, :1] * first + weights[:, 1:] * second) / 2.5
        assert_close(head(x), expected)
    assert weights[:, 0].std() > 0.01


def test_no_gradient_passes_through_the_router_to_what_the_main_path_is_computed_from() -> None:
    head = moved(MultipathHead(main_head(), (4,)))
    x, y = taps(10).requires_grad_(True), taps(10).requires_grad_(True)
    torch.nn.functional.cross_entropy(head(x), torch.arange(40) % K).backward()
    with torch.no_grad():
        constant = head.weights(head.path_logits(y)).unsqueeze(2)
    logits = (constant * head.path_logits(y)).sum(1)
    torch.nn.functional.cross_entropy(logits, torch.arange(40) % K).backward()
    assert_close(x.grad, y.grad)
    assert float(head.router.weight.grad.norm()) > 0


def test_the_main_head_is_frozen_and_connectors_and_router_are_not() -> None:
    head = MultipathHead(main_head(), (4, 7))
    trained = {name for name, p in head.named_parameters() if p.requires_grad}
    connectors = {f"connectors.{i}.linear.{kind}" for i in (0, 1) for kind in ("weight", "bias")}
    assert trained == {*connectors, "router.weight", "router.bias"}


def test_with_fewer_paths_the_first_ones_keep_what_they_learned() -> None:
    head = moved(MultipathHead(main_head(), (4, 7)))
    fewer = head.first(1)
    x = taps(17)
    assert fewer.widths == (6, 4)
    assert torch.equal(fewer.path_logits(x[:, :10]), head.path_logits(x)[:, :2])
    assert torch.equal(fewer.router.weight, head.router.weight[:2])
    assert torch.equal(fewer.router.bias, head.router.bias[:2])
    assert head.first(2) is head


@pytest.mark.parametrize("projection", [0, 11])
def test_a_written_head_is_read_back_bit_for_bit(projection: int, tmp_path: Path) -> None:
    head = moved(MultipathHead(main_head(projection=projection), (4, 7)))
    head.temperature.fill_(0.6)
    store = ComponentStore(tmp_path)
    again = load_module(store.read, store.write(head.state_dict(), spec(head, projection)))
    x = taps(17)
    assert torch.equal(again(x), head(x))
    assert num_parameters(again) == num_parameters(head)
