"""Activations of a frozen prefix, computed once for all images and candidates, or again when too large.

What a candidate's open part reads is its *frontier*. Its arrays are kept under (node key, data key);
what does not fit into the bound is computed anew for each batch, in chunks padded to the same size, so
the numbers are the same either way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evo_mtl.files import digest
from evo_mtl.network.forward import CHUNK, Activation, SharedRoutes, missing_behind, padded
from evo_mtl.network.route import INPUT, Route
from evo_mtl.training.arrays import ArrayCache


class Frontier:
    """The constant inputs of a candidate's open part, for one set of images.

    Args:
        route: The candidate's route.
        images: Examples ``(N, ...)`` as the input of the routes has them.
        arrays: Frontier place to kept arrays (one a tensor, channels last); places missing here are
            computed for each batch.
        shared: Runs the frozen nodes.
        device_bytes: Kept arrays are moved to the device once, the first ones first, while they fit into
            so much; by default half of what is free on a GPU, nothing on a CPU.
    """

    def __init__(
        self,
        route: Route,
        images: np.ndarray,
        arrays: dict[int, list[np.ndarray]],
        shared: SharedRoutes,
        device_bytes: int | None = None,
    ) -> None:
        self._route = route
        self._images = images
        self._arrays = arrays
        self._shared = shared
        self._missing = [i for i in route.frontier if i not in arrays and i != INPUT]
        spare = _spare_bytes(shared.device) if device_bytes is None else device_bytes
        self._resident: dict[int, list[torch.Tensor]] = {}
        for i, kept in arrays.items():
            spare -= sum(array.nbytes for array in kept)
            if spare < 0:
                break
            self._resident[i] = [_typed(torch.from_numpy(np.array(a)).to(shared.device)) for a in kept]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """Rows of every frontier place for the images at ``index`` ``(B,)``."""
        device = self._shared.device
        known = {
            i: _as_activation([torch.from_numpy(array[index]).to(device) for array in arrays])
            for i, arrays in self._arrays.items()
            if i not in self._resident
        }
        if self._resident:
            there = torch.from_numpy(index).to(device)
            known |= {i: _as_activation([t[there] for t in kept]) for i, kept in self._resident.items()}
        if INPUT in self._route.frontier:
            rows = torch.from_numpy(self._images[index]).to(device)
            known[INPUT] = self._route.input.first(rows)
        if self._missing:
            known |= self._compute(index)
        return known

    def _compute(self, index: np.ndarray) -> dict[int, Activation]:
        size = self._route.input.size
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
        images: Examples ``(N, ...)`` as the input of the routes has them.
        data_key: Names that array.
        shared: Runs the frozen nodes.
        cache: Where activations are kept.
    """
    places = [i for i in route.frontier if i != INPUT]
    found = frozen_sweep([route], [places], images, data_key, shared, cache, cache.max_bytes // 2)
    return Frontier(route, images, found[0], shared)


def frozen_sweep(
    routes: Sequence[Route],
    wanted: Sequence[Sequence[int]],
    images: np.ndarray,
    data_key: str,
    shared: SharedRoutes,
    cache: ArrayCache,
    max_bytes: int,
) -> list[dict[int, list[np.ndarray]]]:
    """Frozen nodes' outputs over all images: found where they are kept, the others made in one sweep and kept.

    A node that several routes share is run once, and the sweep starts from the deepest activations that
    are kept already.

    Args:
        routes: Of one input.
        wanted: For each route, places of frozen nodes.
        images: Examples ``(N, ...)`` as the input of the routes has them.
        data_key: Names that array.
        shared: Runs the nodes.
        cache: Where arrays are kept.
        max_bytes: What this sweep may keep; the smallest arrays go first, the others are left out.

    Returns:
        For each route, place to arrays ``(N, ...)`` (two for an activation that is a pair).
    """
    machine = _machine(shared)
    found: dict[str, list[np.ndarray]] = {}

    def name(key: str) -> str:
        return digest(f"{key} {data_key} {machine}".encode())

    def lookup(key: str) -> list[np.ndarray]:
        if key not in found:
            found[key] = _find(cache, name(key))
        return found[key]

    keys = [route.keys() for route in routes]
    missing: list[list[int]] = []
    claimed: set[str] = set()
    for own, places in zip(keys, wanted, strict=True):
        missing.append([i for i in places if own[i] not in claimed and not lookup(own[i])])
        claimed.update(own[i] for i in missing[-1])
    if claimed and len(images):
        starts: dict[str, list[np.ndarray]] = {}
        for route, own, places in zip(routes, keys, missing, strict=True):

            def there(i: int, own: tuple[str, ...] = own) -> bool:
                return i != INPUT and own[i] not in claimed and bool(lookup(own[i]))

            run = missing_behind(route, places, there)
            inputs = {j for i in run if i != INPUT for j in route.nodes[i].inputs} - run
            starts |= {own[j]: lookup(own[j]) for j in inputs}
        one = _Pass(routes, keys, missing, images, starts, shared)
        found |= one.run(name, cache, max_bytes)
    return [
        {i: found[own[i]] for i in places if found[own[i]]} for own, places in zip(keys, wanted, strict=True)
    ]


@dataclass(frozen=True)
class _Pass:
    """One sweep over the images, chunk by chunk."""

    routes: Sequence[Route]
    keys: Sequence[tuple[str, ...]]
    missing: Sequence[Sequence[int]]
    images: np.ndarray
    starts: Mapping[str, list[np.ndarray]]
    shared: SharedRoutes

    def chunk(self, start: int) -> dict[str, list[np.ndarray]]:
        """Outputs of the missing nodes by key, for ``CHUNK`` images from ``start`` on."""
        device, size = self.shared.device, self.routes[0].input.size
        part = slice(start, start + CHUNK)
        kept = {
            key: _as_activation([torch.from_numpy(padded(array[part])).to(device) for array in arrays])
            for key, arrays in self.starts.items()
        }
        outputs = self.shared.outputs(self.routes, self.missing, {size: self.images[part]}, kept)
        return {
            own[i]: _as_arrays(activation)
            for own, places in zip(self.keys, outputs, strict=True)
            for i, activation in places.items()
        }

    def run(
        self, name: Callable[[str], str], cache: ArrayCache, max_bytes: int
    ) -> dict[str, list[np.ndarray]]:
        """The missing nodes' arrays by key, empty for one that did not fit."""
        first, count = self.chunk(0), len(self.images)
        rows = min(CHUNK, count)
        sizes = {key: sum(a.nbytes for a in arrays) * count // rows for key, arrays in first.items()}
        left = max_bytes
        kept: list[str] = []
        for key in sorted(sizes, key=lambda key: (sizes[key], key)):
            if sizes[key] <= left:
                kept.append(key)
                left -= sizes[key]
        # What is pooled is small and is never computed again for each batch: it is at least held in memory.
        held = [key for key, arrays in first.items() if key not in kept and arrays[0].ndim == 2]
        if not kept and not held:
            return {key: [] for key in first}
        with contextlib.ExitStack() as stack:
            targets: dict[str, list[np.ndarray]] = {}
            for key in [*kept, *held]:
                shapes = [(count, *a.shape[1:]) for a in first[key]]
                files = [_file(name(key), i, len(shapes)) for i in range(len(shapes))]
                try:
                    if key in kept:
                        targets[key] = [
                            stack.enter_context(cache.writing(file, shape, a.dtype))
                            for file, shape, a in zip(files, shapes, first[key], strict=True)
                        ]
                except OSError:  # a full disk
                    pass
                if key not in targets and first[key][0].ndim == 2:
                    targets[key] = [np.empty(s, a.dtype) for s, a in zip(shapes, first[key], strict=True)]
            for start in range(0, count, CHUNK):
                part = first if start == 0 else self.chunk(start)
                for key, arrays in targets.items():
                    for target, source in zip(arrays, part[key], strict=True):
                        target[start : start + CHUNK] = source
        return {key: _find(cache, name(key)) or targets.get(key, []) for key in first}


def _machine(shared: SharedRoutes) -> str:
    """What the last bits of an activation depend on besides weights and images, since a cache may be shared."""
    if shared.device.type == "cuda":
        return f"{torch.__version__} {torch.cuda.get_device_name(shared.device)} folded {CHUNK}"
    kind = torch.backends.cpu.get_cpu_capability()
    return f"{torch.__version__} {shared.device} {kind} {torch.get_num_threads()} folded {CHUNK}"


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
    plain = [(t.permute(0, 2, 3, 1) if t.ndim == 4 else t).contiguous().cpu() for t in tensors]
    # numpy has no bfloat16: its bits are kept as the whole numbers that they are, too.
    return [(t.view(torch.uint16) if t.dtype == torch.bfloat16 else t).numpy() for t in plain]


def _as_activation(tensors: list[torch.Tensor]) -> Activation:
    shaped = [t.permute(0, 3, 1, 2) if t.ndim == 4 else t for t in map(_typed, tensors)]
    return shaped[0] if len(shaped) == 1 else tuple(shaped)


def _typed(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor


def _spare_bytes(device: torch.device) -> int:
    """A fixed share of a GPU: several frontiers of a candidate, and several candidates, live there at once."""
    return torch.cuda.mem_get_info(device)[1] // 16 if device.type == "cuda" else 0


def _joined(parts: list[Activation]) -> Activation:
    if isinstance(parts[0], tuple):
        return tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return torch.cat(parts)
