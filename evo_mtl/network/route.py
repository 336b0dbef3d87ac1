"""A task's model as a small graph of components, and the keys by which routes share their nodes.

A node's key is the digest of what it computes: its component, how it is used, and the keys of its
inputs; that of the foot is the digest of the input. Two routes share a node exactly when
the keys are equal, so a set of routes runs each node once per batch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.answer_views import WHOLE, View
from evo_mtl.network.inputs import AnyInput
from evo_mtl.plain import Digest

INPUT = -1
"""Stands for the first activation where a node names its inputs."""

Operation = Literal["view", "stage", "adapter", "pool", "concatenate", "head", "mean"]


@dataclass(frozen=True)
class Node:
    """One step of a route.

    Attributes:
        operation: What is done.
        inputs: Places of earlier nodes, or ``INPUT``.
        component: Digest of its weights; ``None`` for what has none (views, pooling, concatenation, means), and for a
            slot that starts fresh.
        slot: Its name in the genome (``"stage:3"``, ``"adapter:5"``, ``"head"``); empty for the others.
        open: Whether the candidate trains or fits it. An open node is private to its candidate.
        follows: Whether later versions of the component take its place: a task answers with the newest one.
        grid: For pooling: cells a side.
        prefix: For pooling: tokens that have no place in the image and are left out.
        view: For a view: which.
    """

    operation: Operation
    inputs: tuple[int, ...]
    component: Digest | None = None
    slot: str = ""
    open: bool = False
    follows: bool = False
    grid: Annotated[int, Field(ge=0, le=32)] = 0
    prefix: Annotated[int, Field(ge=0, le=2**16)] = 0
    view: View | None = None

    @property
    def stage(self) -> int:
        """Its place in depth of the trunk, of a stage or an adapter."""
        return int(self.slot.rpartition(":")[2])


@dataclass(frozen=True)
class Route:
    """From examples to logits; the last node is the head, or the mean of one head's answers to several views."""

    input: AnyInput
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
            if node.view:
                content["view"] = node.view
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
        return tuple(dict.fromkeys(node.component for node in self.nodes if node.component is not None))

    @property
    def views(self) -> tuple[View, ...]:
        """Of an example, whose answers are averaged."""
        others = tuple(node.view for node in self.nodes if node.view)
        whole = any(INPUT in node.inputs and not node.view for node in self.nodes)
        return (*(WHOLE if whole else ()), *others)


def check_closed(route: Route) -> Route:
    """The route itself, as an archive holds it.

    Raises:
        ValueError: It cannot be run: a node reads what does not come before it, lacks its weights or its place,
            or is still to be trained; or the last is no head.
    """
    if not route.nodes or route.nodes[-1].operation not in ("head", "mean"):
        raise ValueError("expected nodes, the last of them a head or a mean of heads")
    for i, node in enumerate(route.nodes):
        several = node.operation in ("concatenate", "mean")
        if any(not INPUT <= j < i for j in node.inputs) or not (several or len(node.inputs) == 1):
            raise ValueError(f"nodes[{i}]: it reads {list(node.inputs)}")
        if (node.component is None) != (node.operation in _WITHOUT_WEIGHTS):
            raise ValueError(f"nodes[{i}]: a {node.operation} with the component {node.component}")
        if not re.fullmatch(_SLOTS[node.operation], node.slot):
            raise ValueError(f"nodes[{i}]: a {node.operation} in the slot {node.slot!r}")
        if node.open or (node.operation == "pool") != (node.grid > 0):
            raise ValueError(f"nodes[{i}]: it is open, or has a grid of {node.grid}")
        if (node.operation == "view") != (node.view is not None) or (node.view and node.inputs != (INPUT,)):
            raise ValueError(f"nodes[{i}]: a {node.operation} of {list(node.inputs)} as the view {node.view}")
        if node.operation == "mean" and any(j < 0 or route.nodes[j].operation != "head" for j in node.inputs):
            raise ValueError(f"nodes[{i}]: a mean of something else than heads")
        if node.follows and not node.slot.startswith("stage:"):
            raise ValueError(f"nodes[{i}]: a {node.operation} in the slot {node.slot!r} that follows")
    return route


_WITHOUT_WEIGHTS = ("view", "pool", "concatenate", "mean")

_SLOTS = {
    "view": "",
    "mean": "",
    "stage": r"(path [23] )?stage:\d{1,4}",
    "adapter": r"(path [23] )?adapter:\d{1,4}",
    "pool": "",
    "concatenate": "",
    "head": "head",
}


def on_newest(route: Route, newest: Mapping[int, str]) -> Route:
    """The route as it answers now: what follows, on the newest version of its line.

    Args:
        route: As it was archived.
        newest: Component of each stage that has a line.
    """
    return replace(
        route,
        nodes=tuple(
            replace(node, component=newest[node.stage]) if node.follows else node for node in route.nodes
        ),
    )


def close(route: Route, trained: Mapping[str, str]) -> Route:
    """The route after training: every open slot names the component that was written for it."""
    return replace(
        route,
        nodes=tuple(
            replace(node, component=trained[node.slot], open=False) if node.open else node
            for node in route.nodes
        ),
    )
