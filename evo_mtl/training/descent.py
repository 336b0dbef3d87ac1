"""Gradient descent: batches in order, and one step on each; candidates and learners all descend by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """What a step is taken on, for ``M`` models that are trained together; ``M`` is 1 for one alone.

    Attributes:
        epoch: From 0.
        number: Of steps before it.
        index: ``(M, B)``, each model's examples.
        targets: ``(M, B)``, their classes.
    """

    epoch: int
    number: int
    index: np.ndarray
    targets: Tensor


def num_steps(count: int, size: int) -> int:
    """Steps of an epoch over so many examples; the last, incomplete batch is left out, unless there is no other."""
    return max(count // min(size, count), 1)


def batches(labels: Tensor, size: int, epochs: int, rngs: Sequence[np.random.Generator]) -> Iterator[Batch]:
    """Every batch of some epochs; each epoch goes through the examples in an order of its own.

    Args:
        labels: ``(N,)``, where the targets are wanted.
        size: Examples a batch, at most; fewer where there are fewer.
        epochs: How many.
        rngs: One a model; each draws the orders of its model, one at the beginning of each epoch.
    """
    count = len(labels)
    size = min(size, count)
    per_epoch = num_steps(count, size)
    for epoch in range(epochs):
        orders = np.stack([rng.permutation(count) for rng in rngs])
        ordered = labels[torch.from_numpy(orders).to(labels.device)]
        for place in range(per_epoch):
            now = slice(place * size, (place + 1) * size)
            yield Batch(epoch, epoch * per_epoch + place, orders[:, now], ordered[:, now])


def _constant(number: int) -> None:
    pass


class Descent:
    """Steps for one model; see :class:`evo_mtl.training.stacked.StackedDescent` for several.

    Args:
        logits: From some rows of the inputs to logits ``(B, K)``.
        optimizer: Of the model's parameters.
        schedule: Called before each step with the number of steps taken; sets the learning rate.
        smoothing: Share of the target that is spread over all classes.
        clip: What the gradient of each of ``clipped`` is cut to; 0 for never.
        clipped: Parameters whose gradients are cut together.
    """

    def __init__(
        self,
        logits: Callable[[Any], Tensor],
        optimizer: torch.optim.Optimizer,
        schedule: Callable[[int], None] = _constant,
        smoothing: float = 0.0,
        clip: float = 0.0,
        clipped: Sequence[Sequence[nn.Parameter]] = (),
    ) -> None:
        self._logits, self._optimizer, self._schedule = logits, optimizer, schedule
        self._smoothing, self._clip, self._clipped = smoothing, clip, clipped

    def step(self, inputs: Any, batch: Batch) -> Tensor:
        """One step; its loss ``(1,)``.

        Args:
            inputs: Gives rows by an index ``(B,)``.
            batch: Of one model.
        """
        logits = self._logits(inputs[batch.index[0]])
        loss = nn.functional.cross_entropy(logits, batch.targets[0], label_smoothing=self._smoothing)
        self._schedule(batch.number)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self._clip:
            for parameters in self._clipped:
                nn.utils.clip_grad_norm_(parameters, self._clip)
        self._optimizer.step()
        return loss.detach().view(1)
