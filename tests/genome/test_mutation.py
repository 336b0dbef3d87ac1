"""Mutations as functions: children are legal, parents stay as they were, every neighbour is reached."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.genome.genome import Genome, HeadGene, TapGene, as_founder, illegality
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.genome.mutation import (
    clone_final_norm,
    clone_stages,
    insert_adapters,
    legal_taps,
    move_boundary,
    mutate,
    step_data,
    step_depth,
    step_hyperparameters,
    step_mu,
    swap_head,
    toggle_tap,
    with_boundary,
    with_depth,
)
from evo_mtl.genome.rates import MU, evenly, step
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import OrderedList
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.testing.genomes import a_genome, a_space, trunk_facts

SPACE, FACTS = a_space(), trunk_facts()
SPACES = {
    "everything": SPACE,
    "final norm forced": a_space(stages={"boundaries": [0, 4], "depths": [5, 6, 8], "final_norm": "forced"}),
    "no copies": a_space(stages={"boundaries": [2, 4], "depths": [3, 6, 8], "clone": False}),
    "last taps": a_space(taps={"stages": "last", "grids": [1]}),
    "all taps": a_space(taps={"stages": "all", "grids": [1, 2]}, adapters={"stages": "all"}),
}


def linear() -> Genome:
    """The seed of six stages, open from stage 4 on, every stage of its own already trained."""
    return seed_genome(SPACE.seeds[1], SPACE, FACTS)


@pytest.mark.parametrize("name", SPACES)
def test_every_mutation_gives_a_legal_child_and_leaves_its_parent_as_it_was(
    name: str, rng: np.random.Generator
) -> None:
    space = SPACES[name]
    allowed = range(FACTS.num_stages) if space.adapters.stages == "all" else FACTS.group_ends
    for _ in range(150):
        parent = a_genome(space, FACTS, rng)
        if rng.random() < 0.3:
            parent = as_founder(parent)
        before = copy.deepcopy(parent)
        child = mutate(parent, space, FACTS, rng)
        assert parent == before
        assert illegality(child) is None
        assert child.depth in (space.stages.depths or (8,))
        assert child.head.kind in space.heads
        assert {gene.stage for gene in child.adapters} <= set(allowed)
        for key, listed in space.hyperparameters.items():
            assert child[key] in listed.values


@pytest.mark.parametrize("name", SPACES)
def test_a_mutation_adds_no_tap_that_the_space_forbids(name: str, rng: np.random.Generator) -> None:
    space = SPACES[name]
    legal_seeds = {tap for seed in space.seeds for tap in seed_genome(seed, space, FACTS).taps}
    for _ in range(150):
        genome = a_genome(space, FACTS, rng, mutations=8)
        inner = {tap for tap in genome.taps if tap.stage != genome.depth - 1}
        assert inner <= set(legal_taps(space, FACTS, genome.depth)) | legal_seeds


@pytest.mark.parametrize("name", SPACES)
def test_nothing_shared_by_a_founder_is_opened_in_place(name: str, rng: np.random.Generator) -> None:
    """What is open below the founder's boundary would train a component that others use."""
    for _ in range(100):
        founder = as_founder(a_genome(SPACES[name], FACTS, rng))
        child = mutate(founder, SPACES[name], FACTS, rng)
        assert not any(gene.open for gene in child.stages[: child.boundary])
        if not child.head.trained:
            assert not any(gene.open for gene in (*child.stages, *child.adapters))


def test_a_step_stays_in_its_list_and_moves_one_place_at_most(rng: np.random.Generator) -> None:
    listed = OrderedList(values=(1, 2, 4, 8), default=1)
    for value in listed.values:
        reached = {step(listed, value, rng) for _ in range(60)}
        place = listed.index(value)
        neighbours = {listed.values[i] for i in (place - 1, place + 1) if 0 <= i < 4}
        assert reached == neighbours | ({value} if len(neighbours) == 1 else set())


@pytest.mark.parametrize("end", [1, 8])
def test_a_step_at_an_end_is_a_no_op_half_of_the_time(end: int, rng: np.random.Generator) -> None:
    listed = OrderedList(values=(1, 2, 4, 8), default=1)
    kept = sum(step(listed, end, rng) == end for _ in range(2000))
    assert abs(kept - 1000) < 4 * np.sqrt(500)


def test_a_value_that_is_not_listed_steps_from_its_nearest_neighbour(rng: np.random.Generator) -> None:
    listed = OrderedList(values=(1, 2, 4, 8), default=1)
    assert {step(listed, 7, rng) for _ in range(50)} == {4, 8}


def test_true_and_one_are_different_values() -> None:
    assert OrderedList(values=(False, True), default=True).index(True) == 1
    with pytest.raises(ValueError, match="not among the values"):
        OrderedList(values=(0, 1), default=True)


