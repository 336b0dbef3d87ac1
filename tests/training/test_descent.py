"""Batches and steps of gradient descent, as candidates and learners share them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evo_mtl.training.descent import Descent, batches, num_steps

LABELS = torch.arange(10) % 3


def test_each_epoch_goes_through_the_examples_once_in_an_order_of_its_own() -> None:
    found = list(batches(LABELS, 5, 3, [np.random.default_rng(0)]))
    assert [(one.epoch, one.number) for one in found] == [(i // 2, i) for i in range(6)]
    epochs = [np.concatenate([one.index[0] for one in found[i : i + 2]]) for i in (0, 2, 4)]
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert all(torch.equal(one.targets[0], LABELS[one.index[0]]) for one in found)


@pytest.mark.parametrize(
    ("count", "size", "steps"), [(10, 4, 2), (10, 5, 2), (10, 10, 1), (10, 64, 1), (1, 8, 1)]
)
def test_an_incomplete_batch_is_left_out_unless_there_is_no_other(count: int, size: int, steps: int) -> None:
    found = list(batches(LABELS[:count], size, 2, [np.random.default_rng(0)]))
    assert len(found) == 2 * steps == 2 * num_steps(count, size)
    assert {one.index.shape for one in found} == {(1, min(size, count))}


def test_of_models_that_are_trained_together_each_has_the_order_it_has_alone() -> None:
    together = list(batches(LABELS, 5, 2, [np.random.default_rng(seed) for seed in (1, 2)]))
    for place, seed in enumerate((1, 2)):
        alone = batches(LABELS, 5, 2, [np.random.default_rng(seed)])
        assert all(
            np.array_equal(one.index[place], other.index[0])
            for one, other in zip(together, alone, strict=True)
        )


def test_a_step_is_one_of_the_optimiser_on_clipped_gradients_at_the_rate_of_its_number() -> None:
    weight = torch.nn.Parameter(torch.zeros(3, 2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    rates = [0.5, 0.25]

    def schedule(number: int) -> None:
        optimizer.param_groups[0]["lr"] = rates[number]

    way = Descent(lambda rows: rows @ weight.T, optimizer, schedule, clip=0.01, clipped=[[weight]])
    rows = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    for batch, rate in zip(batches(LABELS, 5, 1, [np.random.default_rng(0)]), rates, strict=True):
        before = weight.detach().clone()
        loss = way.step(rows, batch)
        assert loss.shape == (1,)
        assert float((weight.detach() - before).norm()) == pytest.approx(0.01 * rate, rel=1e-3)
