"""The stop rule on made-up sequences of scores."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.errors import ConfigError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.outcome import OK, failed
from evo_mtl.evolution.stopping import expected_gain, expected_improvement, too_little, upper_half
from evo_mtl.evolution.turn import Turn, seed_candidates
from evo_mtl.genome.sections import StopRule
from evo_mtl.testing.genomes import a_space, a_world, played, told

WORLD = a_world(a_space())
Scores = Sequence[Sequence[float | None]]


def evaluations(scores: Scores, dearer: float = 1.0) -> list[Evaluation]:
    """A generation a list, the seed candidates first; ``None`` is one that failed."""
    plain = told(WORLD, seed_candidates(WORLD)[1])
    cost = replace(plain.cost, multiply_adds=plain.cost.multiply_adds * dearer)
    return [
        replace(
            plain,
            candidate=replace(plain.candidate, generation=generation, child=child),
            status=OK if score is not None else failed("so"),
            score=-math.inf if score is None else score,
            cost=cost,
        )
        for generation, row in enumerate(scores)
        for child, score in enumerate(row)
    ]


def gain(scores: Scores, dearer: float = 1.0) -> float:
    return expected_gain(evaluations(scores, dearer), 4, WORLD.costs)


RISING = [[0.5, 0.6], [0.62, 0.66, 0.6, 0.7], [0.72, 0.78, 0.7, 0.8]]
FLAT = [[0.5, 0.6], [0.62, 0.66, 0.6, 0.7], [0.69, 0.67, 0.68, 0.69], [0.68, 0.69, 0.68, 0.67]]


@pytest.mark.parametrize(
    ("mean", "spread", "draws"), [(0.0, 1.0, 1), (-0.5, 0.3, 4), (0.2, 0.1, 3), (-2, 1, 8)]
)
def test_the_expected_improvement_is_that_of_many_draws(mean: float, spread: float, draws: int) -> None:
    best = np.random.default_rng(0).normal(mean, spread, (400_000, draws)).max(1)
    drawn = np.maximum(best, 0.0)
    error = drawn.std() / math.sqrt(len(drawn))
    assert abs(expected_improvement(mean, spread, draws) - drawn.mean()) < 4 * error + 1e-6


def test_the_expected_improvement_of_one_draw_is_jones_formula() -> None:
    for mean, spread in ((0.3, 0.2), (-0.1, 0.5), (-1.0, 0.4)):
        z = mean / spread
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        expected = mean * 0.5 * (1 + math.erf(z / math.sqrt(2))) + spread * density
        assert expected_improvement(mean, spread, 1) == pytest.approx(expected, rel=1e-4)


def test_without_spread_the_gain_is_the_mean_where_it_is_one() -> None:
    assert expected_improvement(0.1, 0.0, 4) == 0.1
    assert expected_improvement(-0.1, 0.0, 4) == 0.0


def test_the_spread_is_that_of_the_upper_half_whatever_the_lower_does() -> None:
    weights = np.ones(4)
    near = upper_half(np.array([-0.02, -0.01, 0.0, 0.02]), weights)
    assert near == upper_half(np.array([-0.9, -0.01, 0.0, 0.02]), weights)
    assert near == (-0.01, pytest.approx(math.sqrt((0.0 + 0.01**2 + 0.03**2) / 3)))


def test_rising_scores_promise_more_than_flat_ones() -> None:
    assert gain(RISING) > 3 * gain(FLAT) > 0.0


def test_every_generation_without_gain_promises_less() -> None:
    found = [gain(FLAT[:2] + [FLAT[3]] * count) for count in range(5)]
    assert all(later < earlier for earlier, later in itertools.pairwise(found))


def test_the_gain_is_for_a_pass_of_the_root_over_the_training_images() -> None:
    assert gain(RISING, dearer=3.0) == pytest.approx(gain(RISING) / 3)
    costs = WORLD.costs
    passes = evaluations(RISING)[0].cost.multiply_adds * 4 / costs.pass_of_root()
    centre, spread = -0.01, 0.05
    scores = [[0.5, 0.5], [0.5 + centre, 0.5 + centre, 0.5 + centre, 0.5 + centre + 2 * spread]]
    values = np.array([0.0, 0.0, centre, centre, centre, centre + 2 * spread])
    fitted = upper_half(values, np.array([0.5, 0.5, 1, 1, 1, 1]))
    assert gain(scores) == pytest.approx(expected_improvement(*fitted, 4) / passes)


def test_children_that_fail_promise_less() -> None:
    some = [*FLAT[:2], [0.72, None, None, None]]
    assert gain(some) < gain([*FLAT[:2], [0.72, 0.72, 0.72, 0.72]])


def test_a_search_ends_only_after_its_least_generations_and_without_a_rule_never() -> None:
    done = evaluations([[0.6, 0.6], [0.6] * 4])
    assert too_little(done, 4, WORLD.costs, StopRule(gain=0.1)) == 0.0
    assert too_little(done, 4, WORLD.costs, StopRule(gain=0.1, generations=2)) is None
    assert too_little(done, 4, WORLD.costs, None) is None
    assert too_little(evaluations([[0.6, 0.6]]), 4, WORLD.costs, StopRule(gain=1e9)) is None
    assert too_little(evaluations(RISING), 4, WORLD.costs, StopRule(gain=1e-6)) is None


@pytest.mark.parametrize("algorithm", list(algorithms))
def test_a_turn_that_was_told_the_same_ends_at_the_same_generation(algorithm: str) -> None:
    world = a_world(a_space(stop={"gain": 0.002}, budget={"generations": 30, "children": 3}))
    turn, everything = played(world, algorithm)
    assert turn.early_end is not None
    assert turn.early_end < 0.002
    assert 1 < turn.generation <= 30
    again = Turn(world, algorithms.get(algorithm))
    for number in range(turn.generation):
        assert again.ask()
        again.tell(e for e in everything if e.candidate.generation == number)
    assert again.ask() == ()


def test_a_stop_rule_without_a_gain_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError, match="gain"):
        a_space(stop={"generations": 2})
    with pytest.raises(ConfigError, match="gain"):
        a_space(stop={"gain": 0})
