"""Heads that end as mixtures of what was trained and of ridge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.evolution.optimism import unpack
from evo_mtl.network.closed_form import choose_ridge, standardise
from evo_mtl.training import finishing, metrics
from evo_mtl.training.calibration import apply, fit_temperature, log_likelihood
from evo_mtl.training.cross_validation import try_pooled
from evo_mtl.training.finishing import SHARES, mix_in_ridge
from evo_mtl.training.folds import folds_of
from evo_mtl.training.trial import fit_alone, prepare, try_candidate, try_group
from tests.training.worlds import Workshop, candidate, logits_of


@pytest.fixture(params=SHARES)
def share(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Whatever images say, this share is taken."""
    monkeypatch.setattr(finishing, "SHARES", (request.param,))
    return request.param


@pytest.mark.parametrize("open_from", [3, 4])
def test_a_mixture_answers_as_its_parts_together(
    open_from: int, share: float, workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, open_from, head_finish="ridge", learning_rate=0.005)
    bench = workshop.bench(tmp_path)
    one = prepare(candidate(genome), bench)
    found = fit_alone(one, bench)
    trained, head = found.logits.copy(), one.part.own["head"]  # type: ignore[union-attr]
    taps, validation = (one.part.taps(each).double() for each in (one.train[0], one.validation))
    mean, scale = standardise(head.features(taps))
    ridge = choose_ridge((head.features(taps) - mean) / scale, one.labels, num_classes=3)
    solved = (((head.features(validation) - mean) / scale) @ ridge.weight.T + ridge.bias).numpy()
    own, other = fit_temperature(trained, one.truth), fit_temperature(solved, one.truth)
    wanted = (1 - share) / own * trained + share / other * solved if share else trained
    taken, logits = mix_in_ridge([one], trained, one.truth)
    assert taken == share
    np.testing.assert_allclose(logits, wanted, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(one.part.all_logits(one.validation), wanted, rtol=1e-3, atol=1e-3)


def test_what_is_kept_answers_as_the_trial_did(share: float, workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(4, 3, head_finish="ridge", learning_rate=0.005)
    bench = workshop.bench(tmp_path)
    outcome = try_candidate(candidate(genome), bench)
    labels, [_, images] = bench.images.task.validation.labels, bench.images.validation(genome)
    right = logits_of(workshop, genome, outcome, images).argmax(1) == labels
    assert outcome.notes.ridge_share == share
    assert outcome.quality == right.mean()
    assert unpack(outcome.notes.right)[outcome.notes.best].tolist() == right.tolist()


def test_where_labels_are_few_copies_have_the_same_share_of_a_solution_of_their_own(
    share: float, workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 4, head_finish="ridge", learning_rate=0.005)
    bench = replace(workshop.bench(tmp_path), folds=3)
    outcome = try_pooled(candidate(genome), bench, {})
    task, [_, train] = bench.images.task, bench.images.train(genome, 0)
    given = [logits_of(workshop, genome, outcome, bench.images.validation(genome)[1]).argmax(1)]
    for fold, trained in zip(folds_of(task, 3, bench.seed), outcome.notes.copies, strict=True):
        given.append(
            logits_of(workshop, genome, replace(outcome, trained=trained), train[fold.left]).argmax(1)
        )
    truth = np.concatenate(
        [task.validation.labels, *(task.train.labels[f.left] for f in folds_of(task, 3, 0))]
    )
    assert outcome.quality == metrics.accuracy(np.concatenate(given), truth)


def test_the_likeliest_mixture_is_taken(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genome, bench = workshop.genome(4, 4, head_finish="ridge", epochs=1), workshop.bench(tmp_path)
    likely = {}
    for shares in (*((share,) for share in SHARES), SHARES):
        monkeypatch.setattr(finishing, "SHARES", shares)
        one = prepare(candidate(genome), bench)
        found = fit_alone(one, bench)
        taken, logits = mix_in_ridge([one], found.logits, one.truth)  # type: ignore[union-attr]
        likely[shares] = (log_likelihood(logits, one.truth), taken)
    assert len({one for one, _ in likely.values()}) == len(SHARES)
    assert likely.pop(SHARES) == max(likely.values())


def test_candidates_trained_together_are_finished_each_for_itself(workshop: Workshop, tmp_path: Path) -> None:
    genomes = [workshop.genome(4, 4, head_finish=word) for word in ("ridge", "trained")]
    bench = workshop.bench(tmp_path)
    together = try_group([candidate(genome, i) for i, genome in enumerate(genomes)], bench)
    assert [one.notes.group for one in together] == [(0, 1)] * 2
    assert together[0].notes.ridge_share in SHARES
    assert together[1].notes.ridge_share is None
    images = bench.images.validation(genomes[0])[1]
    for genome, outcome in zip(genomes, together, strict=True):
        given = logits_of(workshop, genome, outcome, images).argmax(1)
        assert outcome.quality == metrics.accuracy(given, bench.images.task.validation.labels)


@pytest.mark.parametrize("head", ["ridge", "nearest_mean"])
def test_a_solved_head_is_left_as_it_is(head: str, workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(4, 4, head, head_finish="ridge")
    assert try_candidate(candidate(genome), workshop.bench(tmp_path)).notes.ridge_share is None


def test_likelihood_is_that_of_the_best_temperature() -> None:
    logits, labels = np.random.default_rng(0).normal(0, 3, (20, 4)), np.arange(20) % 4
    shares = apply(logits, fit_temperature(logits, labels))
    assert log_likelihood(logits, labels) == pytest.approx(np.log(shares[np.arange(20), labels]).mean())
    assert log_likelihood(7 * logits, labels) == pytest.approx(log_likelihood(logits, labels), abs=1e-9)
    assert log_likelihood(np.full((2, 2), np.nan), np.array([0, 1])) == -np.inf
    assert log_likelihood(np.zeros((3, 4)), np.arange(3)) == pytest.approx(-np.log(4))