def test_mu_mutates_before_the_other_hyperparameters_and_acts_at_once() -> None:
    space = a_space(
        hyperparameters={
            MU: {"values": [0.0, 1.0], "default": 1.0},
            "epochs": {"values": [1, 2], "default": 1},
            "adapter_width": {"values": [8, 16], "default": 8},
        }
    )
    genome = seed_genome(space.seeds[1], space, FACTS)
    seen = set()
    for seed in range(200):
        child = mutate(genome, space, FACTS, np.random.default_rng(seed))
        seen.add((child[MU], child["epochs"] != 1 or child["adapter_width"] != 8))
    assert (0.0, True) not in seen  # mu fell to 0 first: nothing behind it moved
    assert {(0.0, False), (1.0, True)} <= seen


def test_mu_steps_with_probability_mu_and_not_where_the_space_does_not_list_it(
    rng: np.random.Generator,
) -> None:
    space = a_space(hyperparameters={MU: {"values": [0.2, 0.3, 0.4], "default": 0.3}})
    genome = seed_genome(space.seeds[1], space, FACTS)
    steps = sum(step_mu(genome, space, rng)[MU] != 0.3 for _ in range(2000))
    assert abs(steps - 600) < 4 * np.sqrt(2000 * 0.3 * 0.7)
    unlisted = a_space(hyperparameters={})
    assert all(step_mu(genome, unlisted, rng) == genome for _ in range(50))


def test_hyperparameters_step_with_probability_mu(rng: np.random.Generator) -> None:
    space = a_space(
        hyperparameters={
            MU: {"values": [0.3], "default": 0.3},
            "epochs": {"values": [1, 2, 3], "default": 2},
        }
    )
    genome = seed_genome(space.seeds[1], space, FACTS)
    decide = evenly(0.3, rng)
    steps = sum(
        step_hyperparameters(genome, space, ["epochs"], decide, rng)["epochs"] != 2 for _ in range(2000)
    )
    assert abs(steps - 600) < 4 * np.sqrt(2000 * 0.3 * 0.7)


def test_data_hyperparameters_are_drawn_apart_and_never_by_a_child(rng: np.random.Generator) -> None:
    genome = linear()
    drawn = [step_data(genome, SPACE, rng) for _ in range(100)]
    assert {frozenset(d) for d in drawn} == {frozenset(DATA_HYPERPARAMETERS)}
    assert {d["image_size"] for d in drawn} == {32, 48, 64}
    for _ in range(100):
        child = mutate(genome, SPACE, FACTS, rng)
        assert all(child[name] == genome[name] for name in DATA_HYPERPARAMETERS)


def test_a_strength_of_rand_augment_is_drawn_where_the_space_lists_it() -> None:
    listed = {"mutation_probability": {"values": [0.3], "default": 0.3}}
    listed["rand_augment"] = {"values": [0.0, 0.1, 0.3], "default": 0.1}
    space = a_space(hyperparameters=listed)
    genome = seed_genome(space.seeds[1], space, FACTS)
    drawn = {step_data(genome, space, np.random.default_rng(i))["rand_augment"] for i in range(100)}
    assert drawn == {0.0, 0.1, 0.3}


def reached(mutation, tries: int = 300) -> set[Genome]:
    return {mutation(np.random.default_rng(seed)) for seed in range(tries)}


def test_swapping_the_head_reaches_every_other_kind_and_only_those() -> None:
    genome = replace(linear(), head=HeadGene("linear", "a" * 64))
    heads = {child.head for child in reached(lambda rng: swap_head(genome, SPACE, rng))}
    assert heads == {HeadGene(kind) for kind in SPACE.heads if kind != "linear"}


def test_depth_reaches_both_neighbours_and_grown_stages_are_the_roots() -> None:
    genome = linear()
    children = reached(lambda rng: step_depth(genome, SPACE, FACTS, rng))
    assert {child.depth for child in children} == {5, 8}
    grown = next(child for child in children if child.depth == 8)
    assert [gene.component for gene in grown.stages[6:]] == list(FACTS.components[6:])
    assert not any(gene.open for gene in grown.stages[6:])


def test_a_route_whose_depth_changes_reads_its_new_end_and_no_longer_an_old_end_inside_a_group() -> None:
    genome = with_depth(linear(), 5, SPACE, FACTS)
    assert genome.taps == (TapGene(4),)
    assert with_depth(genome, 8, SPACE, FACTS).taps == (TapGene(7),)
    group_end = replace(linear(), stages=linear().stages[:4], boundary=4, taps=(TapGene(3, 2),))
    assert with_depth(group_end, 8, SPACE, FACTS).taps == (TapGene(3, 2), TapGene(7))
    assert with_depth(group_end, 8, SPACES["last taps"], FACTS).taps == (TapGene(7),)


def test_the_boundary_reaches_both_neighbours() -> None:
    genome = with_boundary(linear(), 2, SPACE, FACTS)
    assert {child.boundary for child in reached(lambda rng: move_boundary(genome, SPACE, FACTS, rng))} == {
        0,
        4,
    }


