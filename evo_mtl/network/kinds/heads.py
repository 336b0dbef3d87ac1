"""What the kinds of head have in common that share :class:`~evo_mtl.network.head.Head` and differ in how it is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.genome.genome import Genome
from evo_mtl.genome.kinds import facts_of
from evo_mtl.network.closed_form import standardise
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.fields import CLASSES, FEATURES, Field
from evo_mtl.network.kinds.kind import Chosen, HeadKind, Kind, Shape, Spec, Together, Work, unlimited

Solve = Callable[[Head, Genome, Tensor, np.ndarray], Chosen]
"""Fills the linear map of a standardised head from features ``(N, D)`` and labels; returns what was chosen."""


def head_kind_of(
    name: str,
    solve: Solve,
    solution: Callable[[Spec, Genome, int], float],
    fields: Mapping[str, Field] | None = None,
    limit: Callable[[Spec], str | None] = unlimited,
    together: Together | None = None,
    **as_head: Any,
) -> Kind:
    """A kind of head that standardizes its taps by the training images, and is then solved or trained.

    Args:
        name: Of the kind.
        solve: What it does with the standardised features while it is new.
        solution: Multiply-adds of that, for so many images.
        fields: Of its spec, besides the numbers it reads and the classes.
        limit: As of :class:`Kind`.
        together: As of :class:`Kind`.
        as_head: Further attributes of its :class:`HeadKind`.
    """

    def describe(genome: Genome, widths: Sequence[int], num_classes: int, seed: int) -> dict[str, Any]:
        settings = dict(facts_of(name, "head").settings_of(genome))
        drawn = {"projection_seed": seed} if "projection_seed" in (fields or {}) else {}
        return {"kind": name, "in_features": sum(widths), "num_classes": num_classes, **settings, **drawn}

    def ready(module: nn.Module, genome: Genome, taps: Callable[[], Tensor], labels: np.ndarray) -> Chosen:
        head = cast(Head, module)
        if genome.head.component is not None:
            head.temperature.fill_(1.0)  # training sees plain logits; the child is calibrated anew
            return Chosen()
        read = taps()
        mean, scale = standardise(read)
        head.mean.copy_(mean)
        head.scale.copy_(scale)
        with torch.no_grad():
            return solve(head, genome, read, labels)

    return Kind(
        fields={"in_features": FEATURES, "num_classes": CLASSES, **(fields or {})},
        make=_make,
        begin=lambda module, generator: cast(Head, module).reset(),
        complete=lambda module: cast(Head, module).draw_projection(),
        work=_work,
        together=together,
        head=HeadKind(
            describe,
            ready,
            solution,
            standardised=lambda module: (cast(Head, module).mean, cast(Head, module).scale),
            **as_head,
        ),
        limit=limit,
    )


def features_of(head: Head, taps: Tensor) -> Tensor:
    """The features that the linear map of a head is solved on, on the CPU."""
    return head.features(taps.to(head.mean.device)).cpu()


def fill(head: Head, weight: Tensor, bias: Tensor) -> None:
    """Puts a solution into a head."""
    head.linear.weight.copy_(weight)
    head.linear.bias.copy_(bias)


def _make(spec: Spec) -> Head:
    return Head(**{key: value for key, value in spec.items() if key not in ("kind", "dtype")})


def _work(spec: Spec, shape: Shape) -> Work:
    """A projection is given by its seed: it costs work, but no parameters."""
    width, projected = spec["in_features"], spec.get("projection_width", 0)
    return Work((projected or width) * spec["num_classes"] + width * projected)
