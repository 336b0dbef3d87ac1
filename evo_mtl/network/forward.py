"""Running nodes: frozen ones in chunks of one fixed size, each once for all the routes that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.network.components import Modules
from evo_mtl.network.pooling import main_tensor, pool
from evo_mtl.network.route import INPUT, Node, Route
from evo_mtl.network.viewing import seen

CHUNK = 32
"""Examples in every frozen forward. Activations differ in their last bits between batch sizes; padded to
one size they do not, so keeping them or computing them again never changes a result. Larger chunks are
hardly faster on a CPU, and one example costs a whole chunk."""

Activation = Any
"""A tensor, or a tuple of tensors (a half residual block hands on main and skip)."""


def apply(node: Node, module: nn.Module | None, inputs: Sequence[Activation]) -> Activation:
    """The output of one node."""
    if node.operation == "pool":
        return pool(inputs[0], node.grid, node.prefix)
    if node.operation == "concatenate":
        return torch.cat(list(inputs), dim=1)
    if node.operation == "mean":
        return torch.stack(list(inputs)).mean(0)
    if node.view:
        return seen(inputs[0], node.view)
    assert module is not None
    return module(as_type(inputs[0], next((p.dtype for p in module.parameters()), None)))


def as_type(activation: Activation, dtype: torch.dtype | None) -> Activation:
    """An activation in a module's precision, which may be another than that of the stage before it."""
    if dtype is None:
        return activation
    if isinstance(activation, tuple):
        return tuple(tensor.to(dtype) for tensor in activation)
    return activation.to(dtype)


class SharedRoutes:
    """Frozen routes run together: a node that several share is run once a chunk.

    Args:
        modules: The components.
    """

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.device = modules.device

    @torch.no_grad()
    def outputs(
        self,
        routes: Sequence[Route],
        wanted: Sequence[Iterable[int]],
        batches: Mapping[int, np.ndarray],
        kept: Mapping[str, Activation] | None = None,
    ) -> list[dict[int, Activation]]:
        """Outputs of wanted nodes for at most ``CHUNK`` examples.

        Args:
            routes: Routes whose wanted nodes depend on nothing open.
            wanted: For each route, places of nodes (``INPUT`` for the first activation).
            batches: Size of an input to its batch ``(B, ...)``, the same examples at each size.
            kept: Outputs by node key that need not be computed again; ``CHUNK`` rows.

        Returns:
            For each route, place to output of ``B`` rows.
        """
        known: dict[str, Activation] = dict(kept or {})
        count = len(next(iter(batches.values())))
        results = []
        later: list[set[str]] = [set()]  # keys that later routes have: what they lack is let go
        for route in reversed(routes[1:]):
            later.append(later[-1] | {route.input.key, *route.keys()})
        for route, places in zip(routes, wanted, strict=True):
            keys = {INPUT: route.input.key, **dict(enumerate(route.keys()))}
            places = list(places)
            outputs = {i: known[key] for i, key in keys.items() if key in known}
            walk(route, places, outputs, partial(self._run, route, batches))
            known |= {keys[i]: output for i, output in outputs.items()}
            results.append({i: rows(outputs[i], slice(0, count)) for i in places})
            needed = later.pop()
            known = {key: output for key, output in known.items() if key in needed}
        return results

    def _run(
        self, route: Route, batches: Mapping[int, np.ndarray], i: int, inputs: Sequence[Activation]
    ) -> Activation:
        if i == INPUT:
            raw = torch.from_numpy(padded(batches[route.input.size])).to(self.device)
            return route.input.first(raw)
        node = route.nodes[i]
        module = self.modules[node.component] if node.component else None
        return apply(node, module, inputs)

    def logits(self, routes: Sequence[Route], batches: Mapping[int, np.ndarray]) -> list[Tensor]:
        """Calibrated logits ``(N, K)`` of each route for any number of examples.

        Args:
            routes: Closed routes.
            batches: Size of an input to its batch ``(N, ...)``, the same examples at each size.
        """
        total = len(next(iter(batches.values())))
        parts: list[list[Tensor]] = [[] for _ in routes]
        last = [(len(route.nodes) - 1,) for route in routes]
        for start in range(0, total, CHUNK):
            chunk = {size: array[start : start + CHUNK] for size, array in batches.items()}
            for i, found in enumerate(self.outputs(routes, last, chunk)):
                parts[i].append(found[last[i][0]].to("cpu"))
        return [torch.cat(part).clone() for part in parts]


def run_dynamic(
    route: Route,
    modules: Modules,
    own: Mapping[str, nn.Module],
    known: Mapping[int, Activation],
    place: int | None = None,
) -> Tensor:
    """Logits of a candidate for one batch, from what is already known.

    Every node that the head needs and that is not known is run; what is frozen costs no backward pass.

    Args:
        route: The candidate's route.
        modules: Frozen components.
        own: Slot to the module that the candidate trains or fits.
        known: Place to its rows for this batch: the frontier, or ``INPUT`` alone.
        place: Of another node than the last whose output is wanted.
    """
    outputs = dict(known)
    wanted = len(route.nodes) - 1 if place is None else place

    def run(i: int, inputs: Sequence[Activation]) -> Activation:
        node = route.nodes[i]
        if node.open:
            module: nn.Module | None = own[node.slot]
        elif node.component is None:
            module = None
        else:
            through = main_tensor(inputs[0]).requires_grad
            module = modules.passing(node.component) if through else modules[node.component]
        with _precision(node, modules.device.type):
            return apply(node, module, inputs)

    walk(route, (wanted,), outputs, run)
    return outputs[wanted]


AUTOCAST = ("cuda",)
"""Kinds of device where open parts train under bfloat16 autocast: on a CPU it makes them slower."""


def _precision(node: Node, device: str) -> AbstractContextManager[object]:
    """What a node is trained under; a head always in float32."""
    if device not in AUTOCAST or node.operation == "head" or not torch.is_grad_enabled():
        return nullcontext()
    return torch.autocast(device, torch.bfloat16)


def rows(activation: Activation, index: Any) -> Activation:
    """Some rows of an activation."""
    if isinstance(activation, tuple):
        return tuple(tensor[index] for tensor in activation)
    return activation[index]


def padded(batch: np.ndarray) -> np.ndarray:
    """At most ``CHUNK`` rows, filled up with zeros to exactly ``CHUNK``; always a copy."""
    missing = CHUNK - len(batch)
    if missing == 0:
        return np.array(batch)  # a copy: kept arrays are read-only, and torch wants writable memory
    return np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)])


def walk(
    route: Route,
    places: Iterable[int],
    outputs: dict[int, Activation],
    run: Callable[[int, Sequence[Activation]], Activation],
) -> None:
    """Runs every node that the wanted ones are computed from, each once, in order; the one way through a route.

    Args:
        route: Whose nodes are run.
        places: Of the wanted ones.
        outputs: What is known already, by place; what is computed is added.
        run: From a place and the outputs of its inputs to its output.
    """
    for i in sorted(missing_behind(route, places, outputs.__contains__)):
        inputs = () if i == INPUT else route.nodes[i].inputs
        outputs[i] = run(i, [outputs[j] for j in inputs])


def missing_behind(route: Route, places: Iterable[int], there: Callable[[int], bool]) -> set[int]:
    """Every node (or ``INPUT``) that the wanted ones are computed from, up to what is there already."""
    found: set[int] = set()
    todo = list(places)
    while todo:
        i = todo.pop()
        if i not in found and not there(i):
            found.add(i)
            todo.extend(() if i == INPUT else route.nodes[i].inputs)
    return found
