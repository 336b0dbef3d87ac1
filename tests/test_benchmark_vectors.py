"""The comparison of searches and simple methods on rows of numbers."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("scripts")


def part(name: str) -> ModuleType:
    return importlib.import_module(f"vectors.{name}")


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes apart in one of five columns, columns worlds apart in scale."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    x = rng.normal(size=(count, 5))
    x[:, 0] += 6 * labels
    return x * (1.0, 1e3, 1.0, 1e-3, 1.0), labels


@pytest.mark.parametrize("name", ["logistic", "ridge"])
def test_a_baseline_answers_rows_that_can_be_told_apart(name: str) -> None:
    fit = part("baselines").BASELINES[name]
    test = rows(200, 2)
    fitted = fit(rows(100, 0), rows(60, 1))
    assert (fitted.predict(test[0]) == test[1]).mean() > 0.97


def test_of_settings_that_do_equally_well_the_strongest_penalty_is_taken_and_validation_decides() -> None:
    baselines = part("baselines")
    train, validation = rows(100, 0), rows(60, 1)
    chosen = baselines.logistic(train, validation)[-1].C
    for weaker in baselines.CS[: baselines.CS.index(chosen)]:
        other = baselines.make_pipeline(
            baselines.StandardScaler(), baselines.LogisticRegression(C=weaker, max_iter=5000)
        ).fit(*train)
        best = baselines.logistic(train, validation)
        assert (other.predict(validation[0]) == validation[1]).mean() < (
            best.predict(validation[0]) == validation[1]
        ).mean()


def test_the_table_says_by_how_much_the_search_is_above_each_baseline_and_on_the_mean() -> None:
    comparison = part("comparison")
    found = []
    for task, right in (("a", 0.5), ("b", 1.0)):
        for seed in (0, 1):
            ours = np.arange(40) < 40 * right
            one = comparison.Answers(task, seed, np.zeros(40, np.int64))
            one.right = {"evo-mtl": ours, "logistic": np.ones(40, bool), "ridge": np.zeros(40, bool)}
            one.seconds = {"evo-mtl": 2.0, "logistic": 1.0, "ridge": 1.0}
            found.append(one)
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in comparison.table(found).splitlines()
    ]
    assert [line[0] for line in lines[2:]] == ["a", "b", "mean"]
    assert lines[2][3:6] == ["0.5000", "1.0000", "0.0000"]
    assert lines[2][-2].startswith("-0.5000 [")
    assert lines[3][-2:] == ["+0.0000 [+0.0000, +0.0000]", "+1.0000 [+1.0000, +1.0000]"]
    assert lines[4][3] == "0.7500"
    assert lines[4][-2].startswith("-0.2500 [")