def test_without_clones_a_moved_boundary_opens_what_it_uncovers_and_shares_the_root_where_it_covers() -> None:
    space, genome = a_space(stages={"boundaries": [0, 2, 4], "clone": False}), linear()
    lower = with_boundary(genome, 2, space, FACTS)
    assert [gene.open for gene in lower.stages] == [False, False, True, True, True, True]
    trained = replace(lower, stages=tuple(replace(g, component="e" * 64) for g in lower.stages))
    higher = with_boundary(trained, 4, space, FACTS)
    assert [gene.open for gene in higher.stages] == [False] * 4 + [True] * 2
    assert [g.component for g in higher.stages[2:4]] == list(FACTS.components[2:4])
    assert [g.component for g in higher.stages[4:]] == ["e" * 64] * 2


def test_with_clones_a_moved_boundary_opens_nothing_by_itself() -> None:
    genome = linear()
    assert with_boundary(genome, 2, SPACE, FACTS).stages == genome.stages


def test_children_of_a_founder_reach_every_stage_behind_the_lowest_boundary() -> None:
    for space in (SPACE, a_space(stages={"boundaries": [0, 2, 4], "clone": False})):
        opened: set[int] = set()
        frontier = [as_founder(linear())]
        rng = np.random.default_rng(0)
        for _ in range(400):
            child = mutate(frontier[rng.integers(len(frontier))], space, FACTS, rng)
            if child.head.trained and child.depth == 6:
                opened |= {i for i, gene in enumerate(child.stages) if gene.open}
                frontier.append(child)
        assert opened == set(range(6))


def test_copying_stages_reaches_every_set_of_stages_behind_the_boundary_and_closes_none() -> None:
    genome = replace(as_founder(linear()), boundary=3)
    sets = {
        tuple(gene.open for gene in child.stages)
        for child in reached(lambda rng: clone_stages(genome, evenly(0.5, rng)))
    }
    assert sets == {
        (False, False, False, a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)
    }


def test_a_forced_final_norm_opens_the_stage_that_holds_it_whatever_the_boundary(
    rng: np.random.Generator,
) -> None:
    space = SPACES["final norm forced"]
    for _ in range(200):
        child = mutate(as_founder(a_genome(space, FACTS, rng)), space, FACTS, rng)
        if child.head.trained:
            assert child.stages[min(FACTS.final_norm, child.depth - 1)].open
    assert clone_final_norm(as_founder(linear()), FACTS).stages[5].open


def test_adapters_reach_every_allowed_stage_from_the_one_before_the_boundary_on() -> None:
    genome = replace(linear(), boundary=4)
    children = reached(lambda rng: insert_adapters(genome, SPACE, FACTS, evenly(0.5, rng), rng))
    assert {tuple(gene.stage for gene in child.adapters) for child in children} == {(), (3,)}
    drawn = np.random.default_rng(0)
    always = evenly(1.0, drawn)
    everywhere = insert_adapters(genome, SPACES["all taps"], FACTS, always, drawn)
    assert [gene.stage for gene in everywhere.adapters] == [3, 4, 5]
    assert {(gene.settings, gene.component, gene.open) for gene in everywhere.adapters} == {
        ((("width", 8),), None, True)
    }
    again = insert_adapters(everywhere, SPACES["all taps"], FACTS, always, drawn)
    assert again == everywhere


def test_toggling_reaches_every_legal_tap_and_makes_the_head_new() -> None:
    genome = replace(linear(), head=HeadGene("linear", "a" * 64))
    children = reached(lambda rng: toggle_tap(genome, SPACE, FACTS, rng))
    added = {tap for child in children for tap in set(child.taps) - set(genome.taps)}
    assert added == set(legal_taps(SPACE, FACTS, 6)) - set(genome.taps)
    for child in children:
        assert child == genome or child.head == HeadGene("linear")
        assert illegality(child) is None


def test_a_child_with_an_unchanged_input_inherits_its_linear_head_and_a_solved_one_never(
    rng: np.random.Generator,
) -> None:
    trained = replace(linear(), head=HeadGene("linear", "a" * 64))
    solved = replace(linear(), head=HeadGene("ridge", "a" * 64))
    inherited = 0
    for _ in range(200):
        child = mutate(trained, SPACE, FACTS, rng)
        same_input = child.taps == trained.taps and child.depth == trained.depth
        if child.head.component:
            assert same_input
            assert child.head == trained.head
            inherited += 1
        assert mutate(solved, SPACE, FACTS, rng).head.component is None
    assert inherited > 20


def test_mutation_reaches_every_part_of_a_genome(rng: np.random.Generator) -> None:
    genome = linear()
    seen = set()
    for _ in range(300):
        child = mutate(genome, SPACE, FACTS, rng)
        for part in ("boundary", "stages", "adapters", "taps", "head", "hyperparameters"):
            if getattr(child, part) != getattr(genome, part):
                seen.add(part)
    assert seen == {"boundary", "stages", "adapters", "taps", "head", "hyperparameters"}


def test_equal_draws_make_equal_children() -> None:
    def child(space: SearchSpace, facts: TrunkFacts) -> Genome:
        return mutate(linear(), space, facts, np.random.default_rng(5))

    assert child(SPACE, FACTS) == child(a_space(), trunk_facts())
