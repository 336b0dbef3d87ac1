"""What answers are worth: the metrics that a task may be judged by, and what probabilities are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from evo_mtl.errors import InputError
from evo_mtl.registry import suggestion


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples answered correctly, in [0, 1]; predictions and labels are ``(N,)``, N >= 1."""
    _check(predicted, labels)
    return float(np.mean(predicted == labels))


def balanced_accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes that occur in ``labels`` of the share of each answered correctly."""
    _check(predicted, labels)
    _, members = np.unique(labels, return_inverse=True)
    correct = np.bincount(members, weights=predicted == labels)
    return float(np.mean(correct / np.bincount(members)))


_TASK_METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = MappingProxyType(
    {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy}
)


def score(metric: str, predicted: np.ndarray, labels: np.ndarray) -> float:
    """A task's metric by its name in the stream file; higher is better.

    Raises:
        InputError: No metric of that name.
    """
    if metric not in _TASK_METRICS:
        known = ", ".join(_TASK_METRICS)
        raise InputError(f"unknown metric {metric!r}{suggestion(metric, _TASK_METRICS)}; known: {known}")
    return _TASK_METRICS[metric](predicted, labels)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equal-width bins of confidence.

    Args:
        probabilities: ``(N, K)``.
        labels: ``(N,)``.
        bins: Number of bins over (0, 1]; a bin owns its upper edge.

    Returns:
        In [0, 1]; lower is better; 0 without examples.
    """
    if len(labels) == 0:
        return 0.0
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def _check(predicted: np.ndarray, labels: np.ndarray) -> None:
    if np.shape(predicted) != np.shape(labels) or np.ndim(labels) != 1 or len(labels) == 0:
        raise ValueError(
            f"expected predictions and labels of one shape (N,), N >= 1; "
            f"met {np.shape(predicted)} and {np.shape(labels)}"
        )
