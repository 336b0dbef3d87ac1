"""Heads that are solved from sums over a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.testing import assert_close

from evo_mtl.errors import CandidateError
from evo_mtl.network import moments
from evo_mtl.network.closed_form import choose_ridge, nearest_class_mean, standardise
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.kind import head_kind, new
from evo_mtl.network.streaming import NEVER, MomentsPool, Solution
from evo_mtl.testing.contracts.kinds import a_genome_with

WIDTHS = {"a": 5, "b": 7, "c": 4}
CLASSES = 3


def clouds(count: int = 96, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    """Taps of three clouds by node, none of them centred, and labels."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(np.arange(count) % CLASSES)
    centres = np.random.default_rng(99).normal(size=(CLASSES, sum(WIDTHS.values())))
    x = centres[labels] + rng.normal(size=(count, sum(WIDTHS.values()))) * np.linspace(0.5, 3, 16) + 40
    return dict(
        zip(WIDTHS, torch.from_numpy(x).float().split(tuple(WIDTHS.values()), 1), strict=True)
    ), labels


def joined(pool: MomentsPool, kind: str, nodes: Sequence[str] = tuple(WIDTHS)) -> Solution:
    widths = [WIDTHS[node] for node in nodes]
    genome = a_genome_with(kind)
    head = new(head_kind(kind).describe(genome, widths, CLASSES, 5), torch.Generator())
    return pool.join(head, genome, nodes, widths)


def shown(pool: MomentsPool, taps: Mapping[str, Tensor], labels: Tensor, size: int = 16) -> None:
    for start in range(0, len(labels), size):
        rows = slice(start, start + size)
        pool.add({node: x[rows] for node, x in taps.items()}, labels[rows])


def together(taps: Mapping[str, Tensor], nodes: Sequence[str] = tuple(WIDTHS)) -> Tensor:
    return torch.cat([taps[node] for node in nodes], 1)


