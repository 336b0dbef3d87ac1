"""A route is proved better, or it is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evo_mtl.evolution.proof import halves, mcnemar, p_value, stratified_bootstrap
from evo_mtl.seeding import generator


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (5, 0), (9, 2), (3, 7), (40, 25)])
def test_mcnemar_is_the_exact_one_sided_binomial_test_on_images_answered_differently(
    won: int, lost: int
) -> None:
    expected = stats.binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(expected)


def _equal_routes(rng: np.random.Generator, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two routes that are right as often as each other, class by class, and often differ."""
    share = 0.5 + 0.1 * labels
    return rng.random(len(labels)) < share, rng.random(len(labels)) < share


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_routes_that_are_equally_good_are_told_apart_no_more_often_than_the_level_says(metric: str) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 20])
    taken = 0
    for trial in range(200):
        rng = generator(0, "equal routes", trial)
        old, new = _equal_routes(rng, labels)
        taken += p_value(metric, old, new, labels, rng) < 0.05
    assert taken <= stats.binom.ppf(0.999, 200, 0.05)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_a_route_that_is_much_better_is_proved_and_a_worse_one_is_not(metric: str) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 20])
    rng = generator(0, "much better")
    weak, strong = rng.random(110) < 0.6, rng.random(110) < 0.95
    assert p_value(metric, weak, strong, labels, rng) < 0.001
    assert p_value(metric, strong, weak, labels, rng) > 0.95
    assert p_value(metric, weak, weak, labels, rng) == 1.0


def test_a_bootstrap_of_few_images_proves_no_more_than_so_many_won_images_can() -> None:
    labels = np.zeros(40, dtype=np.int64)
    old, new = np.ones(40, dtype=bool), np.ones(40, dtype=bool)
    old[:4] = False
    assert stratified_bootstrap(old, new, labels, generator(0, "few")) == 0.5**4


def test_balanced_accuracy_is_proved_by_a_rare_class_and_accuracy_is_not() -> None:
    labels = np.repeat([0, 1], [300, 20])
    old, new = np.ones(320, dtype=bool), np.ones(320, dtype=bool)
    new[:12] = False
    old[300:312] = False
    assert p_value("balanced_accuracy", old, new, labels, generator(0, "rare")) < 0.01
    assert p_value("accuracy", old, new, labels, generator(0, "rare")) > 0.5


def test_halves_share_out_every_class_and_every_image_once() -> None:
    labels = np.array([0] * 9 + [1] * 4 + [2] * 3)
    choose, prove = halves(labels, generator(0, "halves"))
    assert sorted([*choose, *prove]) == list(range(16))
    for label in range(3):
        assert abs(int((labels[choose] == label).sum()) - int((labels[prove] == label).sum())) <= 1
