"""Gradient descent on the open part of a candidate, with validation by chunks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.errors import CandidateError
from evo_mtl.genome.genome import Genome
from evo_mtl.network.forward import CHUNK, SharedRoutes, run_dynamic
from evo_mtl.network.route import Route
from evo_mtl.training.kept import Frontier


@dataclass(frozen=True)
class OpenPart:
    """What a candidate trains, and how to run it.

    Attributes:
        route: The candidate's route.
        own: Slot to the module that belongs to the candidate alone.
        shared: Frozen components and how activations are laid out.
    """

    route: Route
    own: Mapping[str, nn.Module]
    shared: SharedRoutes

    def logits(self, known: Mapping[int, Any]) -> Tensor:
        """Logits ``(B, K)`` for the frontier's rows of a batch."""
        return run_dynamic(self.route, self.shared.modules, self.own, known, self.shared.tokens)

    def train(self, norm: str) -> None:
        """Puts own modules into training mode; with ``norm`` ``"eval"`` statistics stay as they are."""
        for module in self.own.values():
            module.train(norm == "train")

    def eval(self) -> None:
        """Puts own modules into eval mode."""
        for module in self.own.values():
            module.eval()

    @torch.no_grad()
    def all_logits(self, frontier: Frontier) -> np.ndarray:
        """Logits ``(N, K)`` in eval mode, in chunks of the one fixed size, the last one padded."""
        self.eval()
        parts = []
        for start in range(0, len(frontier), CHUNK):
            index = np.arange(start, min(start + CHUNK, len(frontier)))
            padded = np.concatenate([index, np.full(CHUNK - len(index), index[-1])])
            parts.append(self.logits(frontier[padded])[: len(index)].cpu().numpy())
        return np.concatenate(parts)


@dataclass(frozen=True)
class Fitted:
    """What training gave.

    Attributes:
        curve: Quality at each validation, the first before any training.
        best: The place in the curve whose weights the own modules now have.
        logits: Their validation logits ``(N, K)``.
    """

    curve: tuple[float, ...]
    best: int
    logits: np.ndarray


def fit(
    part: OpenPart,
    genome: Genome,
    train: Sequence[Frontier],
    labels: np.ndarray,
    validation: Frontier,
    quality: Callable[[np.ndarray], float],
    validations: int,
    rng: np.random.Generator,
) -> Fitted:
    """Trains the own modules in place and leaves the best validated snapshot in them.

    Args:
        part: What is trained.
        genome: Its training hyperparameters.
        train: The training images' frontier, one a view; epoch ``e`` uses view ``e`` modulo their number.
        labels: ``(N,)`` of the training images.
        validation: The validation images' frontier.
        quality: From validation logits ``(M, K)`` to the task's metric; higher is better.
        validations: Times it is validated, evenly over the steps; the start is validated besides.
        rng: Orders the training images.

    Raises:
        CandidateError: The loss is not finite any more.
    """
    parameters = [p for module in part.own.values() for p in module.parameters()]
    optimizer = make_optimizer(genome, parameters)
    targets = torch.tensor(labels, device=part.shared.device)
    batch = min(genome["batch_size"], len(labels))
    steps_per_epoch = max(len(labels) // batch, 1)
    total = steps_per_epoch * genome["epochs"]
    checks = sorted({math.ceil(total * (i + 1) / validations) for i in range(validations)})
    norm = genome["norm"] if batch > 1 else "eval"

    logits = part.all_logits(validation)
    curve, best = [quality(logits)], Snapshot.take(part.own, 0, logits)
    order = np.empty(0, dtype=np.int64)
    for step in range(total):
        epoch, place = divmod(step, steps_per_epoch)
        if place == 0:
            order = rng.permutation(len(labels))
        if place == 0 or step in checks:
            part.train(norm)
        index = order[place * batch : (place + 1) * batch]
        loss = nn.functional.cross_entropy(
            part.logits(train[epoch % len(train)][index]),
            targets[torch.from_numpy(index)],
            label_smoothing=genome["label_smoothing"],
        )
        set_learning_rate(optimizer, genome, step, total)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if genome["clip_norm"]:
            nn.utils.clip_grad_norm_(parameters, genome["clip_norm"])
        optimizer.step()
        if step + 1 in checks:
            if not math.isfinite(loss.item()):
                raise CandidateError("the loss is not a finite number")
            logits = part.all_logits(validation)
            curve.append(quality(logits))
            if curve[-1] >= curve[best.place]:
                best = Snapshot.take(part.own, len(curve) - 1, logits)
    best.restore(part.own)
    part.eval()
    return Fitted(tuple(curve), best.place, best.logits)


@dataclass(frozen=True)
class Snapshot:
    """The own modules' weights at one validation."""

    place: int
    states: Mapping[str, Mapping[str, Any]]
    logits: np.ndarray

    @classmethod
    def take(cls, own: Mapping[str, nn.Module], place: int, logits: np.ndarray) -> Snapshot:
        """Copies the weights."""
        return cls(place, {slot: copy.deepcopy(m.state_dict()) for slot, m in own.items()}, logits)

    def restore(self, own: Mapping[str, nn.Module]) -> None:
        """Puts the weights back."""
        for slot, module in own.items():
            module.load_state_dict(self.states[slot])


def make_optimizer(genome: Genome, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """The genome's optimiser; weight decay acts on matrices and kernels, not on norms and biases."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": genome["weight_decay"]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = genome["learning_rate"]
    if genome["optimizer"] == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(genome["momentum"], 0.999))
    nesterov = bool(genome["nesterov"] and genome["momentum"] > 0)
    return torch.optim.SGD(groups, lr=rate, momentum=genome["momentum"], nesterov=nesterov)


def set_learning_rate(optimizer: torch.optim.Optimizer, genome: Genome, step: int, total: int) -> None:
    """Sets the rate of a step: a linear warm-up, then constant or a half cosine down to zero."""
    for group in optimizer.param_groups:
        group["lr"] = genome["learning_rate"] * schedule(
            genome["schedule"], genome["warmup_share"], step, total
        )


def schedule(name: str, warmup_share: float, step: int, total: int) -> float:
    """The share of the learning rate at a step.

    Example:
        >>> [round(schedule("cosine", 0.2, step, 10), 2) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    warmup = round(warmup_share * total)
    if step < warmup:
        return (step + 1) / warmup
    if name == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1)))
