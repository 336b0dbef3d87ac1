"""Frontiers: the same numbers kept or computed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.network.assembly import assemble
from evo_mtl.network.pooling import main_tensor
from evo_mtl.network.route import INPUT, Route
from evo_mtl.testing.worlds import a_trunk, coloured, shared_routes
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.kept import Frontier, frontier, frozen_sweep
from tests.training.worlds import Workshop

IMAGES = coloured(100, 3, seed=4, size=32)[0]
TRUNKS = [("mobilenetv2_035", "group"), ("resnet10t", "half"), ("vit_tiny_patch16_224", "group")]


def made(workshop: Workshop, route: Route, cache: ArrayCache, images: np.ndarray = IMAGES) -> Frontier:
    return frontier(route, images, "data", shared_routes(workshop.store, workshop.layout), cache)


def a_route(workshop: Workshop, open_from: int = 3) -> Route:
    return assemble(workshop.genome(5, open_from, grids=(1, 2)), workshop.layout)


def equal(a: dict, b: dict) -> bool:
    def tensors(value: object) -> tuple[torch.Tensor, ...]:
        return value if isinstance(value, tuple) else (value,)  # type: ignore[return-value]

    return a.keys() == b.keys() and all(
        torch.equal(x, y) and x.stride() == y.stride()
        for i in a
        for x, y in zip(tensors(a[i]), tensors(b[i]), strict=True)
    )


@pytest.mark.parametrize(("name", "cut"), TRUNKS)
def test_rows_are_the_same_bits_in_the_same_layout_kept_or_computed_again(
    name: str, cut: str, workshops: Callable[[str, str], Workshop], tmp_path: Path
) -> None:
    workshop = workshops(name, cut)
    route = a_route(workshop)
    large = made(workshop, route, ArrayCache(tmp_path / "large", 2**30))
    found = made(workshop, route, ArrayCache(tmp_path / "large", 2**30))
    none = made(workshop, route, ArrayCache(tmp_path / "none", 0))
    for index in (np.array([7]), np.array([3, 99, 3, 0]), np.random.default_rng(0).permutation(100)):
        assert equal(large[index], none[index])
        assert equal(found[index], none[index])


def test_an_activation_is_computed_once_for_all_routes_that_read_it(
    workshop: Workshop, tmp_path: Path
) -> None:
    cache = ArrayCache(tmp_path, 2**30)
    made(workshop, a_route(workshop), cache)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert files
    shared = shared_routes(workshop.store, workshop.layout)
    shared.modules.read = None  # type: ignore[assignment]  # nothing may be loaded any more
    frontier(a_route(workshop), IMAGES, "data", shared, cache)
    assert set(tmp_path.rglob("*.npy")) == set(files)


def test_other_images_of_another_key_are_not_mixed_up(workshop: Workshop, tmp_path: Path) -> None:
    cache, route = ArrayCache(tmp_path, 2**30), a_route(workshop)
    shared = shared_routes(workshop.store, workshop.layout)
    first = frontier(route, IMAGES[:10], "first", shared, cache)
    second = frontier(route, IMAGES[10:20], "second", shared, cache)
    index = np.arange(10)
    assert not equal(first[index], second[index])


def test_a_part_open_from_the_first_stage_on_reads_pixels(workshop: Workshop, tmp_path: Path) -> None:
    found = made(workshop, a_route(workshop, open_from=0), ArrayCache(tmp_path, 2**30))
    assert set(found[np.arange(3)]) == {INPUT}
    assert list(tmp_path.rglob("*.npy")) == []


def test_a_cache_too_small_for_all_keeps_what_fits(workshop: Workshop, tmp_path: Path) -> None:
    route = assemble(workshop.genome(5, 5, grids=(1, 2)), workshop.layout)
    sizes = [workshop.layout.channels[4] * 100 * 4, workshop.layout.channels[4] * 4 * 100 * 4]
    small = made(workshop, route, ArrayCache(tmp_path / "small", 2 * sizes[0] + 100))
    assert len(list((tmp_path / "small").rglob("*.npy"))) == 1
    none = made(workshop, route, ArrayCache(tmp_path / "none", 0))
    index = np.array([5, 2, 80])
    assert equal(small[index], none[index])


def test_activations_kept_with_another_number_of_threads_are_not_taken(
    workshop: Workshop, tmp_path: Path
) -> None:
    cache = ArrayCache(tmp_path, 2**30)
    made(workshop, a_route(workshop), cache)
    one = set(tmp_path.rglob("*.npy"))
    torch.set_num_threads(2)
    try:
        made(workshop, a_route(workshop), cache)
    finally:
        torch.set_num_threads(1)
    assert len(set(tmp_path.rglob("*.npy"))) == 2 * len(one)


@pytest.mark.parametrize(("name", "cut"), TRUNKS)
def test_rows_in_bfloat16_are_the_same_bits_kept_or_computed_again(
    name: str, cut: str, tmp_path: Path
) -> None:
    workshop = Workshop(*a_trunk(tmp_path / "run", name, cut, "bfloat16"), tmp_path)
    route = a_route(workshop)
    large = made(workshop, route, ArrayCache(tmp_path / "large", 2**30))
    none = made(workshop, route, ArrayCache(tmp_path / "none", 0))
    index = np.array([3, 99, 3, 0])
    types = {main_tensor(rows).dtype for place, rows in large[index].items() if place != INPUT}
    assert torch.bfloat16 in types
    assert equal(large[index], none[index])


def test_activations_in_bfloat16_take_half_the_bytes(tmp_path: Path, workshop: Workshop) -> None:
    rounded = Workshop(*a_trunk(tmp_path / "run", dtype="bfloat16"), tmp_path)
    sizes = []
    for which, cache in ((workshop, tmp_path / "exact"), (rounded, tmp_path / "rounded")):
        genome = which.genome(5, 3)
        route = assemble(genome, which.layout)
        whole = [i for i in route.frontier if route.nodes[i].operation == "stage"]
        found = frozen_sweep(
            [route],
            [whole],
            IMAGES,
            "data",
            shared_routes(which.store, which.layout),
            ArrayCache(cache, 2**30),
            2**30,
        )
        sizes.append(sum(array.nbytes for arrays in found[0].values() for array in arrays))
    assert sizes[0] == 2 * sizes[1] > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_arrays_on_the_device_give_the_same_rows_as_far_as_they_fit(
    dtype: str, share: float, tmp_path: Path
) -> None:
    workshop = Workshop(*a_trunk(tmp_path / "run", "resnet10t", "half", dtype), tmp_path)
    genome = workshop.genome(5, 3, grids=(1, 2))
    route = assemble(genome, workshop.layout)
    shared = shared_routes(workshop.store, workshop.layout)
    places = [i for i in route.frontier if i != INPUT]
    cache = ArrayCache(tmp_path / "cache", 2**30)
    arrays = frozen_sweep([route], [places], IMAGES, "data", shared, cache, 2**30)[0]
    total = sum(array.nbytes for kept in arrays.values() for array in kept)
    plain = Frontier(route, IMAGES, arrays, shared, device_bytes=0)
    moved = Frontier(route, IMAGES, arrays, shared, device_bytes=int(share * total))
    index = np.array([3, 99, 3, 0])
    assert equal(plain[index], moved[index])
