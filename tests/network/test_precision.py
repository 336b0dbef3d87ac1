"""Frozen stages in bfloat16: a property of the component; what is trained is float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evo_mtl.network import forward
from evo_mtl.network.components import Modules, stored
from evo_mtl.network.forward import run_dynamic
from evo_mtl.network.route import INPUT
from evo_mtl.testing.worlds import a_trunk
from tests.network.test_forward import IMAGES, SIZE, World

TRUNKS = [("mobilenetv2_035", "group"), ("resnet10t", "half"), ("vit_tiny_patch16_224", "group")]


def rounded(folder: Path, name: str = "mobilenetv2_035", cut: str = "group") -> World:
    return World(folder, name, cut, "bfloat16")


def types(module: torch.nn.Module) -> set[torch.dtype]:
    return {tensor.dtype for tensor in module.parameters()}


def test_kernels_are_stored_in_bfloat16_vectors_in_float32_and_the_spec_says_so(tmp_path: Path) -> None:
    store, layout, facts = a_trunk(tmp_path, dtype="bfloat16")
    tensors, spec = store.read(facts.components[1])
    assert spec == {**layout.stage_spec(1), "dtype": "bfloat16"}
    floating = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    assert {t.dtype for t in floating if t.ndim > 1} == {torch.bfloat16}
    assert {t.dtype for t in floating if t.ndim == 1} == {torch.float32}


def test_what_is_stored_in_float32_is_neither_changed_nor_named(tmp_path: Path) -> None:
    tensors = {"weight": torch.rand(2, 2)}
    assert stored(tensors, {"kind": "head"}, "float32") == (tensors, {"kind": "head"})


def test_a_frozen_module_is_bfloat16_and_a_fresh_one_float32(tmp_path: Path) -> None:
    store, _, facts = a_trunk(tmp_path, dtype="bfloat16")
    modules = Modules(store.read)
    component = facts.components[1]
    assert types(modules[component]) == {torch.bfloat16}
    assert types(modules.fresh(component)) == {torch.float32}


def test_gradients_pass_through_float32_copies_of_frozen_modules(tmp_path: Path) -> None:
    store, _, facts = a_trunk(tmp_path, dtype="bfloat16")
    modules = Modules(store.read)
    component = facts.components[1]
    assert types(modules.passing(component)) == {torch.float32}
    assert modules.passing(component) is modules.passing(component)


def test_a_float32_module_is_itself_what_gradients_pass_through(tmp_path: Path) -> None:
    store, _, facts = a_trunk(tmp_path)
    modules = Modules(store.read)
    assert modules.passing(facts.components[1]) is modules[facts.components[1]]


@pytest.mark.parametrize(("name", "cut"), TRUNKS)
def test_activations_are_near_those_of_float32(name: str, cut: str, tmp_path: Path) -> None:
    exact, fast = World(tmp_path / "a", name, cut), rounded(tmp_path / "b", name, cut)
    images = {SIZE: IMAGES[:8]}
    place = 6  # the pooled activation behind six stages
    a = exact.shared.outputs([exact.route(6)], [(place,)], images)[0][place]
    b = fast.shared.outputs([fast.route(6)], [(place,)], images)[0][place]
    assert b.dtype == torch.float32
    assert (a - b).norm() <= 0.05 * a.norm()


def test_logits_in_bfloat16_are_the_same_bits_for_any_number_of_images(tmp_path: Path) -> None:
    world = rounded(tmp_path)
    route = world.route(7, adapter=2)
    whole = world.logits(route)[0]
    assert torch.equal(world.logits(route, images=IMAGES[:5])[0], whole[:5])


def test_a_new_adapter_between_bfloat16_stages_leaves_logits_equal(tmp_path: Path) -> None:
    world = rounded(tmp_path)
    plain, adapted = world.logits(world.route(4), world.route(4, adapter=2))
    assert torch.equal(plain, adapted)


def trained(world: World) -> tuple[torch.Tensor, dict[str, torch.nn.Module]]:
    """Logits of a route whose adapter and head are open, after a backward pass, and its own modules."""
    route = world.route(4, adapter=1)
    nodes = tuple(replace(n, open=n.operation in ("adapter", "head")) for n in route.nodes)
    modules = world.shared.modules
    own = {n.slot: modules.fresh(n.component).requires_grad_(True) for n in nodes if n.open and n.component}
    pixels = world.shared.outputs([route], [(INPUT,)], {SIZE: IMAGES[:4]})[0]
    logits = run_dynamic(replace(route, nodes=nodes), modules, own, pixels)
    logits.square().sum().backward()
    return logits.detach(), own


def test_an_open_adapter_before_frozen_bfloat16_stages_gets_float32_gradients(tmp_path: Path) -> None:
    _, own = trained(rounded(tmp_path))
    gradient = own["adapter:1"].up.weight.grad
    assert gradient is not None
    assert gradient.dtype == torch.float32
    assert gradient.abs().sum() > 0


def test_under_autocast_open_parts_train_in_bfloat16_and_heads_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, "mobilenetv2_035", "group")
    plain, own = trained(world)
    exact = own["adapter:1"].up.weight.grad
    monkeypatch.setattr(forward, "AUTOCAST", ("cpu",))
    logits, own = trained(world)
    gradient = own["adapter:1"].up.weight.grad
    assert logits.dtype == gradient.dtype == torch.float32
    assert not torch.equal(logits, plain)
    torch.testing.assert_close(logits, plain, rtol=0.05, atol=0.05 * float(plain.abs().max()))
    assert torch.cosine_similarity(gradient.flatten(), exact.flatten(), dim=0) > 0.95


def test_validation_is_never_run_under_autocast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, "mobilenetv2_035", "group")
    route, images = world.route(4), {SIZE: IMAGES[:4]}
    monkeypatch.setattr(forward, "AUTOCAST", ("cpu",))
    with torch.no_grad():
        pixels = world.shared.outputs([route], [(INPUT,)], images)[0]
        under = run_dynamic(route, world.shared.modules, {}, pixels)
    monkeypatch.setattr(forward, "AUTOCAST", ())
    with torch.no_grad():
        assert torch.equal(under, run_dynamic(route, world.shared.modules, {}, pixels))
