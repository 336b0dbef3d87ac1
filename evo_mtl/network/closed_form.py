"""Heads solved in closed form: ridge with every strength from one decomposition, nearest class mean.

All sums are in float64, made in one pass over the examples. Features are ``(N, D)``, labels ``(N,)`` in ``0 .. K-1``; a head is a weight
``(K, D)`` and a bias ``(K,)``, so that ``features @ weight.T + bias`` are scores ``(N, K)``.

References:
    Hoerl 1970, ridge regression. Rifkin 2007, leave-one-out for regularised least squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from evo_mtl.errors import CandidateError

Array: TypeAlias = Tensor | np.ndarray

DEFAULT_ALPHAS = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5)


class RidgeHead(NamedTuple):
    """A chosen ridge head; ``loo_error`` is the mean squared leave-one-out error (lower is better)."""

    weight: Tensor
    bias: Tensor
    alpha: float
    loo_error: float


def standardise(features: Array) -> tuple[Tensor, Tensor]:
    """Mean and scale ``(D,)`` of each feature; ``(features - mean) / scale`` has unit variance.

    A constant feature gets scale 1, so that it becomes zero rather than noise.
    """
    mean = _mean(features)
    zero = torch.zeros_like(mean)
    scale = (sum((x.square().sum(0) for _, x in _centred(features, mean)), zero) / len(features)).sqrt()
    constant = scale <= 1e-12 * torch.maximum(mean.abs(), torch.ones_like(mean))
    return mean, torch.where(constant, torch.ones_like(scale), scale)


def fold_standardisation(weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The head on raw features that scores as ``weight, bias`` do on standardised ones."""
    folded = weight / scale
    return folded, bias - folded @ mean


