"""The strongest simple methods on rows of numbers: logistic regression and ridge, standardised, chosen on validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CS = tuple(10.0**k for k in np.arange(-4, 3.5, 0.5))
ALPHAS = tuple(10.0**k for k in np.arange(-2, 5.5, 0.5))

Rows = tuple[np.ndarray, np.ndarray]
"""Rows ``(N, D)`` and labels ``(N,)``."""


def logistic(train: Rows, validation: Rows) -> Any:
    """Logistic regression; of strengths that do equally well on validation, the strongest penalty."""
    return _best([LogisticRegression(C=c, max_iter=5000) for c in CS], train, validation)


def ridge(train: Rows, validation: Rows) -> Any:
    """Ridge on one-hot labels, the strength chosen in the same way."""
    return _best([RidgeClassifier(alpha=alpha) for alpha in reversed(ALPHAS)], train, validation)


BASELINES: Mapping[str, Callable[[Rows, Rows], Any]] = MappingProxyType(
    {"logistic": logistic, "ridge": ridge}
)


def _best(methods: list[Any], train: Rows, validation: Rows) -> Any:
    best: tuple[float, Any] | None = None
    for method in methods:
        fitted = make_pipeline(StandardScaler(), method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation decides whether it is any good
            fitted.fit(*train)
        quality = float((fitted.predict(validation[0]) == validation[1]).mean())
        if best is None or quality > best[0]:
            best = (quality, fitted)
    assert best is not None
    return best[1]
