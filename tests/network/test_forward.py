"""Shared routes: nodes run once, and the same bits whatever is run beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.archive.store import ComponentStore
from evo_mtl.network.components import Modules, num_bytes
from evo_mtl.network.forward import CHUNK, SharedRoutes, rows
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.kinds.kind import new
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import INPUT, Node, Route
from evo_mtl.network.trunks import build_trunk
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import bottleneck
from evo_mtl.testing.worlds import a_trunk, coloured, shared_routes

SIZE = 32
IMAGES = coloured(130, 3, seed=5, size=SIZE)[0]


class World:
    """A small trunk in a store, and routes over it."""

    def __init__(self, folder: Path, name: str, cut: str, dtype: str = "float32") -> None:
        self.store, self.layout, self.facts = a_trunk(folder, name, cut, dtype)
        self.shared = shared_routes(self.store, self.layout)

    def route(self, depth: int, grid: int = 1, seed: int = 0, adapter: int | None = None) -> Route:
        """A line of ``depth`` stages, an adapter perhaps, and a random head."""
        layout = self.layout
        nodes, here = [], INPUT
        for i in range(depth):
            nodes.append(Node("stage", (here,), self.facts.components[i], f"stage:{i}"))
            here = len(nodes) - 1
            if i == adapter:
                nodes.append(Node("adapter", (here,), self.adapter(i), f"adapter:{i}"))
                here = len(nodes) - 1
        nodes.append(Node("pool", (here,), grid=grid, prefix=layout.num_prefix_tokens))
        nodes.append(Node("concatenate", (len(nodes) - 1,)))
        width = layout.channels[depth - 1] * grid * grid
        nodes.append(Node("head", (len(nodes) - 1,), self.head(width, seed), "head"))
        return Route(layout.input.at(SIZE), tuple(nodes))

    def head(self, width: int, seed: int) -> str:
        spec = {"kind": "linear", "in_features": width, "num_classes": 3}
        head = new(spec, torch.Generator())
        with torch.no_grad():
            head.linear.weight.normal_(generator=torch.Generator().manual_seed(seed))
        return self.store.write(head.state_dict(), spec)

    def adapter(self, stage: int) -> str:
        spec = self.layout.adapter_spec(bottleneck(stage, 4))
        return self.store.write(new(spec, torch.Generator().manual_seed(0)).state_dict(), spec)

    def logits(self, *routes: Route, images: np.ndarray = IMAGES) -> list[torch.Tensor]:
        return self.shared.logits(routes, {SIZE: images})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("conv"), "mobilenetv2_035", "group")


def counted(shared: SharedRoutes) -> Counter:
    """Forward calls by component, from now on."""
    calls: Counter = Counter()

    class Counting(Modules):
        def __getitem__(self, component: str) -> torch.nn.Module:
            calls[component] += 1
            return super().__getitem__(component)

    shared.modules = Counting(shared.modules.read)
    return calls


def test_two_routes_on_one_trunk_run_shared_stages_once_a_chunk(world: World) -> None:
    shared = shared_routes(world.store, world.layout)
    calls = counted(shared)
    routes = [world.route(4, seed=1), world.route(6, seed=2), world.route(6, grid=2, seed=3)]
    shared.logits(routes, {SIZE: IMAGES})
    chunks = -(-len(IMAGES) // CHUNK)
    assert {calls[component] for component in world.facts.components[:6]} == {chunks}
    assert all(calls[component] == 0 for component in world.facts.components[6:])
    assert all(calls[route.components[-1]] == chunks for route in routes)


def test_one_route_runs_its_own_components_only(world: World) -> None:
    shared = shared_routes(world.store, world.layout)
    calls = counted(shared)
    route = world.route(3)
    shared.logits([route], {SIZE: IMAGES[:5]})
    assert set(calls) == set(route.components)


def test_logits_are_the_same_bits_alone_and_beside_other_routes(world: World) -> None:
    routes = [world.route(4, seed=1), world.route(6, seed=2), world.route(4, grid=2, seed=3)]
    for route, together in zip(routes, world.logits(*routes)):
        assert torch.equal(world.logits(route)[0], together)


def test_logits_of_an_image_are_the_same_bits_for_any_number_of_images_and_any_place(world: World) -> None:
    route = world.route(7)
    whole = world.logits(route)[0]
    for count in (1, 2, 3, 7, 31, 63, CHUNK, CHUNK + 1):
        assert torch.equal(world.logits(route, images=IMAGES[:count])[0], whole[:count])
    assert torch.equal(world.logits(route, images=IMAGES[77:80])[0], whole[77:80])


def test_a_new_adapter_leaves_logits_equal(world: World) -> None:
    plain, adapted = world.logits(world.route(4), world.route(4, adapter=2))
    assert torch.equal(plain, adapted)


def test_asking_for_an_inner_node_runs_nothing_behind_it(world: World) -> None:
    shared = shared_routes(world.store, world.layout)
    calls = counted(shared)
    found = shared.outputs([world.route(5)], [(INPUT, 1)], {SIZE: IMAGES[:3]})[0]
    assert set(calls) == set(world.facts.components[:2])
    assert found[INPUT].shape == (3, 3, SIZE, SIZE)
    assert found[1].shape[:2] == (3, world.layout.channels[1])


def test_pixels_are_scaled_and_normalised_by_the_trunks_mean_and_std(world: World) -> None:
    found = world.shared.outputs([world.route(1)], [(INPUT,)], {SIZE: IMAGES[:2]})[0][INPUT]
    rule = world.layout.input
    assert isinstance(rule, Pixels)
    plain = (IMAGES[:2] / 255 - np.array(rule.mean)) / np.array(rule.std)
    np.testing.assert_allclose(found.numpy(), plain.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)


def test_routes_of_different_image_sizes_run_together(world: World) -> None:
    small = world.route(4)
    large = replace(small, input=small.input.at(48))
    images = {SIZE: IMAGES[:4], 48: coloured(4, 3, seed=6, size=48)[0]}
    together = world.shared.logits([small, large], images)
    assert torch.equal(together[0], world.logits(small, images=IMAGES[:4])[0])
    assert torch.equal(together[1], world.shared.logits([large], {48: images[48]})[0])


@pytest.mark.parametrize(
    ("name", "cut", "depths"),
    [
        ("resnet18", "half", (2, 6, 17)),
        ("vit_tiny_patch16_224", "block", (3, 14)),
        ("resnet10t", "half", (4,)),
    ],
)
def test_a_route_gives_the_logits_of_its_trunk_run_plainly(
    name: str, cut: str, depths: tuple[int, ...], tmp_path: Path
) -> None:
    world = World(tmp_path, name, cut)
    trunk = build_trunk(name, "random", cut)
    activation = trunk.input.at(SIZE).first(torch.from_numpy(IMAGES[:3]))
    routes = [world.route(depth) for depth in depths]
    found = dict(zip(depths, world.logits(*routes, images=IMAGES[:3])))
    with torch.no_grad():
        for i, stage in enumerate(trunk.stages):
            activation = stage(activation)
            if i + 1 in found:
                main = activation[0] if isinstance(activation, tuple) else activation
                patches = main.mean((2, 3)) if main.ndim == 4 else main[:, trunk.num_prefix_tokens :].mean(1)
                head = world.shared.modules[routes[depths.index(i + 1)].components[-1]]
                torch.testing.assert_close(found[i + 1], head(patches), rtol=1e-3, atol=1e-3)


def test_an_adapter_inside_a_residual_block_leaves_logits_equal_when_new(tmp_path: Path) -> None:
    world = World(tmp_path, "resnet10t", "half")
    pairs = [i for i in range(9) if isinstance(_activation(world, i), tuple)]
    assert pairs
    plain, adapted = world.logits(world.route(5), world.route(5, adapter=pairs[0]), images=IMAGES[:4])
    assert torch.equal(plain, adapted)


def _activation(world: World, stage: int) -> object:
    return world.shared.outputs([world.route(stage + 1)], [(stage,)], {SIZE: IMAGES[:2]})[0][stage]


def test_rows_of_a_pair_are_taken_from_both_tensors() -> None:
    pair = (torch.arange(4), torch.arange(4) * 10)
    assert [tensor.tolist() for tensor in rows(pair, slice(1, 3))] == [[1, 2], [10, 20]]


def test_frozen_modules_are_in_eval_mode_need_no_gradient_and_are_loaded_once(world: World) -> None:
    modules = Modules(world.store.read)
    component = world.facts.components[2]
    module = modules[component]
    assert modules[component] is module
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert modules.fresh(component) is not module


def test_the_least_recently_used_module_is_dropped_and_loaded_again(world: World) -> None:
    first, second, third = world.facts.components[:3]
    sizes = [num_bytes(Modules(world.store.read)[component]) for component in (first, second, third)]
    modules = Modules(world.store.read, capacity=sum(sizes) - 1)
    kept = modules[first]
    dropped = modules[second]
    assert modules[first] is kept
    assert modules[third] is modules[third]
    assert modules[first] is kept
    assert modules[second] is not dropped


def test_a_layout_comes_back_from_json_equal(world: World) -> None:
    layout: TrunkLayout = world.layout
    assert restore(TrunkLayout, plain(layout)) == layout


def test_a_store_serves_every_stage_of_the_trunk(world: World) -> None:
    store: ComponentStore = world.store
    assert all(
        store.spec(name) == world.layout.stage_spec(i) for i, name in enumerate(world.facts.components)
    )