@dataclass(frozen=True)
class _Decomposition:
    """Centred least squares in the coordinates where every strength is a division (R = min(N, D)).

    In the primal form, where examples outnumber features, nothing of size (N, D) is held: only sums over
    examples are solved, and the examples are read once more for leave-one-out errors.
    """

    features: Array  # (N, D), as they came
    feature_mean: Tensor  # (D,)
    targets: Tensor  # (N, K) centred
    target_mean: Tensor  # (K,)
    dual: bool
    basis: Tensor  # eigenvectors: (D, R) primal, (N, R) dual
    eigenvalues: Tensor  # (R,)
    projected: Tensor  # (R, K) targets

    def head(self, alpha: float) -> tuple[Tensor, Tensor]:
        weight = self.basis @ (self.projected / (self.eigenvalues + alpha)[:, None])
        if self.dual:
            weight = sum(x.T @ weight[rows] for rows, x in _centred(self.features, self.feature_mean))  # type: ignore[assignment]
        return weight.T.contiguous(), self.target_mean - self.feature_mean @ weight

    def loo_errors(self, alphas: Sequence[float]) -> list[float]:
        """Mean squared leave-one-out error for each strength."""
        sums = [0.0] * len(alphas)
        for rows, coordinates, leverages in self._coordinates():
            for i, alpha in enumerate(alphas):
                shrunk = 1 / (self.eigenvalues + alpha)
                residual = self.targets[rows] - coordinates @ (self.projected * shrunk[:, None])
                # The intercept is not shrunk: it adds 1/N to every leverage.
                leverage = leverages @ shrunk + 1 / len(self.targets)
                sums[i] += float((residual / (1 - leverage).clamp_min(1e-12)[:, None]).square().sum())
        return [total / self.targets.numel() for total in sums]

    def _coordinates(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Rows in which fitted values and leverages are linear, after division by eigenvalue plus strength."""
        if self.dual:
            scaled = self.basis * self.eigenvalues
            yield slice(None), scaled, self.basis * scaled
            return
        for rows, x in _centred(self.features, self.feature_mean):
            scores = x @ self.basis
            yield rows, scores, scores.square()


def choose_ridge(
    train_features: Array,
    train_labels: Array,
    alphas: Sequence[float] = DEFAULT_ALPHAS,
    num_classes: int | None = None,
) -> RidgeHead:
    """The ridge head whose strength has the least squared leave-one-out error.

    Chooses as scikit-learn's ``RidgeClassifierCV`` does (the first of equals), on the training
    examples alone, so that validation examples are left for the choice between candidates. Targets are -1 and 1.
    The smaller of two systems is solved: ``(D, D)`` when ``N >= D``, ``(N, N)`` otherwise.

    Args:
        train_features: ``(N, D)``, standardised by the caller if so wished; N at least 2.
        train_labels: ``(N,)``.
        alphas: Strengths, each above 0.
        num_classes: ``K``; from the labels when left out.

    Raises:
        CandidateError: A feature is not finite.

    Example:
        >>> import numpy as np
        >>> x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
        >>> head = choose_ridge(x, np.array([0, 0, 1, 1]), alphas=(0.1, 1.0))
        >>> (x @ head.weight.T.numpy() + head.bias.numpy()).argmax(1).tolist()
        [0, 0, 1, 1]
    """
    _check_alphas(alphas)
    labels = _labels(train_labels)
    parts = _decompose(train_features, labels, num_classes or int(labels.max()) + 1)
    errors = parts.loo_errors(alphas)
    best = min(range(len(alphas)), key=errors.__getitem__)
    return RidgeHead(*parts.head(alphas[best]), float(alphas[best]), errors[best])


def ridge_multiply_adds(num_examples: int, width: int) -> float:
    """Planned multiply-adds of :func:`choose_ridge`: the Gram matrix of the smaller form, its decomposition."""
    smaller = min(num_examples, width)
    return float(num_examples * width * smaller + 5 * smaller**3)


def nearest_class_mean(features: Array, labels: Array, num_classes: int) -> tuple[Tensor, Tensor]:
    """The head whose highest score is the nearest class mean: ``mean_c . x - |mean_c|^2 / 2``.

    A class without examples gets the bias ``-inf`` and is never answered.
    """
    x, y = _features(features), _labels(labels)
    members = torch.nn.functional.one_hot(y, num_classes).double()
    counts = members.sum(0)
    means = (members.T @ x) / counts.clamp_min(1)[:, None]
    bias = -means.square().sum(1) / 2
    return means, torch.where(counts > 0, bias, torch.full_like(bias, -torch.inf))


def _decompose(features: Array, labels: Array, num_classes: int) -> _Decomposition:
    y = _labels(labels)
    targets = 2 * torch.nn.functional.one_hot(y, num_classes).double() - 1
    target_mean = targets.mean(0)
    targets = targets - target_mean
    count, width = len(features), features.shape[1]
    mean = _mean(features)
    if dual := count < width:
        x = _features(features) - mean
        eigenvalues, basis = torch.linalg.eigh(x @ x.T)
        projected = basis.T @ targets
    else:
        gram = torch.zeros((width, width), dtype=torch.float64)
        moments = torch.zeros((width, num_classes), dtype=torch.float64)
        for rows, x in _centred(features, mean):
            gram += x.T @ x
            moments += x.T @ targets[rows]
        eigenvalues, basis = torch.linalg.eigh(gram)
        projected = basis.T @ moments
    return _Decomposition(
        features, mean, targets, target_mean, dual, basis, eigenvalues.clamp_min(0), projected
    )


def _mean(features: Array) -> Tensor:
    zero = torch.zeros(features.shape[1], dtype=torch.float64)
    return sum((x.sum(0) for _, x in _centred(features, zero)), zero) / len(features)


ROWS = 4096
"""Examples that are turned into float64 at once."""


def _centred(features: Array, mean: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Rows in float64 less their mean, some at a time."""
    for start in range(0, len(features), ROWS):
        rows = slice(start, start + ROWS)
        yield rows, _features(features[rows]) - mean


def _features(features: Array) -> Tensor:
    # A copy: torch warns about arrays that are not writable, such as memory-mapped ones.
    x = features.double() if isinstance(features, Tensor) else torch.tensor(features, dtype=torch.float64)
    if not bool(torch.isfinite(x).all()):
        raise CandidateError("a feature is not finite; no head can be solved on it")
    return x


def _labels(labels: Array) -> Tensor:
    return labels.long() if isinstance(labels, Tensor) else torch.tensor(labels, dtype=torch.int64)


def _check_alphas(alphas: Sequence[float]) -> None:
    if not alphas or min(alphas) <= 0:
        raise ValueError(f"expected ridge strengths above 0, met {tuple(alphas)}")
