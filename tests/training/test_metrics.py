from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from evo_mtl.errors import InputError
from evo_mtl.training.metrics import (
    DEFINITIONS,
    accuracy,
    average_accuracy,
    backward_transfer,
    balanced_accuracy,
    forgetting,
    score,
)

R = np.array([[0.90, 0.10, 0.10], [0.70, 0.80, 0.20], [0.50, 0.90, 0.85]])


def test_the_worked_example_has_chaudhrys_forgetting_and_gems_backward_transfer() -> None:
    assert forgetting(R) == pytest.approx(0.150)
    assert backward_transfer(R) == pytest.approx(-0.150)
    assert average_accuracy(R) == pytest.approx(0.75)


def test_tasks_not_measured_before_they_were_learned_do_not_count_in_forgetting() -> None:
    lower = np.where(np.tril(np.ones_like(R)) > 0, R, np.nan)
    assert forgetting(lower) == pytest.approx(((0.90 - 0.50) + (0.80 - 0.90)) / 2)


def test_a_stream_of_one_task_has_no_forgetting_and_no_backward_transfer() -> None:
    one = np.array([[0.8]])
    assert (forgetting(one), backward_transfer(one), average_accuracy(one)) == (0.0, 0.0, 0.8)


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_occur() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 2, 5], p=[0.8, 0.15, 0.05], size=300)
    predicted = np.where(rng.random(300) < 0.7, labels, 2)
    assert balanced_accuracy(predicted, labels) == pytest.approx(balanced_accuracy_score(labels, predicted))


def test_a_metric_is_found_by_its_name_in_the_stream_file() -> None:
    predicted, labels = np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])
    assert score("accuracy", predicted, labels) == 0.75
    assert score("balanced_accuracy", predicted, labels) == 0.5


def test_a_misspelt_metric_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match='did you mean "accuracy"'):
        score("acuracy", np.zeros(1), np.zeros(1))


def test_every_metric_has_a_definition_of_its_own() -> None:
    metrics = (accuracy, balanced_accuracy, average_accuracy, forgetting, backward_transfer)
    assert {m.__name__ for m in metrics} <= set(DEFINITIONS)
    assert len(set(DEFINITIONS.values())) == len(DEFINITIONS)


def test_answers_and_labels_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        accuracy(np.zeros(3), np.zeros(2))


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros((0, 0)), np.zeros(3)])
def test_a_matrix_that_is_not_square_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="square"):
        average_accuracy(bad)
