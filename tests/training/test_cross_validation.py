"""Pooled quality: whose answers it is made of, what starts from where, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import CHILD, Candidate, Cost, Evaluation, OfTurn
from evo_mtl.evolution.copies import copies_for, copy_of, known_copies
from evo_mtl.evolution.optimism import unpack
from evo_mtl.evolution.outcome import OK, Notes, Outcome, failed
from evo_mtl.genome.genome import Genome, PathGene, TapGene, settle
from evo_mtl.network.components import load_module
from evo_mtl.testing.genomes import bottleneck
from evo_mtl.training import cross_validation, metrics
from evo_mtl.training.cross_validation import try_pooled
from evo_mtl.training.fit import Fitted, Found
from evo_mtl.training.folds import answered_labels, folds_of
from evo_mtl.training.inputs import Gathered, choose
from evo_mtl.training.open_part import Snapshot
from evo_mtl.training.prepared import Prepared
from evo_mtl.training.trial import Bench, fit_alone, prepare, try_candidate
from tests.training.worlds import Workshop, candidate

FOLDS = 3


def small_bench(workshop: Workshop, cache: Path, cache_bytes: int = 2**30) -> Bench:
    return replace(workshop.bench(cache, cache_bytes), folds=FOLDS)


def fitted_whole(prepared: Prepared, bench: Bench) -> Fitted:
    found = fit_alone(prepared, bench, keep_all=True)
    assert isinstance(found, Fitted)
    return found


def evaluated(genome: Genome, outcome: Outcome) -> Evaluation:
    cost = Cost(1, 1.0, 1, 1, 1.0, 1.0)
    made = candidate(genome)
    return Evaluation(
        made, outcome.status, outcome.quality, 1.0, outcome.curve, outcome.trained, cost, True, outcome.notes
    )


@pytest.fixture
def noisy(workshop: Workshop, tmp_path: Path) -> Workshop:
    """The workshop with a task whose labels are noise: nobody can answer what it has not learned by heart."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(72) % 3)
    images = rng.integers(0, 256, (72, 16, 16, 3), dtype=np.uint8)
    np.savez(
        tmp_path / "colours.npz",
        images=images[:60],
        labels=labels[:60],
        test_images=images[60:],
        test_labels=labels[60:],
    )
    return replace(workshop, npz=tmp_path / "colours.npz")


@pytest.mark.parametrize("head", ["linear", "ridge", "projected_ridge", "nearest_mean"])
def test_pooled_quality_is_the_metric_over_the_answers_of_the_candidate_and_of_copies_fitted_without_a_part(
    head: str, workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 3 if head == "linear" else 4, head, epochs=2)
    bench = small_bench(workshop, tmp_path)
    outcome = try_pooled(candidate(genome), bench, {})
    task, truth = bench.images.task, answered_labels(bench.images.task, FOLDS, bench.seed)
    whole = prepare(candidate(genome), bench)
    fits = [fitted_whole(whole, bench)]
    for fold in folds_of(task, FOLDS, bench.seed):
        copy = prepare(candidate(genome), bench, fold=fold)  # inputs of its own
        assert len(copy.train[0]) == len(copy.labels) == len(fold.kept)
        fits.append(fitted_whole(copy, bench))
    curve = []
    for place in range(len(outcome.curve)):
        logits = np.concatenate([fitted.snapshots[place].logits for fitted in fits])
        curve.append(metrics.accuracy(logits.argmax(1), truth))
    assert list(outcome.curve) == curve
    assert outcome.quality == max(curve)
    assert unpack(outcome.notes.right).mean(1).tolist() == pytest.approx(curve)
    assert outcome.notes.pooled.images == len(truth) == 60
    assert outcome.notes.pooled.folds == FOLDS


def test_the_weights_that_count_are_those_of_the_fit_on_all_training_images(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 4, "ridge")
    alone = try_candidate(candidate(genome), workshop.bench(tmp_path / "a"))
    crossed = try_pooled(candidate(genome), small_bench(workshop, tmp_path / "b"), {})

    def weights(outcome: Outcome) -> torch.Tensor:
        return load_module(workshop.store.read, outcome.trained["head"]).state_dict()["linear.weight"]

    assert torch.equal(weights(alone), weights(crossed))
    assert alone.curve[0] == crossed.notes.pooled.validation
    others = [load_module(workshop.store.read, copy["head"]) for copy in crossed.notes.copies]
    assert all(not torch.equal(one.state_dict()["linear.weight"], weights(alone)) for one in others)


def test_the_validation_that_counts_is_chosen_by_pooled_quality() -> None:
    def fitted(*answers: list[int]) -> Fitted:
        given = tuple(map(np.array, answers))
        shots = tuple(Snapshot(i, {}, np.eye(2)[one]) for i, one in enumerate(given))
        return Fitted((0.0,) * len(given), 0, shots[0].logits, given, shots)

    truth = np.array([1, 1, 1, 0])
    fits = [fitted([1, 1], [0, 1], [0, 1]), fitted([0, 1], [1, 0], [1, 0])]
    found = cross_validation.pooled(fits, truth, "accuracy")
    assert found.curve == (0.5, 0.75, 0.75)
    assert found.best == 2
    assert found.logits.argmax(1).tolist() == [0, 1, 1, 0]


