"""Ridge on features of many depths: the strongest cheap baseline, and every search's first candidate."""

from __future__ import annotations

import numpy as np

from evo_mtl.learners.features import depth_taps, pooled_features
from evo_mtl.learners.learner import Learned, Settings, TaskData
from evo_mtl.network.closed_form import DEFAULT_ALPHAS, choose_ridge, fold_standardisation, standardise
from evo_mtl.network.trunks import Trunk


def depth_ridge(data: TaskData, trunk: Trunk, settings: Settings) -> Learned:
    """Ridge on the standardised taps of :func:`~evo_mtl.learners.features.depth_taps`.

    The strength, 10^0 to 10^5, is chosen by leave-one-out on the training split, so validation images
    only tell how good it is. Nothing in it is random.
    """
    taps = depth_taps(trunk)
    train = pooled_features(trunk, data.train_images, taps, settings.cache).astype(np.float64)
    mean, scale = standardise(train)
    head = choose_ridge(
        (train - mean.numpy()) / scale.numpy(), data.train_labels, DEFAULT_ALPHAS, data.num_classes
    )
    weight, bias = (tensor.numpy() for tensor in fold_standardisation(head.weight, head.bias, mean, scale))

    def predict(images: np.ndarray) -> np.ndarray:
        return (pooled_features(trunk, images, taps, settings.cache) @ weight.T + bias).argmax(1)

    return Learned(
        predict=predict,
        validation=data.validation_score(predict(data.validation_images)),
        parameters_added=weight.size + bias.size,
        images=data.num_images,
        chosen={"alpha": head.alpha, "loo_error": head.loo_error, "features": int(train.shape[1])},
    )
