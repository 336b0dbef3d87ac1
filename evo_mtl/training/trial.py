"""A candidate tried, whole: assembled, fitted, validated, its new components written.

A trial is a pure function of the candidate, the task's data, the components its genome names, and the
run's seed: any worker may do it, in any order, again, with the same outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import Genome
from evo_mtl.network.adapters import ConvAdapter, TokenAdapter, make_adapter
from evo_mtl.network.assembly import assemble
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.heads import Head
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.pooling import pooled_size
from evo_mtl.network.route import Node, Route
from evo_mtl.seeding import generator, torch_seed
from evo_mtl.training import metrics
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.fit import OpenPart, fit
from evo_mtl.training.heads import calibrate, new_head, solve_head
from evo_mtl.training.images import TaskImages
from evo_mtl.training.kept import Frontier, frontier

Write = Callable[[Mapping[str, torch.Tensor], Mapping[str, Any]], str]
"""From tensors and spec to the digest of the component that was written."""


@dataclass(frozen=True)
class Bench:
    """Where trials are done: everything they need that is no part of the candidate.

    Attributes:
        seed: The run's seed.
        layout: The root trunk's normalisation and shapes.
        shared: Frozen components.
        write: Writes a component.
        images: The task's training and validation pixels.
        cache: Kept activations.
        validations: Validations while a child trains.
    """

    seed: int
    layout: TrunkLayout
    shared: SharedRoutes
    write: Write
    images: TaskImages
    cache: ArrayCache
    validations: int


@dataclass(frozen=True)
class Outcome:
    """What a trial gives: plain data, components named by digest.

    Attributes:
        status: ``"ok"`` or ``"failed: …"``.
        quality: The task's metric on its validation split.
        curve: Quality at each validation, the first before any training.
        trained: Slot to digest of the components written.
        notes: What the head's solution chose, its temperature.
    """

    status: str
    quality: float
    curve: tuple[float, ...]
    trained: Mapping[str, str]
    notes: Mapping[str, Any]


def try_candidate(candidate: Candidate, bench: Bench) -> Outcome:
    """Fits a candidate and writes what it trained; a candidate that cannot be fitted is an outcome too."""
    try:
        return _try(candidate, bench)
    except CandidateError as error:
        return Outcome(f"failed: {error}", 0.0, (), {}, {})
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return Outcome("failed: out of memory", 0.0, (), {}, {})


def _out_of_memory(error: Exception) -> bool:
    """On the CPU torch says so in words only."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def _try(candidate: Candidate, bench: Bench) -> Outcome:
    genome, task = candidate.genome, bench.images.task
    route = assemble(genome, bench.layout.mean, bench.layout.std)
    own = _own_modules(candidate, route, bench)
    part = OpenPart(route, own, bench.shared)
    views = genome["views"] if genome.head.trained else 1
    train = [_frontier(route, bench, bench.images.train(genome, v)) for v in range(views)]
    validation = _frontier(route, bench, bench.images.validation(genome))
    labels, truth = task.train.labels, task.validation.labels

    head = own["head"]
    assert isinstance(head, Head)
    notes: dict[str, Any] = {}
    if genome.head.component is None:
        notes |= solve_head(head, genome, _taps(part, train[0]), labels)
    else:
        head.temperature.fill_(1.0)  # training sees plain logits; the child is calibrated anew

    def quality(logits: np.ndarray) -> float:
        return metrics.score(task.metric, logits.argmax(1), truth)

    if genome.head.trained:
        rng = generator(bench.seed, *candidate.address, "order")
        fitted = fit(part, genome, train, labels, validation, quality, bench.validations, rng)
        curve, logits, notes["best"] = fitted.curve, fitted.logits, fitted.best
    else:
        logits = part.all_logits(validation)
        curve = (quality(logits),)
    if not np.isfinite(logits).all():
        raise CandidateError("a validation logit is not a finite number")
    notes["temperature"] = calibrate(head, logits, truth)
    trained = {
        node.slot: bench.write(own[node.slot].state_dict(), _spec(node, own[node.slot], bench.layout))
        for node in route.nodes
        if node.open
    }
    return Outcome("ok", max(curve), tuple(curve), trained, notes)


def _frontier(route: Route, bench: Bench, images: tuple[str, np.ndarray]) -> Frontier:
    key, pixels = images
    return frontier(route, pixels, key, bench.shared, bench.cache)


def _own_modules(candidate: Candidate, route: Route, bench: Bench) -> dict[str, nn.Module]:
    """A module of its own for every open slot: a copy of what the genome names, or a fresh one."""
    own: dict[str, nn.Module] = {}
    for node in route.nodes:
        if not node.open:
            continue
        if node.component is not None:
            module = bench.shared.modules.fresh(node.component)
        elif node.slot == "head":
            module = _fresh_head(candidate, bench)
        else:
            module = _fresh_adapter(candidate, node, bench)
        own[node.slot] = module.to(bench.shared.device).requires_grad_(True)
    return own


def _fresh_head(candidate: Candidate, bench: Bench) -> Head:
    width = in_features(candidate.genome, bench.layout)
    seed = torch_seed(bench.seed, *candidate.address, "projection")
    return new_head(candidate.genome, width, len(bench.images.task.classes), seed)


def _fresh_adapter(candidate: Candidate, node: Node, bench: Bench) -> nn.Module:
    stage = int(node.slot.removeprefix("adapter:"))
    gene = next(gene for gene in candidate.genome.adapters if gene.stage == stage)
    drawn = torch.Generator().manual_seed(torch_seed(bench.seed, *candidate.address, node.slot))
    layout = bench.layout
    module = make_adapter(layout.kind, layout.channels[stage], gene.width, drawn)
    return module.to(memory_format=torch.channels_last)


def in_features(genome: Genome, layout: TrunkLayout) -> int:
    """Numbers a genome's head reads."""
    return sum(pooled_size(layout.channels[tap.stage], tap.grid) for tap in genome.taps)


def _taps(part: OpenPart, train: Frontier) -> torch.Tensor:
    """What the head reads of every training image, ``(N, D)``: the logits of a head that hands on its input."""
    reading = OpenPart(part.route, {**part.own, "head": nn.Identity()}, part.shared)
    return torch.from_numpy(reading.all_logits(train))


def _spec(node: Node, module: nn.Module, layout: TrunkLayout) -> dict[str, Any]:
    if node.operation == "stage":
        return layout.stage_spec(int(node.slot.removeprefix("stage:")))
    if node.operation == "adapter":
        stage = int(node.slot.removeprefix("adapter:"))
        assert isinstance(module, ConvAdapter | TokenAdapter)
        return layout.adapter_spec(stage, len(module.down.weight))
    assert isinstance(module, Head)
    return {
        "kind": "head",
        "in_features": len(module.mean),
        "num_classes": module.linear.out_features,
        "projection_width": 0 if module.projection is None else module.linear.in_features,
        "projection_seed": module.projection_seed,
    }