@pytest.mark.parametrize("single", [False, True])
def test_a_streamed_ridge_is_the_one_solved_on_all_rows_at_once(
    single: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where much is read, and systems are solved in float32."""
    if single:
        monkeypatch.setattr(moments, "NARROW", 4)
    taps, labels = clouds()
    pool = MomentsPool(CLASSES, 16)
    solution = joined(pool, "ridge")
    shown(pool, taps, labels)
    assert solution.refresh()
    x = together(taps)
    mean, scale = standardise(x)
    expected = choose_ridge((x - mean) / scale, labels, (solution.strength,), CLASSES)
    assert_close(solution.head.mean, mean.float())
    assert_close(solution.head.scale, scale.float())
    within = 1e-4 if single else 1e-6
    assert_close(solution.head.linear.weight.double(), expected.weight, rtol=1e-5, atol=within)
    assert_close(solution.head.linear.bias.double(), expected.bias, rtol=1e-5, atol=within)


def test_a_streamed_nearest_mean_is_the_one_of_all_rows() -> None:
    taps, labels = clouds()
    pool = MomentsPool(CLASSES, 16)
    solution = joined(pool, "nearest_mean")
    shown(pool, taps, labels)
    solution.refresh()
    x = together(taps)
    mean, scale = standardise(x)
    weight, bias = nearest_class_mean((x - mean) / scale, labels, CLASSES)
    assert_close(solution.head.linear.weight.double(), weight, rtol=1e-5, atol=1e-6)
    assert_close(solution.head.linear.bias.double(), bias, rtol=1e-5, atol=1e-6)


def test_a_streamed_projected_ridge_is_the_ridge_on_what_its_projection_gives() -> None:
    taps, labels = clouds()
    pool = MomentsPool(CLASSES, 16)
    solution = joined(pool, "projected_ridge")
    shown(pool, taps, labels)
    solution.refresh()
    features = solution.head.features(together(taps))
    expected = choose_ridge(features, labels, (solution.strength,), CLASSES)
    scores = features.double() @ expected.weight.T + expected.bias
    assert_close(solution.head(together(taps)).double(), scores, rtol=1e-4, atol=1e-4)
    standard = (together(taps) - solution.head.mean) / solution.head.scale
    assert standard.std(0).min() > 0.5
    assert standard.std(0).max() < 2
    assert standard.mean(0).abs().max() < 1


@pytest.mark.parametrize("kind", ["ridge", "nearest_mean"])
def test_the_order_of_the_examples_makes_no_difference(kind: str) -> None:
    taps, labels = clouds()
    heads: list[Head] = []
    for order in (torch.arange(96), torch.randperm(96, generator=torch.Generator().manual_seed(1))):
        pool = MomentsPool(CLASSES, 16)
        solution = joined(pool, kind)
        shown(pool, {node: x[order] for node, x in taps.items()}, labels[order], 16 if heads else 32)
        solution.refresh()
        heads.append(solution.head)
    assert_close(heads[0](together(taps)), heads[1](together(taps)), rtol=1e-4, atol=1e-4)


def test_a_newcomer_whose_taps_are_summed_has_their_whole_history() -> None:
    taps, labels = clouds()
    pool = MomentsPool(CLASSES, 16)
    first = joined(pool, "ridge")
    shown(pool, taps, labels)
    newcomer = joined(pool, "ridge", ["c", "a"])
    assert newcomer.refresh()
    alone = MomentsPool(CLASSES, 16)
    expected = joined(alone, "ridge", ["c", "a"])
    shown(alone, taps, labels)
    expected.refresh()
    x = together(taps, ["c", "a"])
    assert_close(newcomer.head(x), expected.head(x), rtol=1e-5, atol=1e-5)
    pool.leave(first)
    assert set(pool.nodes) == {"a", "c"}
    shown(pool, *clouds(32, seed=1))
    shown(alone, *clouds(32, seed=1))
    newcomer.refresh()
    expected.refresh()
    assert_close(newcomer.head(x), expected.head(x), rtol=1e-5, atol=1e-5)


def test_a_newcomer_that_reads_more_starts_from_nothing() -> None:
    taps, labels = clouds()
    pool = MomentsPool(CLASSES, 16)
    joined(pool, "ridge", ["a"])
    shown(pool, taps, labels)
    newcomer = joined(pool, "ridge", ["a", "b"])
    assert not newcomer.refresh()
    shown(pool, *clouds(32, seed=1))
    assert newcomer.refresh()


def test_in_a_final_head_a_class_of_few_examples_has_no_weight_and_is_never_answered() -> None:
    taps, labels = clouds()
    few = (labels != 2) | (torch.arange(96) < 30)  # ten of the last class
    pool = MomentsPool(CLASSES, 16)
    solutions = [joined(pool, kind) for kind in ("ridge", "nearest_mean", "projected_ridge")]
    shown(pool, {node: x[few] for node, x in taps.items()}, labels[few])
    x = together(taps)[few]
    for solution in solutions:
        solution.refresh()
        assert 2 in solution.head(x).argmax(1)
        assert solution.refresh(final=True)
        answers = solution.head(x).argmax(1)
        assert 2 not in answers
        assert (answers == labels[few])[labels[few] != 2].float().mean() > 0.9
        assert not solution.head.linear.weight[2].any()
        assert solution.head.linear.bias[2] == NEVER
        assert torch.isfinite(solution.head(x).softmax(1)).all()


def test_a_strength_that_the_next_batches_like_better_is_taken() -> None:
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(size=(400, 16)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, CLASSES, 400))
    taps = dict(zip(WIDTHS, noise.split(tuple(WIDTHS.values()), 1), strict=True))
    pool = MomentsPool(CLASSES, 16)
    solution = joined(pool, "ridge")
    assert solution.strength == 10.0
    for start in range(0, 400, 20):
        shown(pool, {node: x[start : start + 20] for node, x in taps.items()}, labels[start : start + 20], 20)
        solution.refresh()
    assert solution.strength >= 1000.0


def test_a_number_that_is_not_finite_fails_and_a_trained_head_cannot_join() -> None:
    pool = MomentsPool(CLASSES, 16)
    joined(pool, "ridge", ["a"])
    with pytest.raises(CandidateError, match="not finite"):
        pool.add({"a": torch.full((16, 5), torch.nan)}, torch.zeros(16, dtype=torch.int64))
    with pytest.raises(ValueError, match="linear head is not solved from sums"):
        joined(pool, "linear")


FIGURES = {"nearest_mean": 89.7, "slda": 94.9, "ridge": 92.9, "projected_ridge": 98.6}
"""Accuracy on the digits that is known of one pass, in percent (raw pixels; mean of ten seeds)."""


@pytest.mark.parametrize("kind", FIGURES)
def test_one_pass_over_the_digits_two_classes_after_two_is_as_good_as_is_known(kind: str) -> None:
    pixels, digits = load_digits(return_X_y=True)
    accuracies = []
    for seed in range(3):
        parts = train_test_split(pixels.astype(np.float32), digits, test_size=0.3, random_state=seed)
        x, test_x, y, test_y = (torch.from_numpy(one) for one in parts)
        genome = a_genome_with(kind)
        head = new(head_kind(kind).describe(genome, [64], 10, seed), torch.Generator())
        pool = MomentsPool(10, 16)
        solution = pool.join(head, genome, ["pixels"], [64])
        for first in range(0, 10, 2):
            task = ((y == first) | (y == first + 1)).nonzero()[:, 0]
            for rows in task.split(64):
                pool.add({"pixels": x[rows]}, y[rows])
                solution.refresh()
        solution.refresh(final=True)
        accuracies.append(float((head(test_x).argmax(1) == test_y).float().mean()))
    assert abs(100 * np.mean(accuracies) - FIGURES[kind]) < 2.5, accuracies


@pytest.mark.parametrize("kind", ["ridge", "slda", "nearest_mean", "projected_ridge"])
def test_many_examples_of_classes_that_are_left_out_do_a_final_head_no_harm(kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.permutation(np.repeat([0, 1, 2], [60, 60, 45])))
    centres = 10 * rng.normal(size=(CLASSES, 16))
    x = torch.from_numpy((centres[labels] + rng.normal(size=(165, 16))).astype(np.float32))
    taps = dict(zip(WIDTHS, x.split(tuple(WIDTHS.values()), 1), strict=True))
    pool = MomentsPool(CLASSES, 50)
    solution = joined(pool, kind)
    shown(pool, taps, labels, 55)
    solution.refresh(final=True)
    answers = solution.head(x).argmax(1)
    assert 2 not in answers
    assert torch.equal(answers[labels < 2], labels[labels < 2])
