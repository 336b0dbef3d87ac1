"""Heads: what they compute, and that they come back from a store."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evo_mtl.archive.store import ComponentStore
from evo_mtl.network.components import load_module
from evo_mtl.network.head import LIMIT, Head


def filled(width: int = 0, seed: int = 11) -> Head:
    head = Head(6, 3, width, seed if width else 0)
    drawn = torch.Generator().manual_seed(1)
    with torch.no_grad():
        head.mean.normal_(generator=drawn)
        head.scale.uniform_(0.5, 2.0, generator=drawn)
        head.temperature.fill_(1.7)
        head.linear.weight.normal_(generator=drawn)
        head.linear.bias.normal_(generator=drawn)
    return head


def spec(width: int = 0, seed: int = 11) -> dict:
    read = {"in_features": 6, "num_classes": 3}
    if not width:
        return {"kind": "ridge", **read}
    return {"kind": "projected_ridge", **read, "projection_width": width, "projection_seed": seed}


def test_a_new_head_answers_evenly() -> None:
    assert torch.equal(
        Head(6, 3)(torch.randn(4, 6, generator=torch.Generator().manual_seed(0))), torch.zeros(4, 3)
    )


def test_a_head_is_a_linear_map_of_standardised_taps_over_its_temperature() -> None:
    head = filled()
    taps = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    plain = (taps - head.mean) / head.scale @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(taps), plain / 1.7)


def test_a_projected_head_puts_a_random_relu_layer_between() -> None:
    head = filled(width=32)
    taps = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    assert head.projection is not None
    hidden = torch.relu((taps - head.mean) / head.scale @ head.projection)
    torch.testing.assert_close(head(taps), (hidden @ head.linear.weight.T + head.linear.bias) / 1.7)


def test_a_tap_far_outside_the_training_images_is_cut_off() -> None:
    head = filled()
    with torch.no_grad():
        far, farther = (head.mean + times * LIMIT * head.scale for times in (2, 1000))
        assert torch.equal(head(far[None]), head(farther[None]))


@pytest.mark.parametrize("width", [0, 32])
def test_a_head_comes_back_from_a_store_with_equal_logits_and_no_stored_projection(
    width: int, tmp_path: Path
) -> None:
    head, store = filled(width), ComponentStore(tmp_path)
    name = store.write(head.state_dict(), spec(width))
    tensors, _ = store.read(name)
    assert set(tensors) == {"mean", "scale", "temperature", "linear.weight", "linear.bias"}
    taps = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    again = load_module(store.read, name)
    assert not again.training
    assert torch.equal(again(taps), head(taps))


def test_equal_heads_have_one_digest_and_another_projection_seed_is_another_component(tmp_path: Path) -> None:
    store = ComponentStore(tmp_path)
    name = store.write(filled(32).state_dict(), spec(32))
    assert store.write(filled(32).state_dict(), spec(32)) == name
    assert store.write(filled(32).state_dict(), spec(32, seed=12)) != name
