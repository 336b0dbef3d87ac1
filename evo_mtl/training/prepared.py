"""A candidate that is ready to be trained, or solved already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.outcome import Notes
from evo_mtl.training.folds import Fold
from evo_mtl.training.inputs import Inputs
from evo_mtl.training.open_part import OpenPart


@dataclass(frozen=True)
class Prepared:
    """A candidate with its modules and what they are run from, its head solved or made ready.

    Attributes:
        candidate: Whose trial it is.
        part: What is trained.
        train, labels: The images it is fitted on, one entry for each view, and their classes ``(N,)``.
        validation, truth: The images that it answers, and their classes ``(V,)``.
        address: Where the order of its training images comes from.
        notes: What its head's solution chose.
        fold: Training images that it answers instead of validation images, if it does.
    """

    candidate: Candidate
    part: OpenPart
    train: Sequence[Inputs]
    labels: np.ndarray
    validation: Inputs
    truth: np.ndarray
    address: tuple[str | int, ...]
    notes: Notes
    fold: Fold | None = None