def test_a_copy_of_a_child_starts_from_the_copy_of_its_parent_and_learns_nothing_of_what_it_answers(
    noisy: Workshop, tmp_path: Path
) -> None:
    genome = noisy.genome(4, 3, epochs=20, learning_rate=0.05, adapters=(2,))
    bench = small_bench(noisy, tmp_path / "cache")
    parent = try_pooled(candidate(genome), bench, {})
    assert parent.notes.best > 0
    known = known_copies([evaluated(genome, parent)])
    child = candidate(settle(genome, parent.trained).with_values({"learning_rate": 0.0, "norm": "eval"}))
    copies = copies_for([child], known)
    assert copies.keys() == set(parent.trained.values())
    inherited = try_pooled(child, bench, copies)
    assert inherited.curve == (parent.quality,) * 3
    # Were it to start from its parent's own weights, it would know the images it is asked about.
    cheating = try_pooled(child, bench, {})
    assert cheating.quality > parent.quality + 0.2


def test_a_candidate_on_weights_without_copies_is_judged_on_the_validation_images_alone(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 3, epochs=1)
    bench = small_bench(workshop, tmp_path)
    first = try_candidate(candidate(genome), bench)
    child = candidate(settle(genome, first.trained))
    copies = copies_for([child], known_copies([], former=first.trained.values()))
    outcome = try_pooled(child, bench, copies)
    assert outcome == try_candidate(child, bench)
    assert outcome.notes.pooled is None


def test_cross_validation_gives_the_same_with_a_cache_without_one_and_again(
    workshop: Workshop, tmp_path: Path
) -> None:
    made = candidate(workshop.genome(4, 3, adapters=(2,), views=2, flip=True, head_start="ridge"))
    whole = try_pooled(made, small_bench(workshop, tmp_path), {})
    assert try_pooled(made, small_bench(workshop, tmp_path), {}) == whole
    assert try_pooled(made, small_bench(workshop, tmp_path / "none", cache_bytes=0), {}) == whole


def test_a_copy_that_diverges_fails_its_candidate(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_on_copies(prepared: Prepared, bench: Bench, keep_all: bool) -> Found:
        if "fold" in prepared.address:
            return CandidateError("a test")
        return fit_alone(prepared, bench, keep_all=keep_all)

    monkeypatch.setattr(cross_validation, "fit_alone", fails_on_copies)
    outcome = try_pooled(candidate(workshop.genome(4, 4, "ridge")), small_bench(workshop, tmp_path), {})
    assert outcome.status == failed("a test")


def test_of_very_few_steps_the_copies_validations_stand_for_those_of_the_whole(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 4, epochs=1)  # two steps for the whole, one for a copy
    outcome = try_pooled(candidate(genome), small_bench(workshop, tmp_path), {})
    assert outcome.status.ok
    assert len(outcome.curve) == 3


def test_chosen_rows_of_inputs_are_those_rows() -> None:
    whole = Gathered(3, torch.arange(12.0).view(6, 2))
    some = choose(choose(whole, np.array([4, 0, 5])), np.array([2, 0]))
    assert len(some) == 2
    assert torch.equal(some[np.array([0, 1])][3], whole.matrix[[5, 4]])


def test_copies_replace_every_component_that_the_task_trained_and_no_other(workshop: Workshop) -> None:
    genome = workshop.genome(4, 3)
    genome = replace(
        genome,
        adapters=(bottleneck(2, 4, "a"), bottleneck(3, 4)),
        head=replace(genome.head, component="h"),
        paths=(PathGene(("s", "r"), (bottleneck(0, 4, "p"),), (TapGene(1),)),),
    )
    copies = {"a": ("a0", "a1"), "h": ("h0", "h1"), "s": ("s0", "s1"), "p": ("p0", "p1")}
    found = copy_of(genome, copies, 1)
    assert found.components == (genome.components - copies.keys()) | {"a1", "h1", "s1", "p1"}
    assert found.stages == genome.stages
    assert copy_of(genome, {}, 0) == genome


def test_weights_that_training_left_as_they_were_are_nobodys_copies(workshop: Workshop) -> None:
    genome = workshop.genome(4, 3)
    root = genome.stages[3].component
    notes = Notes(copies=({"stage:3": root, "head": "h0"}, {"stage:3": root, "head": "h1"}))
    outcome = Outcome(OK, 1.0, (1.0,), {"stage:3": root, "head": "h"}, notes)
    assert known_copies([evaluated(genome, outcome)], former=["x"]) == {"x": (), "h": ("h0", "h1")}
    child = Candidate("colours", 1, 0, OfTurn(0, 0), CHILD, settle(genome, outcome.trained))
    assert copies_for([child], {"x": (), "h": ("h0", "h1")}) == {"h": ("h0", "h1")}
