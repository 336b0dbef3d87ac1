"""Detectors that are compared: ours, ours with less, and river's on scalars of the same features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from evo_mtl.training.boundaries import BoundaryDetector

try:
    from river import drift
except ImportError:  # only compared with: the package does without
    drift = None

WARM = 3
"""Batches of a segment before river's detectors are handed anything."""


class Detector(Protocol):
    def see(self, features: np.ndarray, labels: np.ndarray) -> bool: ...


class WithoutLabels:
    """Ours, handed the same labels with every batch: it takes all streams for shuffled ones."""

    def __init__(self, widths: Sequence[int]) -> None:
        self._inner = BoundaryDetector(widths)

    def see(self, features: np.ndarray, labels: np.ndarray) -> bool:
        return self._inner.see(features, np.arange(len(labels)) % 2)


class LastTap:
    """Ours on the trunk's last features alone."""

    def __init__(self, widths: Sequence[int]) -> None:
        self._inner = BoundaryDetector(widths[-1:])
        self._start = sum(widths[:-1])

    def see(self, features: np.ndarray, labels: np.ndarray) -> bool:
        return self._inner.see(features[:, self._start :], labels)


class OfScalars:
    """A detector of scalars on how far a batch lies from the segment's running Gaussian, in the same projection."""

    def __init__(self, widths: Sequence[int], make: Callable[[], Any], each: bool) -> None:
        """``each``: one scalar an example (its distance); otherwise one a batch (the distance of its mean)."""
        self._projected = BoundaryDetector(widths)._projected
        self._make, self._each = make, each
        self._start()

    def _start(self) -> None:
        self._inner = self._make()
        self._batches, self._count, self._total, self._squares = 0, 0, 0.0, 0.0

    def see(self, features: np.ndarray, labels: np.ndarray) -> bool:
        rows = self._projected(features, labels)
        found = False
        if self._batches >= WARM and self._count > rows.shape[1] + 8:
            for scalar in self._scalars(rows):
                self._inner.update(float(scalar))
                found |= self._inner.drift_detected
        if found:
            self._start()
        self._batches += 1
        self._count += len(rows)
        self._total = self._total + rows.sum(0)
        self._squares = self._squares + rows.T @ rows
        return found

    def _scalars(self, rows: np.ndarray) -> np.ndarray:
        """Logarithms of squared Mahalanobis distances, about 0 where nothing changes."""
        width = rows.shape[1]
        mean = self._total / self._count
        covariance = (self._squares - self._count * np.outer(mean, mean)) / (self._count - 1)
        covariance = covariance + 1e-6 * np.trace(covariance) / width * np.eye(width)
        apart = rows - mean if self._each else np.sqrt(len(rows)) * (rows.mean(0) - mean)[None]
        return np.log(np.einsum("nd,dn->n", apart, np.linalg.solve(covariance, apart.T)) / width)


def detectors() -> dict[str, Callable[[Sequence[int]], Detector]]:
    """By the name in the table; river's with the best of the settings that were tried, where it is installed."""
    found: dict[str, Callable[[Sequence[int]], Detector]] = {
        "`BoundaryDetector`": BoundaryDetector,
        "the same without labels": WithoutLabels,
        "the same on the last tap": LastTap,
    }
    if drift is not None:
        river: dict[str, tuple[Callable[[], Any], bool]] = {
            "Page-Hinkley, batch means": (
                lambda: drift.PageHinkley(min_instances=3, threshold=2, delta=0.3, alpha=0.999),
                False,
            ),
            "Page-Hinkley, each example": (
                lambda: drift.PageHinkley(min_instances=30, threshold=10, delta=0.2, alpha=0.9999),
                True,
            ),
            "ADWIN, batch means": (
                lambda: drift.ADWIN(delta=0.05, clock=1, grace_period=4, min_window_length=1),
                False,
            ),
            "ADWIN, each example": (lambda: drift.ADWIN(delta=1e-5, clock=1), True),
        }
        for name, (make, each) in river.items():
            found[name] = lambda widths, make=make, each=each: OfScalars(widths, make, each)
    return found
