"""What answers are worth, each number with the id of its definition.

The literature uses one name for several numbers, so every metric here says which one it is
(``DEFINITIONS``). ``R`` is the matrix ``(T, T)`` of accuracies: ``R[i, j]`` on task ``j`` after task
``i`` was learned, ``nan`` where it was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from evo_mtl.errors import InputError
from evo_mtl.registry import suggestion

DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "accuracy:correct/all",
        "balanced_accuracy": "balanced_accuracy:mean_recall_of_classes_that_occur",
        "average_accuracy": "average_accuracy:mean_of_last_row_of_R",
        "forgetting": "forgetting:chaudhry2018",
        "backward_transfer": "backward_transfer:gem_lopez-paz2017",
        "expected_calibration_error": "expected_calibration_error:guo2017_15_equal_width_bins",
    }
)


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


def average_accuracy(R: np.ndarray) -> float:
    """Mean accuracy over all tasks after the last was learned; higher is better."""
    return float(np.mean(_square(R)[-1]))


def forgetting(R: np.ndarray) -> float:
    """Mean over earlier tasks of best accuracy before the last task minus accuracy now.

    Lower is better; below 0 where tasks got better. 0 for a stream of one task.

    References:
        Chaudhry 2018, Riemannian walk. (Other code takes the maximum over all rows, or averages over
        all tasks; those are other numbers.)
    """
    R = _square(R)
    if len(R) == 1:
        return 0.0
    return float(np.mean(np.nanmax(R[:-1, :-1], axis=0) - R[-1, :-1]))


def backward_transfer(R: np.ndarray) -> float:
    """Mean over earlier tasks of accuracy now minus accuracy when just learned; higher is better.

    0 for a stream of one task.

    References:
        Lopez-Paz 2017, GEM.
    """
    R = _square(R)
    if len(R) == 1:
        return 0.0
    return float(np.mean(R[-1, :-1] - np.diagonal(R)[:-1]))


def _check(predicted: np.ndarray, labels: np.ndarray) -> None:
    if np.shape(predicted) != np.shape(labels) or np.ndim(labels) != 1 or len(labels) == 0:
        raise ValueError(
            f"expected predictions and labels of one shape (N,), N >= 1; "
            f"met {np.shape(predicted)} and {np.shape(labels)}"
        )


def _square(R: np.ndarray) -> np.ndarray:
    R = np.asarray(R, dtype=np.float64)
    if R.ndim != 2 or R.shape[0] != R.shape[1] or len(R) == 0:
        raise ValueError(f"expected a square matrix (T, T) of accuracies, met shape {R.shape}")
    return R
