"""Activations of a frozen prefix, computed once for all images and candidates, or again when too large.

What a candidate's open part reads is its *frontier*. Its arrays are kept under (node key, data key);
what does not fit into the bound is computed anew for each batch, in chunks padded to the same size, so
the numbers are the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from evo_mtl.files import digest
from evo_mtl.network.forward import CHUNK, Activation, SharedRoutes, normalise
from evo_mtl.network.route import PIXELS, Route
from evo_mtl.training.arrays import ArrayCache


class Frontier:
    """The constant inputs of a candidate's open part, for one set of images.

    Args:
        route: The candidate's route.
        images: Pixels ``(N, S, S, 3)`` uint8.
        arrays: Frontier place to kept arrays (one a tensor, channels last); places missing here are
            computed for each batch.
        shared: Runs the frozen nodes.
    """

    def __init__(
        self, route: Route, images: np.ndarray, arrays: dict[int, list[np.ndarray]], shared: SharedRoutes
    ) -> None:
        self._route = route
        self._images = images
        self._arrays = arrays
        self._shared = shared
        self._missing = [i for i in route.frontier if i not in arrays and i != PIXELS]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """Rows of every frontier place for the images at ``index`` ``(B,)``."""
        device = self._shared.device
        known = {
            i: _as_activation([torch.from_numpy(array[index]).to(device) for array in arrays])
            for i, arrays in self._arrays.items()
        }
        if PIXELS in self._route.frontier:
            pixels = torch.from_numpy(self._images[index]).to(device)
            known[PIXELS] = normalise(pixels, self._route.preprocessing)
        if self._missing:
            known |= self._compute(index)
        return known

    def _compute(self, index: np.ndarray) -> dict[int, Activation]:
        size = self._route.preprocessing.image_size
        parts = [
            self._shared.outputs([self._route], [self._missing], {size: self._images[index[s : s + CHUNK]]})[
                0
            ]
            for s in range(0, len(index), CHUNK)
        ]
        return {i: _joined([part[i] for part in parts]) for i in self._missing}


def frontier(
    route: Route, images: np.ndarray, data_key: str, shared: SharedRoutes, cache: ArrayCache
) -> Frontier:
    """The frontier of a route over some images, from what is kept and with what is missing computed and kept.

    Args:
        route: The candidate's route.
        images: Pixels ``(N, S, S, 3)`` uint8.
        data_key: Names those pixels.
        shared: Runs the frozen nodes.
        cache: Where activations are kept.
    """
    keys, machine = route.keys(), _machine(shared)
    names = {i: digest(f"{keys[i]} {data_key} {machine}".encode()) for i in route.frontier if i != PIXELS}
    arrays = {i: found for i, name in names.items() if (found := _find(cache, name))}
    missing = [i for i in names if i not in arrays]
    if missing and len(images):
        arrays |= _compute_all(route, images, missing, names, shared, cache)
    return Frontier(route, images, arrays, shared)


def _compute_all(
    route: Route,
    images: np.ndarray,
    places: Sequence[int],
    names: dict[int, str],
    shared: SharedRoutes,
    cache: ArrayCache,
) -> dict[int, list[np.ndarray]]:
    size = route.preprocessing.image_size

    def chunk(start: int) -> dict[int, list[np.ndarray]]:
        found = shared.outputs([route], [places], {size: images[start : start + CHUNK]})[0]
        return {i: _as_arrays(activation) for i, activation in found.items()}

    first = chunk(0)
    share = cache.max_bytes // 2
    fits = {
        i: sum(a.nbytes for a in found) * len(images) // max(len(found[0]), 1) <= share
        for i, found in first.items()
    }
    kept = {i: [np.empty((len(images), *a.shape[1:]), a.dtype) for a in first[i]] for i in places if fits[i]}
    if not kept:
        return {}
    for start in range(0, len(images), CHUNK):
        part = first if start == 0 else chunk(start)
        for i, targets in kept.items():
            for target, source in zip(targets, part[i], strict=True):
                target[start : start + CHUNK] = source
    for i, made in kept.items():
        for place, array in enumerate(made):
            cache.keep(_file(names[i], place, len(made)), array)
    return {i: _find(cache, names[i]) or made for i, made in kept.items()}


def _machine(shared: SharedRoutes) -> str:
    """What the last bits of an activation depend on besides weights and images: a cache may be shared."""
    kind = torch.backends.cpu.get_cpu_capability() if shared.device.type == "cpu" else ""
    return f"{torch.__version__} {shared.device} {kind} {torch.get_num_threads()}"


def _find(cache: ArrayCache, name: str) -> list[np.ndarray]:
    """One array, or the two of an activation that is a pair; empty if not wholly kept."""
    single = cache.find(_file(name, 0, 1))
    if single is not None:
        return [single]
    pair = [cache.find(_file(name, place, 2)) for place in range(2)]
    return [a for a in pair if a is not None] if all(a is not None for a in pair) else []


def _file(name: str, place: int, count: int) -> str:
    return name if count == 1 else f"{name}-{place}"


def _as_arrays(activation: Activation) -> list[np.ndarray]:
    tensors = activation if isinstance(activation, tuple) else (activation,)
    return [
        (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).contiguous().cpu().numpy()
        for tensor in tensors
    ]


def _as_activation(tensors: list[torch.Tensor]) -> Activation:
    shaped = [tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor for tensor in tensors]
    return shaped[0] if len(shaped) == 1 else tuple(shaped)


def _joined(parts: list[Activation]) -> Activation:
    if isinstance(parts[0], tuple):
        return tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return torch.cat(parts)
