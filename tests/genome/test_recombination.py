"""Two routes joined at a cut: what comes from whom, what stays frozen, and that the child is legal."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from evo_mtl.files import digest
from evo_mtl.genome.genome import Genome, HeadGene, TapGene, as_founder, illegality, settle
from evo_mtl.genome.mutation import legal_taps
from evo_mtl.genome.recombination import cuts, recombine
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.testing.genomes import a_genome, a_space, trunk_facts

SPACE, FACTS = a_space(), trunk_facts()
NO_COPIES = a_space(stages={"boundaries": [0, 2, 4], "depths": [3, 5, 6, 8], "clone": False})


def trained(genome: Genome, name: str) -> Genome:
    """As after training: every open part and the head have weights of their own."""
    slots = [f"stage:{i}" for i, gene in enumerate(genome.stages) if gene.open]
    slots += [f"adapter:{gene.stage}" for gene in genome.adapters]
    return settle(genome, {slot: digest(f"{name} {slot}".encode()) for slot in [*slots, "head"]})


def pair(space, rng: np.random.Generator) -> tuple[Genome, Genome]:
    """Two members, or a member and a founder in either place."""
    one, other = (trained(a_genome(space, FACTS, rng), f"{name} {rng.integers(1 << 30)}") for name in "ab")
    kind = rng.integers(3)
    return (as_founder(one) if kind == 1 else one), (as_founder(other) if kind == 2 else other)


def tuned(name: str, depth: int, open_from: int) -> Genome:
    seed = SPACE.seeds[1].model_copy(update={"depth": depth, "open_from": open_from})
    return trained(seed_genome(seed, SPACE, FACTS), name)


@pytest.mark.parametrize("space", [SPACE, NO_COPIES], ids=["copies", "no copies"])
def test_every_child_is_legal_and_its_parents_stay_as_they_were(space, rng: np.random.Generator) -> None:
    joined = 0
    for _ in range(400):
        below, above = pair(space, rng)
        before = copy.deepcopy((below, above))
        child = recombine(below, above, space, FACTS, rng)
        assert (below, above) == before
        if child is not None:
            joined += 1
            assert illegality(child) is None
            assert child.depth == above.depth
            assert set(dict(child.hyperparameters)) == set(dict(above.hyperparameters))
    assert joined > 150


def test_each_stage_adapter_and_tap_comes_from_below_the_cut_or_from_above_it(
    rng: np.random.Generator,
) -> None:
    for _ in range(300):
        below, above = pair(SPACE, rng)
        child = recombine(below, above, SPACE, FACTS, rng)
        if child is None:
            continue
        components = [gene.component for gene in child.stages]
        fits = [
            cut
            for cut in cuts(below, above)
            if components == [g.component for g in (*below.stages[:cut], *above.stages[cut:])]
            and child.adapters
            == tuple(
                [g for g in below.adapters if g.stage < cut] + [g for g in above.adapters if g.stage >= cut]
            )
            and {tap for tap in child.taps if tap.stage >= cut} == {t for t in above.taps if t.stage >= cut}
            and {tap for tap in child.taps if tap.stage < cut} <= set(below.taps)
        ]
        assert fits
        gone = set(below.taps) - set(child.taps)
        assert all(tap.stage >= fits[0] or tap.stage == below.depth - 1 for tap in gone)


def test_cuts_are_those_that_give_a_line_neither_parent_has_and_are_drawn_evenly() -> None:
    below, above = tuned("a", 6, 3), tuned("b", 8, 5)
    # up to 3 the root's stages lie below the cut in both: the child would be `above`
    assert cuts(below, above) == (4, 5, 6)
    assert cuts(below, below) == cuts(as_founder(below), below) == ()
    assert recombine(below, below, SPACE, FACTS, np.random.default_rng(0)) is None
    found: Counter[int] = Counter()
    for seed in range(900):
        child = recombine(below, above, SPACE, FACTS, np.random.default_rng(seed))
        assert child is not None
        own = {gene.component for gene in below.stages[3:]}
        found[3 + sum(gene.component in own for gene in child.stages)] += 1
    assert set(found) == {4, 5, 6}
    assert chisquare(list(found.values())).pvalue > 0.001


def test_what_a_founder_gives_stays_frozen_where_single_stages_are_copied(rng: np.random.Generator) -> None:
    for _ in range(300):
        below, above = pair(SPACE, rng)
        child = recombine(below, above, SPACE, FACTS, rng)
        if child is None:
            continue
        own = {g.component for one in (below, above) for g in (*one.stages, *one.adapters) if g.open}
        assert all(g.component in own for g in (*child.stages, *child.adapters) if g.open)


def test_where_the_boundary_opens_whole_runs_all_behind_it_is_open_and_nothing_before_it(
    rng: np.random.Generator,
) -> None:
    for _ in range(300):
        child = recombine(*pair(NO_COPIES, rng), NO_COPIES, FACTS, rng)
        if child is not None:
            assert [gene.open for gene in child.stages] == [i >= child.boundary for i in range(child.depth)]


def test_the_boundary_is_that_of_the_lower_part_where_it_lies_there_and_else_of_the_upper() -> None:
    low, high = tuned("a", 8, 3), tuned("b", 8, 6)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        child = recombine(low, high, SPACE, FACTS, rng)
        assert child is not None
        assert child.boundary == 3
        founder = recombine(as_founder(low), high, SPACE, FACTS, rng)
        assert founder is not None
        assert founder.boundary == max(6, min(i for i, gene in enumerate(founder.stages) if gene.open))


def test_hyperparameters_and_learned_probabilities_come_from_either_evenly(rng: np.random.Generator) -> None:
    below = replace(tuned("a", 8, 3).with_values({"epochs": 1}), rates=(("depth", 0.02), ("head", 0.04)))
    above = replace(tuned("b", 8, 6).with_values({"epochs": 3}), rates=(("head", 0.30), ("taps", 0.28)))
    children = [recombine(below, above, SPACE, FACTS, rng) for _ in range(600)]
    for value in (
        lambda one: one["epochs"] == 1,
        lambda one: dict(one.rates)["head"] == 0.04,
    ):
        share = sum(map(value, children))
        assert chisquare([share, 600 - share]).pvalue > 0.001
    assert all(dict(one.rates).keys() == {"depth", "head", "taps"} for one in children if one)
    assert all(dict(one.rates)["depth"] == 0.02 for one in children if one)


def test_the_head_is_new_and_of_the_upper_parents_kind(rng: np.random.Generator) -> None:
    kinds = set()
    for _ in range(200):
        below, above = pair(SPACE, rng)
        child = recombine(below, above, SPACE, FACTS, rng)
        if child is not None:
            assert child.head == HeadGene(above.head.kind)
            kinds.add(child.head.kind)
    assert kinds == set(SPACE.heads)


def test_a_tap_on_the_lower_parents_old_end_is_given_up_where_the_space_allows_it_at_ends_only() -> None:
    below, above = tuned("a", 5, 3), tuned("b", 8, 6)
    assert below.taps == (TapGene(4),)
    assert TapGene(4) not in legal_taps(SPACE, FACTS, 8)
    for seed in range(40):
        child = recombine(below, above, SPACE, FACTS, np.random.default_rng(seed))
        assert child is not None
        assert child.taps == above.taps
