"""Running nodes: frozen ones in chunks of one fixed size, each once for all routes that share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.network.components import Modules
from evo_mtl.network.pooling import pool
from evo_mtl.network.route import PIXELS, Node, Preprocessing, Route

CHUNK = 64
"""Images in every frozen forward. Activations differ in their last bits between batch sizes; padded to
one size they do not, so keeping them or computing them again never changes a result."""

Activation = Any
"""A tensor, or a tuple of tensors (a half residual block hands on main and skip)."""


def normalise(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Pixels ``(B, H, W, 3)`` uint8 to the first activation ``(B, 3, H, W)`` float32, channels last."""
    pixels = images.permute(0, 3, 1, 2).to(torch.float32) / 255.0
    mean = torch.tensor(preprocessing.mean, device=pixels.device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=pixels.device).view(1, -1, 1, 1)
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def apply(
    node: Node, module: nn.Module | None, inputs: Sequence[Activation], tokens: TokenLayout
) -> Activation:
    """The output of one node."""
    if node.operation == "pool":
        return pool(inputs[0], node.grid, tokens[0], tokens[1])
    if node.operation == "concatenate":
        return torch.cat(list(inputs), dim=1)
    assert module is not None
    return module(inputs[0])


TokenLayout = tuple[str, int]
"""The trunk's kind (``"conv"`` or ``"token"``) and its number of prefix tokens."""


class SharedRoutes:
    """Frozen routes run together: a node that several share is run once a chunk.

    Args:
        modules: The components.
        tokens: How the trunk's activations are laid out.
    """

    def __init__(self, modules: Modules, tokens: TokenLayout) -> None:
        self.modules = modules
        self.tokens = tokens
        self.device = modules.device

    @torch.no_grad()
    def outputs(
        self, routes: Sequence[Route], wanted: Sequence[Iterable[int]], images: Mapping[int, np.ndarray]
    ) -> list[dict[int, Activation]]:
        """Outputs of wanted nodes for at most ``CHUNK`` images.

        Args:
            routes: Routes whose wanted nodes depend on nothing open.
            wanted: For each route, places of nodes (``PIXELS`` for the preprocessed images).
            images: Image size to pixels ``(B, S, S, 3)`` uint8, the same images at each size.

        Returns:
            For each route, place to output of ``B`` rows.
        """
        known: dict[str, Activation] = {}
        count = len(next(iter(images.values())))
        results = []
        for route, places in zip(routes, wanted, strict=True):
            keys = route.keys()
            root = route.preprocessing
            if root.key not in known:
                raw = torch.from_numpy(_padded(images[root.image_size])).to(self.modules.device)
                known[root.key] = normalise(raw, root)
            places = list(places)
            for i in sorted(_behind(route, places)):
                if keys[i] not in known:
                    node = route.nodes[i]
                    inputs = [known[root.key if j == PIXELS else keys[j]] for j in node.inputs]
                    module = self.modules[node.component] if node.component else None
                    known[keys[i]] = apply(node, module, inputs, self.tokens)
            results.append(
                {i: rows(known[root.key if i == PIXELS else keys[i]], slice(0, count)) for i in places}
            )
        return results

    def logits(self, routes: Sequence[Route], images: Mapping[int, np.ndarray]) -> list[Tensor]:
        """Calibrated logits ``(N, K)`` of each route for any number of images.

        Args:
            routes: Closed routes.
            images: Image size to pixels ``(N, S, S, 3)`` uint8, the same images at each size.
        """
        total = len(next(iter(images.values())))
        parts: list[list[Tensor]] = [[] for _ in routes]
        last = [(len(route.nodes) - 1,) for route in routes]
        for start in range(0, total, CHUNK):
            chunk = {size: array[start : start + CHUNK] for size, array in images.items()}
            for i, found in enumerate(self.outputs(routes, last, chunk)):
                parts[i].append(found[last[i][0]].to("cpu"))
        return [torch.cat(part).clone() for part in parts]


def run_dynamic(
    route: Route,
    modules: Modules,
    own: Mapping[str, nn.Module],
    known: Mapping[int, Activation],
    tokens: TokenLayout,
) -> Tensor:
    """Logits of a candidate for one batch, from what does not change.

    Args:
        route: The candidate's route.
        modules: Frozen components.
        own: Slot to the module that the candidate trains or fits.
        known: Frontier place to its rows for this batch.
        tokens: How the trunk's activations are laid out.
    """
    outputs = dict(known)
    for i, (node, dynamic) in enumerate(zip(route.nodes, route.dynamic, strict=True)):
        if dynamic:
            module = own[node.slot] if node.open else modules[node.component] if node.component else None
            outputs[i] = apply(node, module, [outputs[j] for j in node.inputs], tokens)
    return outputs[len(route.nodes) - 1]


def rows(activation: Activation, index: Any) -> Activation:
    """Some rows of an activation."""
    if isinstance(activation, tuple):
        return tuple(tensor[index] for tensor in activation)
    return activation[index]


def _padded(images: np.ndarray) -> np.ndarray:
    missing = CHUNK - len(images)
    if missing == 0:
        return np.array(images)  # a copy: kept arrays are read-only, and torch wants its own
    return np.concatenate([images, np.zeros((missing, *images.shape[1:]), images.dtype)])


def _behind(route: Route, places: Iterable[int]) -> set[int]:
    """Every node that some wanted node is computed from, itself included."""
    found: set[int] = set()
    todo = [i for i in places if i != PIXELS]
    while todo:
        i = todo.pop()
        if i not in found:
            found.add(i)
            todo.extend(j for j in route.nodes[i].inputs if j != PIXELS)
    return found
