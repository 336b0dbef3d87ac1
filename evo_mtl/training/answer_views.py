"""Over which views of an image a trained candidate's answers are averaged: the images that it answers choose.

Nothing is trained for it. Likelihood decides rather than the metric, which a few images move by points; a view
has to bring what it costs, at the compute factor of the objective.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evo_mtl.genome.answer_views import SETS, WHOLE, View
from evo_mtl.training.calibration import log_likelihood


def choose_views(
    most: int,
    whole: np.ndarray,
    truth: np.ndarray,
    answers: Callable[[View], np.ndarray],
    price: float = 0.0,
) -> tuple[tuple[View, ...], np.ndarray]:
    """The set of views under which the true classes are likeliest, each set with its own temperature.

    Args:
        most: Views of a set at most.
        whole: Logits ``(N, K)`` of the images as they are.
        truth: Their classes ``(N,)``.
        answers: Logits of another view.
        price: What each view has to bring in mean log likelihood.

    Returns:
        The set, the first of equals, and its logits ``(N, K)``.
    """
    known: dict[View, np.ndarray] = dict.fromkeys(WHOLE, whole)

    def mean(views: Sequence[View]) -> np.ndarray:
        for view in views:
            if view not in known:
                known[view] = answers(view)
        return np.mean([known[view] for view in views], axis=0, dtype=np.float64).astype(whole.dtype)

    found = [(views, mean(views)) for views in SETS if len(views) <= most]
    worth = [log_likelihood(logits, truth) - price * len(views) for views, logits in found]
    return found[int(np.argmax(worth))]
