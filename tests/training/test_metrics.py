from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from evo_mtl.errors import InputError
from evo_mtl.training.metrics import accuracy, balanced_accuracy, score


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


def test_answers_and_labels_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        accuracy(np.zeros(3), np.zeros(2))
