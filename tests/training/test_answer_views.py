"""Over which views an answer is averaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.evolution.optimism import unpack
from evo_mtl.genome.answer_views import SETS, WHOLE, View
from evo_mtl.training import answer_views, metrics
from evo_mtl.training.answer_views import choose_views
from evo_mtl.training.calibration import log_likelihood
from evo_mtl.training.cross_validation import try_pooled
from evo_mtl.training.folds import folds_of
from evo_mtl.training.trial import try_candidate
from tests.training.worlds import Workshop, candidate, logits_of

TRUTH = np.arange(40) % 2
RIGHT = np.eye(2)[TRUTH] * 2 - 1
"""Logits that answer every image rightly."""


def noisy(seed: int) -> np.ndarray:
    return RIGHT + np.random.default_rng(seed).normal(0, 2, RIGHT.shape)


@pytest.mark.parametrize(
    ("most", "harmful", "wanted"),
    [
        (1, (), WHOLE),
        (2, ("mirrored",), ("whole", "zoomed")),
        (2, ("zoomed",), ("whole", "mirrored")),
        (4, (), SETS[-1]),
        (4, ("mirrored", "zoomed_mirrored"), ("whole", "zoomed")),
        (4, ("mirrored", "zoomed", "zoomed_mirrored"), WHOLE),
    ],
)
def test_views_are_taken_that_make_the_truth_likelier(
    most: int, harmful: tuple[View, ...], wanted: tuple[View, ...]
) -> None:
    asked = []

    def answers(view: View) -> np.ndarray:
        asked.append(view)
        return -3 * RIGHT if view in harmful else noisy(len(view))

    views, logits = choose_views(most, noisy(0), TRUTH, answers)
    assert views == wanted
    assert len(asked) == len(set(asked)) == (0 if most == 1 else 3 if most == 4 else 2)
    parts = [noisy(0) if view == "whole" else noisy(len(view)) for view in wanted]
    assert np.allclose(logits, np.mean(parts, axis=0))


@pytest.mark.parametrize(("price", "count"), [(0.0, 4), (0.15, 2), (1.0, 1)])
def test_a_view_has_to_bring_what_it_costs(price: float, count: int) -> None:
    views, logits = choose_views(4, noisy(0), TRUTH, lambda view: noisy(len(view)), price)
    assert len(views) == count
    one = [log_likelihood(mean, TRUTH) for mean in (noisy(0), logits)]
    assert one[1] - price * count >= one[0] - price


def test_a_view_whose_answers_are_not_finite_is_not_taken() -> None:
    assert choose_views(4, RIGHT, TRUTH, lambda view: np.full(RIGHT.shape, np.nan))[0] == WHOLE


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the images say, all views are taken."""
    calls: list[int] = []
    monkeypatch.setattr(answer_views, "log_likelihood", lambda *_: calls.append(0) or len(calls))


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize(("open_from", "head"), [(3, "linear"), (4, "linear"), (4, "ridge")])
def test_what_is_archived_answers_as_the_trial_did(
    open_from: int, head: str, workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, open_from, head, answer_views=4)
    bench = workshop.bench(tmp_path)
    outcome = try_candidate(candidate(genome), bench)
    task, [_, images] = bench.images.task, bench.images.validation(genome)
    assert outcome.notes.views == SETS[-1]
    answers = logits_of(workshop, genome, outcome, images).argmax(1)
    best = outcome.notes.best or 0
    assert unpack(outcome.notes.right)[best].tolist() == (answers == task.validation.labels).tolist()
    assert outcome.quality == metrics.accuracy(answers, task.validation.labels) == outcome.curve[best]
    unkept = replace(bench, keeping=False)
    assert try_candidate(candidate(genome), unkept).notes.views == SETS[-1]


@pytest.mark.usefixtures("most")
def test_where_labels_are_few_every_copy_sees_what_it_answers_in_all_views(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 4, "ridge", answer_views=4)
    bench = replace(workshop.bench(tmp_path), folds=3)
    outcome = try_pooled(candidate(genome), bench, {})
    task, [_, train] = bench.images.task, bench.images.train(genome, 0)
    [_, validation] = bench.images.validation(genome)
    right = [logits_of(workshop, genome, outcome, validation).argmax(1) == task.validation.labels]
    for fold, trained in zip(folds_of(task, 3, bench.seed), outcome.notes.copies, strict=True):
        copy = replace(outcome, trained=trained)
        given = logits_of(workshop, genome, copy, train[fold.left]).argmax(1)
        right.append(given == task.train.labels[fold.left])
    assert unpack(outcome.notes.right)[0].tolist() == np.concatenate(right).tolist()
    assert outcome.notes.pooled is not None
    assert outcome.notes.pooled.validation == right[0].mean()


def test_where_left_and_right_are_the_classes_no_image_is_mirrored(
    workshop: Workshop, tmp_path: Path
) -> None:
    images, labels = np.zeros((80, 16, 16, 3), np.uint8), np.arange(80) % 2
    bright = np.random.default_rng(0).integers(150, 250, 80)
    for image, label, value in zip(images, labels, bright, strict=True):
        image[:, 8 * label : 8 * label + 8] = value
    path = tmp_path / "sides.npz"
    np.savez(path, images=images, labels=labels, test_images=images[:4], test_labels=labels[:4])
    genome = workshop.genome(3, 3, "ridge", grids=(2,), answer_views=4)
    outcome = try_candidate(candidate(genome), replace(workshop, npz=path).bench(tmp_path))
    assert outcome.quality > 0.9
    assert "mirrored" not in outcome.notes.views
