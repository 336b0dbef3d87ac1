"""Probabilities that mean what they say: one temperature per task, fitted on validation data.

References:
    Guo 2017, On calibration of modern neural networks. Platt 1999, the smoothed targets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

_BOUNDS = (1e-3, 1e3)
_GOLDEN = (math.sqrt(5) - 1) / 2
_STEPS = 64  # shrinks the bounds by 4e-14, below what float64 tells apart


def apply(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities ``(N, K)``, float64: the softmax of ``logits / temperature``."""
    return np.exp(_log_softmax(np.asarray(logits, dtype=np.float64) / temperature))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in [0.001, 1000] with the least negative log-likelihood.

    A golden-section search over the temperature's logarithm, in which the likelihood has one valley.
    Of equally good temperatures the largest, that is the least confident, is taken. It works on
    ridge scores as well as on logits, and never changes which class is highest.

    Args:
        logits: ``(N, K)`` scores of validation examples, N at least 1.
        labels: ``(N,)``.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[9.0, 0.0], [9.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
        >>> round(float(apply(scores, fit_temperature(scores, np.array([0, 0, 0, 1])))[0, 0]), 6)
        0.7
    """
    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 2 or len(scores) == 0:
        raise ValueError(f"expected scores of shape (N, K) with N >= 1, met {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("expected finite scores to calibrate on")
    truth = np.asarray(labels, dtype=np.int64)

    # As if one more example had been answered evenly: without it, validation answers that are all correct
    # would ask for probabilities of exactly 1 (Platt 1999).
    count, num_classes = len(truth), scores.shape[1]
    targets = np.full(scores.shape, 1 / (count + 1) / num_classes)
    targets[np.arange(count), truth] += count / (count + 1)

    def loss(log_temperature: float) -> float:
        return -float((targets * _log_softmax(scores / math.exp(log_temperature))).sum(1).mean())

    low, high = math.log(_BOUNDS[0]), math.log(_BOUNDS[1])
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if loss_left < loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = loss(right)
    return min(max(math.exp((low + high) / 2), _BOUNDS[0]), _BOUNDS[1])


def log_likelihood(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean logarithm of the true class's probability under the best temperature; ``-inf`` of what is not finite.

    Args:
        logits: ``(N, K)``, N at least 1.
        labels: ``(N,)``.
    """
    if not np.isfinite(logits).all():
        return -math.inf
    scores = np.asarray(logits, dtype=np.float64) / fit_temperature(logits, labels)
    return float(_log_softmax(scores)[np.arange(len(labels)), labels].mean())


def calibrate(head: nn.Module, logits: np.ndarray, labels: np.ndarray) -> float:
    """Sets a head's temperature from its validation logits ``(N, K)`` (Guo 2017); returns it."""
    temperature = fit_temperature(logits, labels)
    head.get_buffer("temperature").fill_(temperature)
    return temperature


class Temperatures:
    """The temperature of a head that answers a stream: how well each of a grid would have done on recent examples.

    What is kept is a sum for each temperature; older examples count for less.
    """

    GRID = np.exp(np.linspace(math.log(0.02), math.log(50.0), 41))

    def __init__(self, window: int = 512) -> None:
        self._window = window
        self._losses = np.zeros(len(self.GRID))

    def see(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Takes a batch: logits ``(B, K)`` that were given before it was learned from, and its labels ``(B,)``."""
        count = len(logits)
        even = 1 / (self._window + 1)  # as if one more example had been answered evenly (Platt 1999)
        losses = []
        for temperature in self.GRID:
            found = _log_softmax(np.asarray(logits, dtype=np.float64) / temperature)
            right = found[np.arange(count), labels]
            losses.append(-float((1 - even) * right.sum() + even * found.mean(1).sum()))
        self._losses = self._losses * math.exp(-count / self._window) + np.array(losses)

    @property
    def best(self) -> float:
        """The one of least loss; 1 before anything was seen."""
        return float(self.GRID[int(self._losses.argmin())]) if self._losses.any() else 1.0

    def tensors(self) -> dict[str, Tensor]:
        """All that it knows."""
        return {"losses": torch.from_numpy(self._losses.copy())}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from what :meth:`tensors` gave."""
        self._losses = tensors["losses"].numpy().copy()


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
