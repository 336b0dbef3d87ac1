from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV

from evo_mtl.errors import CandidateError
from evo_mtl.network import closed_form
from evo_mtl.network.closed_form import (
    choose_ridge,
    fold_standardisation,
    nearest_class_mean,
    standardise,
)

ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0)
SHAPES = [(60, 12), (30, 30), (25, 70)]  # primal, the border, dual


def blobs(num_examples: int, num_features: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([num_examples, num_features, num_classes])
    labels = np.arange(num_examples) % num_classes
    centres = rng.normal(size=(num_classes, num_features))
    return centres[labels] + 1.5 * rng.normal(size=(num_examples, num_features)) + 3, labels


@pytest.mark.parametrize("shape", SHAPES)
def test_every_strength_gives_scikit_learns_head_for_three_classes(shape: tuple[int, int]) -> None:
    features, labels = blobs(*shape, 3)
    for alpha in ALPHAS:
        head = choose_ridge(features, labels, (alpha,), 3)
        reference = RidgeClassifier(alpha=alpha).fit(features, labels)
        np.testing.assert_allclose(head.weight.numpy(), reference.coef_, atol=1e-6)
        np.testing.assert_allclose(head.bias.numpy(), reference.intercept_, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_for_two_classes_the_second_row_is_scikit_learns_and_the_first_its_negative(
    shape: tuple[int, int],
) -> None:
    features, labels = blobs(*shape, 2)
    head = choose_ridge(features, labels, (5.0,), 2)
    reference = RidgeClassifier(alpha=5.0).fit(features, labels)
    np.testing.assert_allclose(head.weight[1].numpy(), np.ravel(reference.coef_), atol=1e-6)
    np.testing.assert_allclose(head.weight[0].numpy(), -np.ravel(reference.coef_), atol=1e-6)
    np.testing.assert_allclose(head.bias[1].numpy(), np.ravel(reference.intercept_)[0], atol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_chosen_strength_and_its_error_are_those_of_ridge_classifier_cv(
    shape: tuple[int, int], num_classes: int
) -> None:
    features, labels = blobs(*shape, num_classes)
    head = choose_ridge(features, labels, ALPHAS, num_classes)
    reference = RidgeClassifierCV(alphas=ALPHAS).fit(features, labels)
    assert head.alpha == reference.alpha_
    assert head.loo_error == pytest.approx(-reference.best_score_, rel=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_leave_one_out_error_is_that_of_leaving_each_one_out(shape: tuple[int, int]) -> None:
    features, labels = blobs(*shape, 3)
    squares = []
    for i in range(len(labels)):
        rest = np.arange(len(labels)) != i
        without = choose_ridge(features[rest], labels[rest], (10.0,), 3)
        target = 2.0 * (np.arange(3) == labels[i]) - 1
        squares.append((features[i] @ without.weight.numpy().T + without.bias.numpy() - target) ** 2)
    assert choose_ridge(features, labels, (10.0,), 3).loo_error == pytest.approx(np.mean(squares), rel=1e-8)


def test_the_primal_and_the_dual_form_give_the_same_head() -> None:
    features, labels = blobs(40, 30, 3)
    padded = np.concatenate([features, np.zeros((40, 30))], 1)
    primal, dual = choose_ridge(features, labels, (1.0,), 3), choose_ridge(padded, labels, (1.0,), 3)
    torch.testing.assert_close(primal.weight, dual.weight[:, :30], rtol=0, atol=1e-9)
    torch.testing.assert_close(primal.bias, dual.bias, rtol=0, atol=1e-9)


def test_float32_features_are_summed_in_float64() -> None:
    features, labels = blobs(60, 12, 3)
    single = features.astype(np.float32)
    weight = choose_ridge(torch.from_numpy(single), labels, (1.0,), 3).weight
    assert torch.equal(weight, choose_ridge(single.astype(np.float64), labels, (1.0,), 3).weight)


def test_standardised_features_have_mean_zero_and_variance_one_and_constants_become_zero() -> None:
    features, _ = blobs(50, 6, 2)
    features[:, 2] = 0.1
    mean, scale = standardise(features)
    result = (torch.from_numpy(features) - mean) / scale
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(result.mean(0), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        result[:, others].var(0, correction=0), torch.ones(5, dtype=torch.float64), rtol=1e-9, atol=0
    )
    assert result[:, 2].abs().max() < 1e-12


def test_a_folded_head_scores_raw_features_as_the_head_scores_standardised_ones() -> None:
    features, labels = blobs(50, 6, 3)
    mean, scale = standardise(features)
    raw = torch.from_numpy(features)
    head = choose_ridge((raw - mean) / scale, labels, ALPHAS, 3)
    weight, bias = fold_standardisation(head.weight, head.bias, mean, scale)
    torch.testing.assert_close(
        raw @ weight.T + bias, (raw - mean) / scale @ head.weight.T + head.bias, rtol=0, atol=1e-10
    )


def test_nearest_class_mean_answers_the_class_whose_mean_is_nearest() -> None:
    features, labels = blobs(60, 5, 4)
    weight, bias = nearest_class_mean(features, labels, 4)
    means = np.stack([features[labels == k].mean(0) for k in range(4)])
    nearest = np.linalg.norm(features[:, None] - means[None], axis=2).argmin(1)
    assert ((features @ weight.numpy().T + bias.numpy()).argmax(1) == nearest).all()


def test_nearest_class_mean_never_answers_a_class_without_examples() -> None:
    features, labels = blobs(20, 5, 2)
    weight, bias = nearest_class_mean(features, labels, 3)
    assert ((features @ weight.numpy().T + bias.numpy()).argmax(1) != 2).all()


def test_ridge_never_answers_a_class_without_examples_on_training_data() -> None:
    features, labels = blobs(40, 5, 2)
    head = choose_ridge(features, labels, (1.0,), 3)
    assert ((features @ head.weight.numpy().T + head.bias.numpy()).argmax(1) != 2).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_fails_the_candidate(bad: float) -> None:
    features, labels = blobs(20, 5, 2)
    features[3, 1] = bad
    with pytest.raises(CandidateError, match="not finite"):
        choose_ridge(features, labels, ALPHAS, 2)


@pytest.mark.parametrize("alphas", [(), (0.0,), (1.0, -1.0)])
def test_strengths_that_are_not_above_zero_are_refused(alphas: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        choose_ridge(*blobs(20, 5, 2), alphas)


def test_arrays_that_are_not_writable_are_taken_without_a_warning_and_left_as_they_were() -> None:
    features, labels = blobs(20, 5, 2)
    for array in (features, labels):
        array.setflags(write=False)
    before = features.copy()
    choose_ridge(features, labels, (1.0,), 2)
    nearest_class_mean(features, labels, 2)
    assert (features == before).all()


@pytest.mark.parametrize("shape", [(40, 6), (12, 30)])
def test_examples_read_a_few_at_a_time_give_the_head_of_all_at_once(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=shape), np.arange(shape[0]) % 3
    whole = choose_ridge(x, y)
    monkeypatch.setattr(closed_form, "ROWS", 7)
    parts = choose_ridge(x, y)
    assert torch.allclose(parts.weight, whole.weight, atol=1e-12)
    assert parts.alpha == whole.alpha
    assert parts.loo_error == pytest.approx(whole.loo_error, abs=1e-12)


def test_the_planned_work_of_a_solution_follows_the_smaller_form() -> None:
    assert closed_form.ridge_multiply_adds(1000, 10) == 1000 * 10 * 10 + 5 * 10**3
    assert closed_form.ridge_multiply_adds(10, 1000) == closed_form.ridge_multiply_adds(1000, 10)
