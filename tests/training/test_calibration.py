from __future__ import annotations

import numpy as np
import pytest

from evo_mtl.training.calibration import apply, fit_temperature
from evo_mtl.training.metrics import expected_calibration_error


def draw(temperature: float, num_examples: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose labels were drawn from them at a temperature."""
    rng = np.random.default_rng(5)
    logits = 3 * rng.normal(size=(num_examples, 4))
    cumulative = apply(logits, temperature).cumsum(1)
    return logits, (rng.random((num_examples, 1)) > cumulative).sum(1).clip(0, 3)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_labels_were_drawn_at_is_found(temperature: float) -> None:
    assert fit_temperature(*draw(temperature)) == pytest.approx(temperature, rel=0.1)


def test_the_fitted_temperature_is_better_than_its_neighbours() -> None:
    logits, labels = draw(2.0, 300)
    found = fit_temperature(logits, labels)

    def loss(temperature: float) -> float:
        log_probabilities = np.log(apply(logits, temperature))
        right = log_probabilities[np.arange(len(labels)), labels].mean()
        return -(len(labels) * right + log_probabilities.mean()) / (len(labels) + 1)

    assert loss(found) <= min(loss(found * 1.001), loss(found / 1.001), *(loss(t) for t in (0.1, 1, 10)))


def test_scaling_the_scores_scales_the_temperature() -> None:
    logits, labels = draw(1.0, 500)
    assert fit_temperature(logits * 0.05, labels) == pytest.approx(
        0.05 * fit_temperature(logits, labels), rel=1e-5
    )


def test_calibration_lowers_the_calibration_error_and_keeps_the_answers() -> None:
    logits, labels = draw(4.0)
    calibrated = apply(logits, fit_temperature(logits, labels))
    assert expected_calibration_error(calibrated, labels) < 0.05
    assert expected_calibration_error(apply(logits, 1.0), labels) > 0.2
    assert (calibrated.argmax(1) == logits.argmax(1)).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_scores_that_are_all_right_or_all_wrong_give_a_temperature_within_bounds(sign: float) -> None:
    labels = np.arange(6) % 3
    logits = sign * np.eye(3)[labels] * 50
    temperature = fit_temperature(logits, labels)
    assert 1e-3 <= temperature <= 1e3
    assert np.isfinite(apply(logits, temperature)).all()


def test_probabilities_sum_to_one_for_scores_of_any_size() -> None:
    np.testing.assert_allclose(apply(np.array([[1e6, -1e6, 0.0], [0.0, 0.0, 0.0]]), 0.001).sum(1), 1)


@pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.zeros(3), np.array([[np.nan, 0.0]])])
def test_scores_that_cannot_be_calibrated_on_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        fit_temperature(scores, np.zeros(len(scores), dtype=int))


def test_the_calibration_error_is_the_plain_sum_over_bins() -> None:
    logits, labels = draw(1.5, 200)
    probabilities = apply(logits, 1.0)
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    expected = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_answers_that_are_all_right_do_not_ask_for_certainty() -> None:
    scores = 9.0 * np.eye(4)[np.arange(40) % 4]
    confidence = apply(scores, fit_temperature(scores, np.arange(40) % 4)).max()
    assert 0.95 < confidence < 0.99
