"""How likely mutations are: one probability for all, or one learned for each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from evo_mtl.genome.genome import Genome
from evo_mtl.genome.mutation import mutate
from evo_mtl.genome.rates import LEARNED, MU, Learned, evenly
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import a_genome, a_space, trunk_facts

FACTS = trunk_facts()
SPACE = a_space(mutation={"rates": "learned"})
SHARED = a_space()


def parent(mu: float = 0.2, rates: tuple[tuple[str, float], ...] = ()) -> Genome:
    return replace(seed_genome(SPACE.seeds[1], SPACE, FACTS).with_values({MU: mu}), rates=rates)


@pytest.mark.parametrize("mu", [0.1, 0.3])
def test_with_one_probability_each_mutation_happens_that_often(mu: float, rng: np.random.Generator) -> None:
    decide = evenly(mu, rng)
    happened = sum(decide(name) for name in ("head", "clone:3") * 2000)
    assert chisquare([happened, 4000 - happened], [4000 * mu, 4000 * (1 - mu)]).pvalue > 0.001


def test_a_learned_probability_starts_from_mu_and_steps_one_place_with_probability_mu(
    rng: np.random.Generator,
) -> None:
    found: Counter[float] = Counter()
    for _ in range(4000):
        learned = Learned(parent(0.2), rng)
        learned("head")
        found[dict(learned.stored)["head"]] += 1
    assert set(found) == {0.18, 0.2, 0.22}
    assert chisquare([found[0.18], found[0.2], found[0.22]], [400, 3200, 400]).pvalue > 0.001


@pytest.mark.parametrize("rate", [0.02, 0.16, 0.30])
def test_a_learned_probability_decides_as_often_as_it_says(rate: float, rng: np.random.Generator) -> None:
    """Without steps, for mu is 0."""
    start = parent(0.0, (("head", rate),))
    happened = sum(Learned(start, rng)("head") for _ in range(4000))
    assert chisquare([happened, 4000 - happened], [4000 * rate, 4000 * (1 - rate)]).pvalue > 0.001


def test_a_probability_that_stepped_decides_already_with_its_new_value() -> None:
    """With mu 1 the stored 0.16 always steps, and of equal draws those decide for it that lie below the new one."""
    start = parent(1.0, (("head", 0.16),))
    for seed in range(300):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        learned = Learned(start, rng)
        happened = learned("head")
        same.random()  # whether it steps
        same.random()  # up or down
        stepped = dict(learned.stored)["head"]
        assert stepped in (0.14, 0.18)
        assert happened == (same.random() < stepped)


def test_a_learned_probability_never_leaves_its_list_and_at_an_end_stays_half_of_the_time(
    rng: np.random.Generator,
) -> None:
    assert LEARNED.values == (
        0.02,
        0.04,
        0.06,
        0.08,
        0.1,
        0.12,
        0.14,
        0.16,
        0.18,
        0.2,
        0.22,
        0.24,
        0.26,
        0.28,
        0.3,
    )
    kept = 0
    for _ in range(2000):
        learned = Learned(parent(1.0, (("head", 0.30),)), rng)
        learned("head")
        assert dict(learned.stored)["head"] in (0.28, 0.30)
        kept += dict(learned.stored)["head"] == 0.30
    assert chisquare([kept, 2000 - kept]).pvalue > 0.001


def test_children_inherit_learned_probabilities_and_their_parents_keep_theirs(
    rng: np.random.Generator,
) -> None:
    start = parent(0.2, (("clone:77", 0.06), ("head", 0.30)))
    child = mutate(start, SPACE, FACTS, rng)
    assert start.rates == (("clone:77", 0.06), ("head", 0.30))
    rates = dict(child.rates)
    assert rates["clone:77"] == 0.06  # nothing was decided by that name
    assert rates["head"] in (0.28, 0.30)
    names = {name.partition(":")[0] for name in rates}
    assert names >= {"step", "head", "taps", "depth"}
    assert all(rate in LEARNED.values for rate in rates.values())
    assert restore(Genome, plain(child)) == child


def test_every_named_mutation_has_a_probability_once_it_was_decided(rng: np.random.Generator) -> None:
    names: set[str] = set()
    for _ in range(200):
        names |= set(dict(mutate(a_genome(SPACE, FACTS, rng), SPACE, FACTS, rng).rates))
    stages = range(FACTS.num_stages)
    assert names == {
        *("head", "taps", "depth", "boundary"),
        *(f"step:{name}" for name in ("learning_rate", "epochs", "norm", "nesterov", "adapter_width")),
        *(f"clone:{i}" for i in stages),
        *(f"insert:{i}" for i in FACTS.group_ends),
    }


def test_learned_probabilities_leave_mu_itself_alone_and_shared_ones_keep_none(
    rng: np.random.Generator,
) -> None:
    for _ in range(200):
        start = parent(0.2)
        assert mutate(start, SPACE, FACTS, rng)[MU] == 0.2
        assert mutate(start, SHARED, FACTS, rng).rates == ()
