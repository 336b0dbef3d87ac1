"""Fitting the head of a candidate: solved in closed form, or made ready for gradient descent."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from evo_mtl.evolution.outcome import Notes
from evo_mtl.genome.genome import LINEAR, NEAREST_MEAN, PROJECTED_RIDGE, Genome
from evo_mtl.network.heads import Head
from evo_mtl.network.multipath import MultipathHead
from evo_mtl.training.calibration import fit_temperature
from evo_mtl.training.closed_form import choose_ridge, nearest_class_mean, standardise


def new_head(genome: Genome, in_features: int, num_classes: int, projection_seed: int) -> Head:
    """A head of the genome's kind, all zero."""
    width = genome["projection_width"] if genome.head.kind == PROJECTED_RIDGE else 0
    return Head(in_features, num_classes, width, projection_seed if width else 0)


def solve_head(head: Head, genome: Genome, taps: Tensor, labels: np.ndarray) -> Notes:
    """Fits a new head on the taps of the training images.

    Every head standardises its taps by the training images. A closed-form head is solved on them; a
    linear head starts at zero or, with ``head_start`` ``"ridge"``, at the ridge solution, its scale
    set by a temperature (Kumar 2022: a fitted head before features move distorts them less).

    Args:
        head: Filled in place.
        genome: Says which kind.
        taps: ``(N, D)``.
        labels: ``(N,)``.

    Returns:
        What was chosen.
    """
    mean, scale = standardise(taps)
    head.mean.copy_(mean)
    head.scale.copy_(scale)
    if genome.head.kind == LINEAR and genome["head_start"] == "zero":
        return Notes()
    num_classes = head.linear.out_features
    with torch.no_grad():
        features = head.features(taps.to(head.mean.device)).cpu()
    if genome.head.kind == NEAREST_MEAN:
        weight, bias = nearest_class_mean(features, labels, num_classes)
        notes = Notes()
    else:
        weight, bias, alpha, error = choose_ridge(features, labels, num_classes=num_classes)
        notes = Notes(alpha=alpha, leave_one_out_error=error)
    if genome.head.kind == LINEAR:
        weight, bias = weight * RIDGE_START_SCALE, bias * RIDGE_START_SCALE
    with torch.no_grad():
        head.linear.weight.copy_(weight)
        head.linear.bias.copy_(bias)
    return notes


RIDGE_START_SCALE = 3.0
"""From ridge scores, about -1 and 1, to logits that neither drown the loss nor saturate it."""


def calibrate(head: Head | MultipathHead, logits: np.ndarray, labels: np.ndarray) -> float:
    """Sets the head's temperature from its validation logits (Guo 2017); returns it."""
    temperature = fit_temperature(logits, labels)
    head.temperature.fill_(temperature)
    return temperature
