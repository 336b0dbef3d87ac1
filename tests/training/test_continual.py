"""Continual-learning metrics: their printed figures, what is undefined, and what holds for all of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evo_mtl.errors import InputError
from evo_mtl.training.continual import (
    DEFINITIONS,
    FADING,
    Curve,
    Record,
    Resources,
    faded,
    figure,
    figures,
    windowed,
)

WORKED = np.array([[0.90, 0.10, 0.10], [0.70, 0.80, 0.20], [0.50, 0.90, 0.85]])
"""One matrix, for which the same names give different numbers in different codebases."""
PRINTED = {
    "average_accuracy/lopez_paz2017": 0.75,
    "average_incremental_accuracy/rebuffi2017": (0.9 + 0.75 + 0.75) / 3,
    "accuracy/diaz_rodriguez2018": 4.65 / 6,
    "learning_accuracy/riemer2019": 0.85,
    "backward_transfer/lopez_paz2017": -0.150,
    "backward_transfer/diaz_rodriguez2018": -0.1667,
    "remembering/diaz_rodriguez2018": 0.8333,
    "positive_backward_transfer/diaz_rodriguez2018": 0.0,
    "forward_transfer/lopez_paz2017": 0.15 - 0.125,
    "forward_transfer/continuum": 0.150,
    "forward_transfer/diaz_rodriguez2018": 0.1333,
    "forgetting/chaudhry2018": 0.150,
    "forgetting/avalanche": 0.150,
    "forgetting/mammoth": 0.200,
    "forgetting/raptormai": 0.1333,
    "intransigence/chaudhry2018": 0.90 - 0.85,
    "intransigence/mean": 0.05,
    "average_accuracy/micro": (10 * 0.5 + 20 * 0.9 + 70 * 0.85) / 100,
    "average_anytime_accuracy/caccia2022": (0.6 + 0.65 + 0.75) / 3,
    "area_under_accuracy/koh2022": (100 * 0.6 + 100 * 0.65 + 200 * 0.75) / 400,
    "min_accuracy/delange2023": (0.5 + 0.9) / 2,
    "worst_case_accuracy/delange2023": 0.85 / 3 + 2 / 3 * 0.7,
    "stability_gap/delange2023": (0.4 - 0.1) / 2,
    "prequential/gama2013": 0.5,
    "prequential_window/gama2013": None,
    "prequential_faded/gama2013": 0.0,
    "resources/stored_examples": 0.0,
    "resources/added_parameters": 30.0,
    "resources/active_parameters": 7.0,
    "resources/multiply_adds": 9.0,
    "resources/processor_seconds": 8.0,
    "resources/peak_memory": 5.0,
    "resources/added_parameters_per_task": 10.0,
    "resources/seconds_per_example": 0.02,
}
WHOLE = Record(
    matrix=WORKED,
    untrained=np.array([0.5, 0.1, 0.15]),
    joint=np.array([0.9, 0.9, 0.9]),
    num_test=np.array([10, 20, 70]),
    curve=Curve(
        np.array([100, 200, 400]),
        np.array([0, 1, 2]),
        np.array([[0.6, np.nan, np.nan], [0.6, 0.7, np.nan], [0.5, 0.9, 0.85]]),
    ),
    right=np.array([False, True]),
    resources=Resources(0, 30, 7, 9, 8.0, 400, 5),
)
OF_A_MATRIX = [
    name for name, one in [(n, DEFINITIONS.get(n)) for n in DEFINITIONS] if one.needs == ("matrix",)
]


def value(name: str, record: Record) -> float:
    found = figure(name, record)
    assert found.value is not None, found.undefined
    return found.value


def reason(name: str, record: Record) -> str:
    found = figure(name, record)
    assert found.value is None
    assert found.undefined is not None
    return found.undefined


@pytest.mark.parametrize("name", tuple(DEFINITIONS))
def test_the_worked_example_has_its_printed_figures(name: str) -> None:
    expected = PRINTED[name]
    if name == "prequential_faded/gama2013":
        expected = FADING
    if expected is None:
        assert figure(name, WHOLE).value is None
    else:
        assert value(name, WHOLE) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", tuple(DEFINITIONS))
def test_every_definition_has_an_id_a_reference_and_says_what_it_is(name: str) -> None:
    one = DEFINITIONS.get(name)
    assert one.id == name
    assert re.fullmatch(r"[a-z_]+/[a-z0-9_]+", name)
    assert len(one.says) > 10
    assert one.says.endswith(".")
    assert one.reference
    assert one.needs
    assert set(one.needs) <= set(Record.__dataclass_fields__)


@pytest.mark.parametrize("name", tuple(DEFINITIONS))
def test_what_was_not_measured_is_undefined_and_the_reason_names_it(name: str) -> None:
    for need in DEFINITIONS.get(name).needs:
        assert reason(name, replace(WHOLE, **{need: None})) == f"{need.replace('_', ' ')}: not measured"


def test_a_misspelt_id_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match='did you mean "forgetting/mammoth"'):
        figure("forgetting/mamoth", WHOLE)


@pytest.mark.parametrize("name", [n for n in OF_A_MATRIX if "transfer" in n or "forgetting" in n])
def test_one_task_has_no_transfer_and_no_forgetting(name: str) -> None:
    assert reason(name, Record(matrix=np.array([[0.8]]))) == "there is one task only"


def test_one_task_has_an_accuracy() -> None:
    record = Record(matrix=np.array([[0.8]]))
    for name in (
        "average_accuracy/lopez_paz2017",
        "accuracy/diaz_rodriguez2018",
        "learning_accuracy/riemer2019",
    ):
        assert value(name, record) == 0.8


def test_a_missing_row_is_named_and_what_does_not_need_it_is_still_defined() -> None:
    matrix = WORKED.copy()
    matrix[1] = np.nan
    record = Record(matrix=matrix)
    assert value("average_accuracy/lopez_paz2017", record) == pytest.approx(0.75)
    assert reason("forgetting/chaudhry2018", record) == "accuracy on task 1 after task 2: not measured"
    assert reason("forgetting/avalanche", record) == "accuracy on task 2 after task 2: not measured"
    matrix[1, 1] = 0.8
    assert value("forgetting/avalanche", Record(matrix=matrix)) == pytest.approx(0.15)


def test_tasks_to_come_need_not_be_measured_for_anything_but_forward_transfer() -> None:
    lower = Record(matrix=np.where(np.tri(3) > 0, WORKED, np.nan))
    for name in OF_A_MATRIX:
        if name.startswith("forward"):
            assert reason(name, lower).endswith("not measured")
        else:
            assert value(name, lower) == pytest.approx(PRINTED[name], abs=1e-4)


def test_rows_before_a_task_count_for_its_best_where_they_were_measured() -> None:
    matrix = WORKED.copy()
    matrix[0, 1] = 0.95
    assert value("forgetting/chaudhry2018", Record(matrix=matrix)) == pytest.approx((0.4 + 0.05) / 2)


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if name.startswith("forward")])
def test_forward_transfer_is_undefined_where_classes_to_come_are_unknown(name: str) -> None:
    record = replace(WHOLE, foreseen=False)
    assert reason(name, record) == "classes of tasks still to come are unknown"


def test_a_reference_that_lacks_a_task_is_said_to() -> None:
    record = replace(WHOLE, joint=np.array([0.9, np.nan, 0.9]), untrained=np.array([np.nan, 0.1, np.nan]))
    assert value("intransigence/chaudhry2018", record) == pytest.approx(0.05)
    assert reason("intransigence/mean", record).startswith("accuracy of the joint reference")
    assert reason("forward_transfer/lopez_paz2017", record).startswith("accuracy of the untrained network")


def test_a_curve_without_a_measurement_after_a_task_has_no_lowest_accuracy() -> None:
    curve = Curve(np.array([1, 2]), np.array([0, 1]), np.array([[0.5, 0.5, np.nan], [0.4, 0.5, np.nan]]))
    record = replace(WHOLE, curve=curve)
    assert (
        reason("min_accuracy/delange2023", record) == "the curve lacks the accuracy on task 2 after its end"
    )
    assert value("average_anytime_accuracy/caccia2022", record) == pytest.approx((0.5 + 0.45) / 2)


def test_mixed_tasks_are_all_seen_from_the_start_and_none_has_an_end() -> None:
    curve = Curve(np.array([5, 10]), np.array([1, 1]), np.array([[0.2, 0.4], [0.6, 0.8]]))
    record = Record(curve=curve)
    assert value("average_anytime_accuracy/caccia2022", record) == pytest.approx(0.5)
    one = Record(curve=Curve(np.array([5]), np.array([0]), np.array([[0.2]])))
    assert reason("min_accuracy/delange2023", one) == "there is one task only"


@pytest.mark.parametrize(
    "made",
    [
        lambda: Record(matrix=np.zeros((2, 3))),
        lambda: Record(matrix=np.zeros((0, 0))),
        lambda: Record(matrix=np.array([[1.5]])),
        lambda: Record(matrix=np.zeros((2, 2)), joint=np.zeros(3)),
        lambda: replace(WHOLE, matrix=np.zeros((2, 2)), joint=None, untrained=None, num_test=None),
        lambda: Record(right=np.zeros(0, bool)),
        lambda: Curve(np.array([2, 1]), np.array([0, 0]), np.zeros((2, 1))),
        lambda: Curve(np.array([1, 2]), np.array([1, 0]), np.zeros((2, 2))),
        lambda: Curve(np.array([1]), np.array([1]), np.zeros((1, 1))),
        lambda: Curve(np.array([1]), np.array([0]), np.full((1, 1), -0.1)),
    ],
)
def test_what_is_no_measurement_is_refused(made: Any) -> None:
    with pytest.raises(ValueError, match=r"expected|a curve of 3 tasks"):
        made()


matrices = st.integers(2, 6).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(0, 1)))


@given(matrices)
@settings(max_examples=60, deadline=None)
def test_all_values_stay_within_their_bounds_and_definitions_keep_their_order(matrix: np.ndarray) -> None:
    record = Record(matrix=matrix)
    found = {name: value(name, record) for name in OF_A_MATRIX}
    for name, one in found.items():
        low = (
            -1 - 1e-9
            if name.startswith(("backward", "forgetting/chaudhry", "forgetting/avalanche"))
            else -1e-9
        )
        assert low <= one <= 1 + 1e-9, name
    assert found["forgetting/mammoth"] >= found["forgetting/chaudhry2018"] - 1e-9
    assert found["forgetting/chaudhry2018"] >= found["forgetting/avalanche"] - 1e-9
    assert found["forgetting/avalanche"] == -found["backward_transfer/lopez_paz2017"]
    assert found["forgetting/raptormai"] >= found["forgetting/mammoth"] * (1 - 1 / len(matrix)) - 1e-9
    bwt = found["backward_transfer/diaz_rodriguez2018"]
    gained, kept = (
        found["positive_backward_transfer/diaz_rodriguez2018"],
        found["remembering/diaz_rodriguez2018"],
    )
    assert gained - (1 - kept) == pytest.approx(bwt)


@given(matrices)
@settings(max_examples=30, deadline=None)
def test_answers_that_never_change_are_never_forgotten(matrix: np.ndarray) -> None:
    pinned = Record(matrix=np.where(np.tri(len(matrix)) > 0, np.diag(matrix), np.nan))
    for name in OF_A_MATRIX:
        if name.startswith(("forgetting", "backward", "positive")):
            assert value(name, pinned) == 0, name
    assert value("average_accuracy/lopez_paz2017", pinned) == value("learning_accuracy/riemer2019", pinned)


@given(matrices, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_mean_over_tasks_does_not_depend_on_their_names(matrix: np.ndarray, random: Any) -> None:
    order = list(range(len(matrix)))
    random.shuffle(order)
    renamed = Record(matrix=matrix[np.ix_(order, order)])
    for name in ("learning_accuracy/riemer2019",):
        assert value(name, renamed) == pytest.approx(value(name, Record(matrix=matrix)))
    columns = matrix.copy()
    columns[-1] = matrix[-1, order]
    same = "average_accuracy/lopez_paz2017"
    assert value(same, Record(matrix=columns)) == pytest.approx(value(same, Record(matrix=matrix)))
    early = [*order]
    early.remove(len(matrix) - 1)
    early.append(len(matrix) - 1)
    kept = Record(matrix=matrix[np.ix_(early, early)])
    for name in ("forgetting/avalanche", "forgetting/mammoth", "forgetting/raptormai"):
        assert value(name, kept) == pytest.approx(value(name, Record(matrix=matrix)))


@given(arrays(np.bool_, st.integers(1, 200)), st.integers(1, 50), st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_prequential_curves_are_what_their_formulas_say(
    right: np.ndarray, window: int, fading: float
) -> None:
    found = windowed(right, window)
    assert found == pytest.approx([right[max(0, i + 1 - window) : i + 1].mean() for i in range(len(right))])
    assert windowed(right, len(right))[-1] == pytest.approx(
        value("prequential/gama2013", Record(right=right))
    )
    now, expected = float(right[0]), []
    for one in right:
        now = (1 - fading) * now + fading * one
        expected.append(now)
    assert faded(right, fading) == pytest.approx(expected)


def test_the_window_is_of_the_last_thousand() -> None:
    right = np.arange(1500) >= 1000
    assert value("prequential_window/gama2013", Record(right=right)) == 0.5


def test_figures_are_all_that_can_be_asked_for_in_order() -> None:
    assert (
        [one.id for one in figures(Record(matrix=WORKED))]
        == list(DEFINITIONS)
        == [one.id for one in figures(WHOLE)]
    )
