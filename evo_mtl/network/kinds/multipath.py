"""The end of a route with several paths: a finished head, connectors beside it, and a router between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.genome.genome import Genome
from evo_mtl.genome.kinds import KINDS
from evo_mtl.network.closed_form import standardise
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.fields import FEATURES, each
from evo_mtl.network.kinds.kind import (
    Chosen,
    Group,
    HeadKind,
    Kind,
    Shape,
    Spec,
    Work,
    described,
    head_kind,
    kind_named,
    kind_of,
    spec_of,
    work_of,
    wrong_spec,
)

MAIN_SHARE = 0.8
"""Weight of the main path before anything is trained (Gesmundo 2023)."""

ROUTER_SHARE = 0.05
"""Of the learning rate, for the router (Gesmundo 2023)."""


class MultipathHead(nn.Module):
    """Logits from the taps of ``P`` frozen paths, weighted for each image.

    ``logits = sum_i w_i * logits_i / temperature``. The main path's logits are those of the finished head,
    which stays as it is; a further path's come from a *connector*: a linear map, zero at first, of its standardized
    taps. The weights are the softmax of a linear *router* that reads the main path's logits; at first it gives
    the main path 0.8 and the others even shares of the rest, whatever the image. So before training
    the highest logit is the main head's.

    Router and connectors are trained apart from one another: the router reads the main path's logits as
    constants (no gradient passes through it to what they were computed from), its learning rate is ``ROUTER_SHARE`` of the
    connectors', and its gradients are clipped by themselves.

    Args:
        main: The finished head; it is taken over, not copied, and frozen.
        widths: ``D_i``, numbers read of each further path.

    References:
        Gesmundo 2023, Multipath agents for modular multitask ML systems (mu4Net).
    """

    temperature: Tensor

    def __init__(self, main: Head, widths: Sequence[int]) -> None:
        super().__init__()
        num_classes, num_paths = main.linear.out_features, len(widths) + 1
        self.main = main.requires_grad_(False)
        self.connectors = nn.ModuleList(Head(width, num_classes) for width in widths)
        self.router = nn.Linear(num_classes, num_paths)
        self.register_buffer("temperature", torch.empty(()))
        if not self.temperature.is_meta:
            self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Gives connectors, router and temperature the values of new ones; the main head is left as it is."""
        for connector in self._heads[1:]:
            connector.reset()
        self.router.weight.zero_()
        self.router.bias.zero_()
        self.router.bias[0] = math.log(MAIN_SHARE / (1 - MAIN_SHARE) * len(self.connectors))
        self.temperature.fill_(1.0)

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers read of the main path and of each further one."""
        return tuple(len(head.mean) for head in self._heads)

    @property
    def _heads(self) -> tuple[Head, ...]:
        return (self.main, *self.connectors)  # type: ignore[return-value]

    def first(self, further: int) -> MultipathHead:
        """The head for the main path and the first few further ones; what was trained is kept."""
        if further == len(self.connectors):
            return self
        fewer = MultipathHead(self.main, self.widths[1 : further + 1])
        fewer.connectors = self.connectors[:further]
        with torch.no_grad():
            fewer.router.weight.copy_(self.router.weight[: further + 1])
            fewer.router.bias.copy_(self.router.bias[: further + 1])
        return fewer

    def path_logits(self, taps: Tensor) -> Tensor:
        """Taps ``(B, D)``, path after path, to each path's own logits ``(B, P, K)``."""
        parts = taps.split(self.widths, dim=1)
        return torch.stack([head(part) for head, part in zip(self._heads, parts, strict=True)], dim=1)

    def weights(self, path_logits: Tensor) -> Tensor:
        """Path logits ``(B, P, K)`` to the paths' weights ``(B, P)``, which sum to 1."""
        return self.router(path_logits[:, 0].detach()).softmax(dim=1)

    def forward(self, taps: Tensor) -> Tensor:
        """Taps ``(B, D)``, path after path, to logits ``(B, K)``."""
        logits = self.path_logits(taps)
        return (self.weights(logits).unsqueeze(2) * logits).sum(1) / self.temperature


def _head_spec(value: object) -> str | None:
    """A finished head's spec."""
    if not isinstance(value, Mapping) or value.get("kind") == "multipath":
        return f"expected the spec of a head of one line, met {value!r:.60}"
    wrong = wrong_spec(value)
    return wrong if wrong or KINDS.get(value["kind"]).role == "head" else f"{value['kind']!r} is no head"


def _make(spec: Spec) -> MultipathHead:
    main = spec["main"]
    return MultipathHead(cast(Head, kind_named(main["kind"]).make(main)), spec["widths"])


def _begin(module: nn.Module, generator: torch.Generator) -> None:
    head = cast(MultipathHead, module)
    head.main.reset()
    head.reset()


def _work(spec: Spec, shape: Shape) -> Work:
    """The weighted sum costs what the router does."""
    num_classes = spec["main"]["num_classes"]
    router = num_classes * (len(spec["widths"]) + 1)
    return Work(sum(spec["widths"]) * num_classes + 2 * router, work_of(spec["main"], shape).total)


def _groups(module: nn.Module) -> tuple[Group, ...]:
    head = cast(MultipathHead, module)
    return (
        Group(list(head.connectors.parameters())),
        Group(list(head.router.parameters()), ROUTER_SHARE),
    )


def _describe(genome: Genome, widths: Sequence[int], num_classes: int, seed: int) -> dict[str, Any]:
    main = head_kind(genome.head.main).describe(genome, widths[:1], num_classes, seed)
    return {"kind": "multipath", "main": main, "widths": list(widths[1:])}


def _inherit(module: nn.Module, spec: Spec) -> nn.Module:
    """From a finished head, or from a multipath head with at least as many further lines."""
    widths, had = list(spec["widths"]), spec_of(module)
    if kind_of(module) is not KIND:
        made = MultipathHead(cast(Head, module), widths)
        return described(made, {"kind": "multipath", "main": had, "widths": widths})
    return described(cast(MultipathHead, module).first(len(widths)), {**had, "widths": widths})


def _ready(module: nn.Module, genome: Genome, taps: Callable[[], Tensor], labels: np.ndarray) -> Chosen:
    """Standardizes each further line by the training images, as every head does with what it reads.

    An inherited head gets the numbers that it has already, since what it reads is frozen.
    """
    head = cast(MultipathHead, module)
    parts = taps().split(head.widths, dim=1)[1:]
    for connector, part in zip(head.connectors, parts, strict=True):
        mean, scale = standardise(part)
        cast(Head, connector).mean.copy_(mean)
        cast(Head, connector).scale.copy_(scale)
    head.temperature.fill_(1.0)  # training sees plain logits; the child is calibrated anew
    return Chosen()


KIND = Kind(
    fields={"main": _head_spec, "widths": each(FEATURES, 64)},
    make=_make,
    begin=_begin,
    complete=lambda module: cast(MultipathHead, module).main.draw_projection(),
    work=_work,
    groups=_groups,
    head=HeadKind(_describe, _ready, lambda spec, genome, count: 0.0, reads_again=True, inherit=_inherit),
)
