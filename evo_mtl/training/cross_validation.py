"""Trials where labels are few: a candidate's quality is pooled over validation images and left-out training images.

Besides the candidate itself, which is fitted on all training images and whose weights are the ones that count, a
copy of it is fitted for each part of the training images on the others, and answers that part. Quality is the
task's metric over all these answers together (pooled, not the mean of the parts' metrics: a part may lack
classes). The best validation while training is chosen by pooled quality too, so snapshots of all of them are
held in memory until the last copy is fitted.

A copy of a child starts from the copies of its parent's weights that were fitted without the same part;
otherwise it would answer images that its parent has learned. They are written like other components, noted under
``"copies"``, and go when the task's turn is over. A candidate that starts from weights of which there are no
copies (those that the task trained in an earlier search) is judged on the validation images alone. No child is
given up while it trains, since the pooled quality of others says nothing about a single fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.copies import Copies, copy_of
from evo_mtl.evolution.outcome import Outcome
from evo_mtl.training import metrics
from evo_mtl.training.fit import Fitted
from evo_mtl.training.folds import answered_labels, folds_of
from evo_mtl.training.trial import (
    Bench,
    Prepared,
    caught,
    finish,
    fit_alone,
    prepare,
    try_candidate,
    write_own,
)


def try_pooled(candidate: Candidate, bench: Bench, copies: Copies) -> Outcome:
    """Fits a candidate and its copies and writes what they trained; see above.

    Args:
        candidate: As for :func:`evo_mtl.training.trial.try_candidate`.
        bench: Its ``folds`` are at least 2.
        copies: Of components that the candidate starts from.
    """
    if not all(copies.values()):
        return try_candidate(candidate, bench)
    return caught(lambda: _try(candidate, bench, copies))


def _try(candidate: Candidate, bench: Bench, copies: Copies) -> Outcome:
    task = bench.images.task
    whole = prepare(candidate, bench)
    parts, fits = [whole], [_fit(whole, bench)]
    for fold in folds_of(task, bench.folds, bench.seed):
        genome = copy_of(candidate.genome, copies, fold.number)
        parts.append(prepare(replace(candidate, genome=genome), bench, like=whole, fold=fold))
        fits.append(_fit(parts[-1], bench))
    truth = answered_labels(task, bench.folds, bench.seed)
    found = pooled(fits, truth, task.metric)
    for fitted in fits:
        fitted.rewind(_moment(fitted, found.best, len(found.curve)))
    outcome = finish(whole, found, truth, bench, parts[1:])
    notes = replace(
        outcome.notes,
        copies=tuple(write_own(part, bench) for part in parts[1:]),
    )
    return replace(outcome, notes=notes)


def _fit(prepared: Prepared, bench: Bench) -> Fitted:
    found = fit_alone(prepared, bench, keep_all=True)
    if isinstance(found, CandidateError):
        raise found
    assert isinstance(found, Fitted)  # no bar was set, so nothing was given up
    return found


def pooled(fits: Sequence[Fitted], truth: np.ndarray, metric: str) -> Fitted:
    """Several fits as one, whose images are those of all.

    Args:
        fits: With a snapshot of each validation.
        truth: Classes of their images, one fit after the other.
        metric: Of the task.
    """
    count = max(len(fitted.curve) for fitted in fits)
    answers = [
        np.concatenate([fitted.answers[_moment(fitted, place, count)] for fitted in fits])
        for place in range(count)
    ]
    curve = tuple(metrics.score(metric, given, truth) for given in answers)
    best = max(range(count), key=lambda place: (curve[place], place))
    logits = np.concatenate([fitted.snapshots[_moment(fitted, best, count)].logits for fitted in fits])
    return Fitted(curve, best, logits, tuple(answers))


def _moment(fitted: Fitted, place: int, count: int) -> int:
    """Which of a fit's validations stands for one of ``count``; with very few steps there are fewer validations."""
    return -(-place * (len(fitted.curve) - 1) // max(count - 1, 1))
