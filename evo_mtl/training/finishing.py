"""How a trained head ends: as it is, or mixed with the ridge solution on the features that training has made.

Both are linear maps of the same features, and so is their mixture: nothing is added. Shares are chosen by the likelihood of the
true classes on images that were not trained on, each share with its own temperature.

References:
    Hoerl 1970, ridge regression. Wortsman 2022, Robust fine-tuning of zero-shot models (two heads of one model, interpolated).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from evo_mtl.network.head import Head
from evo_mtl.network.kinds.heads import fill
from evo_mtl.network.kinds.kind import head_kind
from evo_mtl.training.calibration import fit_temperature, log_likelihood
from evo_mtl.training.prepared import Prepared

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the ridge solution."""


@torch.no_grad()
def mix_in_ridge(
    fitted: Sequence[Prepared], logits: np.ndarray, truth: np.ndarray
) -> tuple[float | None, np.ndarray]:
    """Leaves the likeliest mixture in the heads of a candidate and its copies.

    Args:
        fitted: They have the weights that count.
        logits: ``(N, K)``, what they answer to their images, one after another.
        truth: Classes of these images, ``(N,)``.

    Returns:
        The share of ridge, ``None`` where none is asked for; and the logits ``(N, K)`` of the mixture.
    """
    genome = fitted[0].candidate.genome
    beside = head_kind(genome.head.kind).beside
    if genome["head_finish"] != "ridge" or beside is None:
        return None, logits
    heads = [cast(Head, one.part.own["head"]) for one in fitted]
    solved = [
        beside(head, one.part.taps(one.train[0]), one.labels) for head, one in zip(heads, fitted, strict=True)
    ]
    answers = [
        head.features(one.part.taps(one.validation)).cpu().double() @ weight.T + bias
        for head, one, (weight, bias) in zip(heads, fitted, solved, strict=True)
    ]
    other = torch.cat(answers).numpy()
    own_scale, other_scale = 1 / fit_temperature(logits, truth), 1 / fit_temperature(other, truth)
    mixtures = [
        ((1 - share) * own_scale * logits + share * other_scale * other).astype(logits.dtype)
        for share in SHARES
    ]
    best = int(np.argmax([log_likelihood(mixture, truth) for mixture in mixtures]))
    share = SHARES[best]
    if not share:
        return share, logits
    for head, (weight, bias) in zip(heads, solved, strict=True):
        linear, device = head.linear, head.mean.device
        fill(
            head,
            (1 - share) * own_scale * linear.weight + (share * other_scale * weight).to(device),
            (1 - share) * own_scale * linear.bias + (share * other_scale * bias).to(device),
        )
    return share, mixtures[best]
