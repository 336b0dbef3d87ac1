"""The protocol of learners: what they are given, what they give back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evo_mtl.network.trunks import Trunk
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.metrics import score


@dataclass(frozen=True)
class TaskData:
    """A task's decoded training and validation images; nothing here leads to test images.

    Images are ``(N, S, S, 3)`` uint8, labels ``(N,)`` in ``0 .. K-1``.
    """

    name: str
    num_classes: int
    metric: str
    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray

    @property
    def size(self) -> int:
        """Side ``S`` of the images."""
        return int(self.train_images.shape[1])

    @property
    def num_images(self) -> int:
        """Images that may be learned and chosen from."""
        return len(self.train_labels) + len(self.validation_labels)

    def validation_score(self, predicted: np.ndarray) -> float:
        """The task's metric on the validation split; higher is better."""
        return score(self.metric, predicted, self.validation_labels)


@dataclass(frozen=True)
class Settings:
    """What a learner may be told.

    Attributes:
        seed: All randomness comes from it.
        grid: What fine-tuning tries (:func:`evo_mtl.learners.fine_tuning.read_grid`).
        device: Where to train, ``"cpu"`` or ``"cuda"``.
        cache: Where pooled features are kept between calls; nowhere if ``None``.
        say: Called with a line of progress.
    """

    seed: int
    grid: str
    device: str
    cache: ArrayCache | None
    say: Callable[[str], None]


@dataclass(frozen=True)
class Learned:
    """A finished learner.

    Attributes:
        predict: Images ``(N, S, S, 3)`` uint8 to labels ``(N,)``.
        validation: The task's metric on the validation split.
        parameters_added: Parameters kept for this task alone, the head included.
        images: Images presented while it learned and chose, training and validation.
        chosen: The settings that were chosen, plain JSON values.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    validation: float
    parameters_added: int
    images: int
    chosen: Mapping[str, object]


Learner = Callable[[TaskData, Trunk, Settings], Learned]
