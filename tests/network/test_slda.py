"""Linear discriminant analysis with a shared, shrunk covariance."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.covariance import OAS
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from evo_mtl.network.head import Head
from evo_mtl.network.kinds.kind import head_kind, new
from evo_mtl.network.kinds.slda import shrinkage
from evo_mtl.testing.contracts.kinds import a_genome_with


def solved(x: np.ndarray, labels: np.ndarray, num_classes: int) -> Head:
    genome, kind = a_genome_with("slda"), head_kind("slda")
    head = new(kind.describe(genome, [x.shape[1]], num_classes, 0), torch.Generator())
    kind.ready(head, genome, lambda: torch.from_numpy(x), labels)
    assert isinstance(head, Head)
    return head


def test_the_shrinkage_is_scikit_learns() -> None:
    x = np.random.default_rng(0).normal(size=(40, 8)) * np.arange(1, 9)
    x -= x.mean(0)
    covariance = torch.from_numpy(x.T @ x / 40)
    assert abs(shrinkage(covariance, 40) - OAS(assume_centered=True).fit(x).shrinkage_) < 1e-9
    assert shrinkage(torch.eye(4), 10) == 1.0


def test_it_answers_as_scikit_learns_with_the_same_shrinkage() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(90) % 3
    mix = rng.normal(size=(6, 6))
    x = (rng.normal(size=(3, 6))[labels] + rng.normal(size=(90, 6)) @ mix).astype(np.float32)
    head = solved(x, labels, 3)
    z = head.features(torch.from_numpy(x)).double().numpy()
    within = z - np.stack([z[labels == k].mean(0) for k in range(3)])[labels]
    share = shrinkage(torch.from_numpy(within.T @ within / 87), 87)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=share).fit(z, labels)
    ours = head(torch.from_numpy(x)).detach().numpy()
    theirs = z @ reference.coef_.T + reference.intercept_
    ours, theirs = ours - ours.mean(1, keepdims=True), (theirs - theirs.mean(1, keepdims=True)) * 87 / 90
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_class_without_examples_is_never_answered_and_equal_examples_do_no_harm() -> None:
    labels = np.arange(20) % 2
    x = np.where(labels == 0, -1.0, 1.0).astype(np.float32)[:, None].repeat(3, 1)
    answers = solved(x, labels, 3)(torch.from_numpy(x)).argmax(1).numpy()
    assert (answers == labels).all()
