"""Heads solved in closed form and heads made ready for training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evo_mtl.genome.genome import Genome
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.kind import Chosen, head_kind, new, spec_of
from evo_mtl.network.kinds.linear import RIDGE_START_SCALE
from evo_mtl.training.calibration import calibrate, fit_temperature
from tests.training.worlds import Workshop

LABELS = np.arange(60) % 3


@pytest.fixture
def taps(rng: np.random.Generator) -> torch.Tensor:
    """Three clouds, one channel constant."""
    centres = rng.normal(size=(3, 8)) * 3
    points = centres[LABELS] + rng.normal(size=(60, 8)) + 5
    points[:, 7] = 2.0
    return torch.from_numpy(points.astype(np.float32))


def solved(workshop: Workshop, taps: torch.Tensor, kind: str, **values: object) -> tuple[Head, Chosen]:
    genome = workshop.genome(3, 3, kind, projection_width=128, **values)
    head = new_head(genome)
    return head, head_kind(kind).ready(head, genome, lambda: taps, LABELS)


def new_head(genome: Genome) -> Head:
    """For eight numbers and three classes; a projection's seed is 5."""
    head = new(head_kind(genome.head.kind).describe(genome, [8], 3, 5), torch.Generator())
    assert isinstance(head, Head)
    return head


@pytest.mark.parametrize("kind", ["ridge", "projected_ridge", "nearest_mean", "slda"])
def test_a_solved_head_tells_clouds_apart(kind: str, workshop: Workshop, taps: torch.Tensor) -> None:
    head, notes = solved(workshop, taps, kind)
    assert (head(taps).argmax(1).numpy() == LABELS).mean() > 0.95
    assert (notes.alpha is not None) == (kind in ("ridge", "projected_ridge"))


def test_every_head_standardises_by_the_training_images(workshop: Workshop, taps: torch.Tensor) -> None:
    for kind in ("linear", "ridge", "nearest_mean"):
        head, _ = solved(workshop, taps, kind)
        features = head.features(taps)
        torch.testing.assert_close(features.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
        torch.testing.assert_close(features[:, :7].std(0, correction=0), torch.ones(7), atol=1e-3, rtol=0)
        assert torch.isfinite(features).all()


def test_a_linear_head_starts_at_zero_or_at_the_ridge_solution(
    workshop: Workshop, taps: torch.Tensor
) -> None:
    zero, _ = solved(workshop, taps, "linear", head_start="zero")
    start, _ = solved(workshop, taps, "linear", head_start="ridge")
    ridge, _ = solved(workshop, taps, "ridge")
    assert not zero(taps).any()
    torch.testing.assert_close(start.linear.weight, ridge.linear.weight * RIDGE_START_SCALE)
    torch.testing.assert_close(start.linear.bias, ridge.linear.bias * RIDGE_START_SCALE)


def test_solving_twice_gives_the_same_bits(workshop: Workshop, taps: torch.Tensor) -> None:
    first, second = (solved(workshop, taps, "projected_ridge")[0] for _ in range(2))
    assert torch.equal(first(taps), second(taps))


def test_a_projection_is_named_by_its_seed_and_other_heads_name_none(workshop: Workshop) -> None:
    for kind, seed in (("projected_ridge", 5), ("ridge", None), ("linear", None)):
        assert spec_of(new_head(workshop.genome(3, 3, kind))).get("projection_seed") == seed


def test_calibration_divides_logits_by_the_fitted_temperature_and_changes_no_answer(
    workshop: Workshop, taps: torch.Tensor
) -> None:
    head, _ = solved(workshop, taps, "ridge")
    plain = head(taps).detach()
    temperature = calibrate(head, plain.numpy(), LABELS)
    assert temperature == fit_temperature(plain.numpy(), LABELS) != 1.0
    torch.testing.assert_close(head(taps), plain / temperature)
    assert torch.equal(head(taps).argmax(1), plain.argmax(1))
