"""The winner's luck: how much validation flatters the best of many, and that the correction takes it away."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evo_mtl.evolution.candidate import DRAW, Candidate, Cost, Evaluation
from evo_mtl.evolution.optimism import corrected_quality, judged_outside, pack, unpack
from evo_mtl.evolution.outcome import OK, Notes, Status, failed
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import Objective
from evo_mtl.testing.genomes import a_space, trunk_facts

ROOT = (100, 100.0)
PLAIN = Objective()


def evaluation(place: int, notes: Notes, accounted: float = 0.0, status: Status = OK) -> Evaluation:
    space = a_space()
    genome = seed_genome(space.seeds[0], space, trunk_facts())
    cost = Cost(1, 1.0, 1, 1, accounted, 0.0)
    quality = 0.0 if notes.right is None else float(unpack(notes.right).mean(1).max())
    candidate = Candidate("a", 0, place, None, DRAW, genome)
    return Evaluation(candidate, status, quality, quality, (quality,), {}, cost, True, notes)


def noted(*right: np.ndarray) -> Notes:
    return Notes(right=pack(right))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_what_is_packed_is_unpacked_as_it_was(count: int, rng: np.random.Generator) -> None:
    right = rng.random((3, count)) < 0.5
    packed = pack(list(right))
    assert np.array_equal(unpack(packed), right)
    assert all(len(text) == 2 * math.ceil(count / 8) for text in packed.bits)


def flattered(num_candidates: int, validations: int, alike: float) -> tuple[float, float]:
    """Mean error of the raw and of the corrected quality of the winner, over 150 worlds of known truth.

    Every choice answers an image rightly with a probability of its own, between 0.75 and 0.8; ``alike`` is the
    share of images on which all agree.
    """
    rng = np.random.default_rng(5)
    raw, corrected = [], []
    for _ in range(150):
        truth = rng.uniform(0.75, 0.8, num_candidates * validations)
        luck = np.where(rng.random(100) < alike, rng.random(100), rng.random((len(truth), 100)))
        right = luck < truth[:, None]
        best = right.mean(1).argmax()
        raw.append(right[best].mean() - truth[best])
        ones = np.ones(len(truth))
        outside = judged_outside(right, ones, np.zeros(100), np.random.default_rng(6), 100)
        corrected.append(outside.mean() - truth[best])
    return float(np.mean(raw)), float(np.mean(corrected))


@pytest.mark.parametrize(
    ("num_candidates", "validations", "alike"), [(20, 1, 0.0), (20, 1, 0.5), (8, 5, 0.5)]
)
def test_raw_quality_of_the_best_flatters_and_the_corrected_one_hardly_errs(
    num_candidates: int, validations: int, alike: float
) -> None:
    raw, corrected = flattered(num_candidates, validations, alike)
    assert raw > 0.03
    assert abs(corrected) < 0.01
    assert abs(corrected) < raw / 4


def test_a_choice_among_one_is_hardly_corrected() -> None:
    raw, corrected = flattered(1, 1, 0.0)
    assert abs(raw - corrected) < 0.002


def test_in_a_draw_the_winner_is_chosen_by_score_and_of_equals_the_newest(rng: np.random.Generator) -> None:
    good, bad = np.arange(60) % 10 > 0, np.arange(60) % 10 > 4
    classes = np.zeros(60)
    by_quality = judged_outside(np.stack([good, bad]), np.ones(2), classes, rng, 50)
    by_cost = judged_outside(np.stack([good, bad]), np.array([0.2, 1.0]), classes, rng, 50)
    assert by_quality.mean() == pytest.approx(0.9, abs=0.03)
    assert by_cost.mean() == pytest.approx(0.5, abs=0.05)
    # Always equal in score; only the newest is ever right on the images outside.
    equal = judged_outside(np.stack([~good & good, np.ones(60, bool)]), np.zeros(2), classes, rng, 50)
    assert (equal == 1).all()


def test_the_score_of_a_draw_has_the_size_factor_of_the_objective(rng: np.random.Generator) -> None:
    good, bad = np.arange(60) % 10 > 0, np.arange(60) % 10 > 4
    told = [evaluation(0, noted(good), accounted=100.0), evaluation(1, noted(bad))]
    plain = corrected_quality(told, ROOT, PLAIN, np.zeros(60), rng)
    small = corrected_quality(told, ROOT, Objective(size_factor=0.1), np.zeros(60), rng)
    assert plain is not None
    assert small is not None
    assert plain.quality > 0.85
    assert small.quality < 0.6


def test_with_classes_each_counts_as_much_as_every_other(rng: np.random.Generator) -> None:
    classes = (np.arange(100) < 10).astype(int)
    common_alone = classes == 0
    plain = corrected_quality([evaluation(0, noted(common_alone))], ROOT, PLAIN, np.zeros(100), rng)
    balanced = corrected_quality([evaluation(0, noted(common_alone))], ROOT, PLAIN, classes, rng)
    assert plain is not None
    assert balanced is not None
    assert plain.quality == pytest.approx(0.9, abs=0.02)
    assert balanced.quality == pytest.approx(0.5, abs=0.02)


def test_candidates_that_failed_or_left_no_answers_are_left_out(rng: np.random.Generator) -> None:
    right = np.arange(50) % 5 > 0
    told = [
        evaluation(0, Notes()),
        evaluation(1, noted(right)),
        evaluation(2, noted(np.ones(50, bool)), status=failed("a test")),
    ]
    found = corrected_quality(told, ROOT, PLAIN, np.zeros(50), rng)
    assert found is not None
    assert found.candidates == 1
    assert found.low < found.quality < found.high
    assert found.quality == pytest.approx(0.8, abs=0.02)
    assert corrected_quality(told[:1], ROOT, PLAIN, np.zeros(50), rng) is None
    assert corrected_quality([], ROOT, PLAIN, np.zeros(50), rng) is None


def test_of_one_image_nothing_can_be_said_and_of_two_something(rng: np.random.Generator) -> None:
    one, two = ([evaluation(0, noted(np.ones(count, bool)))] for count in (1, 2))
    assert corrected_quality(one, ROOT, PLAIN, np.zeros(1), rng) is None
    found = corrected_quality(two, ROOT, PLAIN, np.zeros(2), rng)
    assert found is not None
    assert found.quality == 1


def test_candidates_that_answered_fewer_images_are_compared_on_those(rng: np.random.Generator) -> None:
    first = np.arange(40) < 20
    told = [evaluation(0, noted(first)), evaluation(1, noted(first[:20]))]
    found = corrected_quality(told, ROOT, PLAIN, np.zeros(40), rng)
    assert found is not None
    assert found.quality == 1


def test_a_large_choice_is_drawn_in_blocks_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    right = np.random.default_rng(1).random((6, 200)) < 0.7

    def found() -> np.ndarray:
        return judged_outside(right, np.ones(6), np.arange(200) % 3, np.random.default_rng(2), 30)

    whole = found()
    monkeypatch.setattr("evo_mtl.evolution.optimism.NUMBERS_AT_ONCE", 700)
    assert np.array_equal(found(), whole)
