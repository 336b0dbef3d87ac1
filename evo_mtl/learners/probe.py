"""Logistic regression on the frozen trunk's last features: what most people try first."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from evo_mtl.learners.features import final_tap, pooled_features
from evo_mtl.learners.learner import Learned, Settings, TaskData
from evo_mtl.network.closed_form import standardise
from evo_mtl.network.trunks import Trunk

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1)
"""Inverse strengths ``C`` that are tried, from strong to weak."""


def probe(data: TaskData, trunk: Trunk, settings: Settings) -> Learned:
    """A linear probe on standardised features; ``C`` is chosen on the validation split.

    Of strengths that do equally well, the strongest is taken. Nothing in it is random.
    """
    taps = final_tap(trunk)
    raw = pooled_features(trunk, data.train_images, taps, settings.cache)
    mean, scale = (statistic.numpy() for statistic in standardise(raw))

    def features(images: np.ndarray) -> np.ndarray:
        pooled = pooled_features(trunk, images, taps, settings.cache)
        return ((pooled - mean) / scale).astype(np.float32)

    train, validation = features(data.train_images), features(data.validation_images)
    best: tuple[float, float, LogisticRegression] | None = None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=300)
        with warnings.catch_warnings():
            # A weak penalty need not converge: validation decides whether what it found is any good.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(train, data.train_labels)
        quality = data.validation_score(model.predict(validation))
        if best is None or quality > best[0]:
            best = (quality, strength, model)
    assert best is not None
    quality, strength, chosen = best
    return Learned(
        predict=lambda images: chosen.predict(features(images)),
        validation=quality,
        parameters_added=data.num_classes * (train.shape[1] + 1),
        images=data.num_images,
        chosen={"C": strength},
    )
