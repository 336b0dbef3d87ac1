"""A task's model as a small graph of components, and the keys by which routes share their nodes.

A node's key is the digest of what it computes: its component, how it is used, and the keys of its
inputs; that of the foot is the digest of the input. Two routes share a node exactly when
the keys are equal, so a set of routes runs each node once per batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from evo_mtl.files import canonical_json, digest
from evo_mtl.network.inputs import Input, input_from_json

INPUT = -1
"""Stands for the first activation where a node names its inputs."""

Operation = Literal["stage", "adapter", "pool", "concatenate", "head"]


@dataclass(frozen=True)
class Node:
    """One step of a route.

    Attributes:
        operation: What is done.
        inputs: Places of earlier nodes, or ``INPUT``.
        component: Digest of its weights; ``None`` for pooling and concatenation, and for a slot that
            starts fresh.
        slot: Its name in the genome (``"stage:3"``, ``"adapter:5"``, ``"head"``); empty for the others.
        open: Whether the candidate trains or fits it. An open node is private to its candidate.
        grid: For pooling: cells a side.
        prefix: For pooling: tokens that have no place in the image and are left out.
    """

    operation: Operation
    inputs: tuple[int, ...]
    component: str | None = None
    slot: str = ""
    open: bool = False
    grid: int = 0
    prefix: int = 0


@dataclass(frozen=True)
class Route:
    """From examples to logits; the last node is the head."""

    input: Input
    nodes: tuple[Node, ...]

    def keys(self, address: str = "") -> tuple[str, ...]:
        """Key of each node.

        Args:
            address: Names the candidate; enters the keys of open nodes and so of all behind them.
        """
        keys: list[str] = []
        for node in self.nodes:
            content: dict[str, Any] = {
                "operation": node.operation,
                "component": node.component,
                "grid": node.grid,
                "prefix": node.prefix,
                "inputs": [self.input.key if i == INPUT else keys[i] for i in node.inputs],
            }
            if node.open:
                content["private"] = [address, node.slot]
            keys.append(digest(canonical_json(content)))
        return tuple(keys)

    @property
    def dynamic(self) -> tuple[bool, ...]:
        """For each node, whether it is run again for every batch a candidate sees.

        Open nodes and all behind them are; a concatenation always is, so that what is computed once
        are its parts, which other candidates read in other selections.
        """
        flags: list[bool] = []
        for node in self.nodes:
            again = node.open or node.operation == "concatenate"
            flags.append(again or any(i != INPUT and flags[i] for i in node.inputs))
        return tuple(flags)

    @property
    def frontier(self) -> tuple[int, ...]:
        """Constant inputs (nodes or ``INPUT``) of what changes in training: what is computed once."""
        dynamic = self.dynamic
        needed = {
            i
            for node, changes in zip(self.nodes, dynamic, strict=True)
            if changes
            for i in node.inputs
            if i == INPUT or not dynamic[i]
        }
        return tuple(sorted(needed))

    @property
    def components(self) -> tuple[str, ...]:
        """Digests of its components in order of depth."""
        return tuple(node.component for node in self.nodes if node.component is not None)

    def to_json(self) -> dict[str, Any]:
        """Plain data; :func:`route_from_json` reads it back."""
        return {"input": dict(self.input.to_json()), "nodes": [asdict(node) for node in self.nodes]}


def route_from_json(data: Mapping[str, Any]) -> Route:
    """Reads what :meth:`Route.to_json` wrote."""
    nodes = tuple(Node(**{**node, "inputs": tuple(node["inputs"])}) for node in data["nodes"])
    return Route(input_from_json(data["input"]), nodes)


def close(route: Route, trained: Mapping[str, str]) -> Route:
    """The route after training: every open slot names the component that was written for it."""
    return replace(
        route,
        nodes=tuple(
            replace(node, component=trained[node.slot], open=False) if node.open else node
            for node in route.nodes
        ),
    )
