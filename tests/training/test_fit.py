"""Gradient descent on an open part: schedules, optimisers, snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evo_mtl.genome.genome import Genome
from evo_mtl.network.assembly import assemble
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.kind import Group, new
from evo_mtl.network.specs import in_features
from evo_mtl.training import metrics
from evo_mtl.training.fit import Fitted, fit
from evo_mtl.training.kept import frontier
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.optimizers import make_optimizer, schedule
from evo_mtl.training.trial import Bench
from tests.training.worlds import Workshop


def fitted(
    bench: Bench, genome: Genome, quality: Any = None, validations: int = 4
) -> tuple[Fitted, OpenPart]:
    """Trains the head of a frozen genome on raw taps."""
    route = assemble(genome, bench.layout)
    spec = {"kind": "linear", "in_features": in_features(genome, bench.layout), "num_classes": 3}
    head = new(spec, torch.Generator())
    part = OpenPart(route, {"head": head}, bench.shared)
    task = bench.images.task
    train = frontier(route, bench.images.train(genome, 0)[1], "train", bench.shared, bench.cache)
    validation = frontier(route, bench.images.validation(genome)[1], "validation", bench.shared, bench.cache)

    def accuracy(logits: np.ndarray) -> float:
        return metrics.score("accuracy", logits.argmax(1), task.validation.labels)

    rng = np.random.default_rng(0)
    found = fit(part, genome, [train], task.train.labels, validation, quality or accuracy, validations, rng)
    assert np.array_equal(part.all_logits(validation), found.logits)
    return found, part


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["constant", "cosine"])
def test_fitting_learns_a_separable_task(
    optimizer: str, name: str, workshop: Workshop, tmp_path: Path
) -> None:
    rate = {"sgd": 0.5, "adamw": 0.1}[optimizer]
    genome = workshop.genome(1, 1, optimizer=optimizer, schedule=name, epochs=12, learning_rate=rate)
    found, _ = fitted(workshop.bench(tmp_path), genome)
    assert found.curve[0] < 0.6
    assert max(found.curve) > 0.9


def test_the_best_validated_snapshot_is_what_is_left_in_the_modules(
    workshop: Workshop, tmp_path: Path
) -> None:
    qualities = iter([0.2, 0.5, 0.9, 0.4, 0.3])
    seen = []

    def quality(logits: np.ndarray) -> float:
        seen.append(logits)
        return next(qualities)

    found, _ = fitted(workshop.bench(tmp_path), workshop.genome(3, 3, epochs=4), quality)
    assert found.curve == (0.2, 0.5, 0.9, 0.4, 0.3)
    assert found.best == 2
    assert np.array_equal(found.logits, seen[2])
    assert not np.array_equal(seen[2], seen[4])


def test_an_average_of_the_weights_answers_and_is_left_in_the_modules(
    workshop: Workshop, tmp_path: Path
) -> None:
    bench = workshop.bench(tmp_path)
    weights = {}
    for decay in (0.0, 0.99):
        _, part = fitted(bench, workshop.genome(3, 3, epochs=4, average=decay), lambda _: 0.5)
        weights[decay] = part.own["head"].linear.weight.detach()
    assert 0 < float(weights[0.99].norm()) < float(weights[0.0].norm())  # they start at zero, and it follows


def test_of_equally_good_snapshots_the_last_is_taken(workshop: Workshop, tmp_path: Path) -> None:
    found, _ = fitted(workshop.bench(tmp_path), workshop.genome(3, 3, epochs=4), lambda logits: 0.5)
    assert found.best == 4


def test_the_start_counts_where_training_makes_things_worse(workshop: Workshop, tmp_path: Path) -> None:
    qualities = iter([0.9, 0.1, 0.1, 0.1, 0.1])
    found, part = fitted(workshop.bench(tmp_path), workshop.genome(3, 3, epochs=4), lambda _: next(qualities))
    assert found.best == 0
    assert not part.own["head"].linear.weight.any()


def test_more_validations_than_steps_validate_every_step_once(workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(3, 3, epochs=1, batch_size=64)
    found, _ = fitted(workshop.bench(tmp_path), genome, validations=9)
    assert len(found.curve) == 2


def test_a_batch_larger_than_the_task_is_the_whole_task(workshop: Workshop, tmp_path: Path) -> None:
    bench = workshop.bench(tmp_path)
    wholes = [
        fitted(bench, workshop.genome(3, 3, batch_size=size))[0].curve
        for size in (len(bench.images.task.train), 4096)
    ]
    assert wholes[0] == wholes[1]


def shares(name: str, warmup: float, total: int) -> list[float]:
    return [schedule(name, warmup, step, total) for step in range(total)]


def test_the_rate_warms_up_in_a_line_and_falls_as_half_a_cosine() -> None:
    found = shares("cosine", 0.2, 20)
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    expected = [(1 + np.cos(np.pi * i / 16)) / 2 for i in range(16)]
    np.testing.assert_allclose(found[4:], expected, rtol=1e-12)


def test_a_constant_rate_stays_after_its_warm_up() -> None:
    assert shares("constant", 0.5, 4) == [0.5, 1.0, 1.0, 1.0]
    assert shares("constant", 0.0, 3) == [1.0] * 3


def test_weight_decay_acts_on_matrices_alone(workshop: Workshop) -> None:
    head = Head(4, 3)
    for optimizer in ("sgd", "adamw"):
        made = make_optimizer(
            workshop.genome(3, 3, optimizer=optimizer, weight_decay=0.1), [Group(list(head.parameters()))]
        )
        decays = {
            tuple(p.shape): group["weight_decay"] for group in made.param_groups for p in group["params"]
        }
        assert decays == {(3, 4): 0.1, (3,): 0.0}


def test_nesterov_without_momentum_is_plain_descent(workshop: Workshop) -> None:
    trained = [Group(list(Head(4, 3).parameters()))]
    made = make_optimizer(workshop.genome(3, 3, momentum=0.0, nesterov=True), trained)
    assert isinstance(made, torch.optim.SGD)
    assert not made.defaults["nesterov"]
