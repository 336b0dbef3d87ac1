"""A task's turn: ask and tell, replay, budgets, and the algorithms' permanence.

A change that alters what an algorithm proposes is made on purpose or not at all. The goldens are renewed by
``python -m tests.evolution.test_turn`` from the project's folder, and the change is noted.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from scipy.stats import chisquare

from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation, OfTask, OfTurn
from evo_mtl.evolution.outcome import Notes, failed
from evo_mtl.evolution.population import Founder, Population
from evo_mtl.evolution.turn import Turn, World, seed_candidates
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.genome import as_founder, essence
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.plain import plain
from evo_mtl.testing.genomes import a_space, a_world, played, told, trunk_facts

GOLDENS = {
    "mu2net": "15fb0ed5f0e2aa728f49eab31778b41f61f0cd9cc52f21bbdf7cf0c258911b41",
    "mu2net_plus": "374aeb958d8efbbaf4ac8029f527aea3063fccfa20495709a4f17a6ca747029d",
    "regularized_evolution": "902b1736f318a513290894f252c4e77d669a60ebdfc848db37c8c21c1852fe8f",
    "nsga2": "09fb9d32ba666fb2921cb1d25c60a968ae5dd9ac9f78737529afc418796d670f",
    "random": "702cb8e12430c4032559bbe7c721e8a793622b88cabc61a9b9516601a2b94f4d",
}

BY_PARENTS = ("mu2net", "mu2net_plus", "regularized_evolution", "nsga2")
"""The algorithms whose children have parents."""


def founders() -> tuple[Founder, ...]:
    space, facts = a_space(), trunk_facts()
    return tuple(Founder(seed.name, as_founder(seed_genome(seed, space, facts))) for seed in space.seeds)


def thirty(algorithm: str) -> list[Candidate]:
    world = a_world(a_space(budget={"generations": 20, "children": 4}), founders(), seed=7)
    return [one.candidate for one in played(world, algorithm, 30)[1]][:30]


def golden(algorithm: str) -> str:
    return digest(canonical_json([plain(candidate) for candidate in thirty(algorithm)]))


@pytest.mark.parametrize("algorithm", sorted({*algorithms} - {"tpe"}))  # what that draws is Optuna's matter
def test_thirty_proposals_are_what_they_have_always_been(algorithm: str) -> None:
    assert golden(algorithm) == GOLDENS[algorithm]


@pytest.mark.parametrize("algorithm", list(algorithms))
def test_telling_the_committed_generations_brings_a_turn_to_the_same_state(algorithm: str) -> None:
    world = a_world(a_space(), founders())
    whole, everything = played(world, algorithm)
    for generations in range(whole.generation + 1):
        again = Turn(world, algorithms.get(algorithm))
        for number in range(generations):
            again.tell(e for e in everything if e.candidate.generation == number)
        expected = tuple(e.candidate for e in everything if e.candidate.generation == generations)
        assert again.ask() == expected
    assert again.population == whole.population


def test_where_no_seed_candidate_fits_the_cheapest_alone_is_tried() -> None:
    world = a_world(a_space(budget={"generations": 3, "children": 2, "images": 1}))
    turn, everything = played(world, "mu2net")
    assert [str(one.candidate.origin) for one in everything] == ["depth_ridge"]
    assert turn.ask() == ()


def test_a_seed_candidate_that_fits_is_tried_rather_than_a_cheaper_one_that_does_not() -> None:
    seeds = [
        {"name": "many images, little work", "depth": 3, "head": "linear", "values": {"epochs": 2}},
        {"name": "few images, much work", "depth": 8, "head": "ridge"},
    ]
    world = a_world(a_space(seeds=seeds, budget={"generations": 0, "images": 150}))
    few, much = (world.costs.cost(one.genome) for one in seed_candidates(world))
    assert few.images > 150 >= much.images
    assert few.multiply_adds < much.multiply_adds
    assert [str(one.origin) for one in Turn(world, algorithms.get("mu2net")).ask()] == [
        "few images, much work"
    ]


def test_random_search_does_not_look_at_the_population() -> None:
    world = a_world(a_space(), founders())
    proposals = algorithms.get("random")(world, Population(), 3)
    whole = played(world, "random")[0].population
    assert algorithms.get("random")(world, whole, 3) == proposals
    assert {one.parent for one in proposals} == {None}


@pytest.mark.parametrize("algorithm", BY_PARENTS)
def test_children_of_a_generation_share_its_data_hyperparameters(algorithm: str) -> None:
    space = a_space(budget={"generations": 10, "children": 4})
    everything = played(a_world(space), algorithm)[1]
    sizes: dict[int, set] = {}
    for one in everything[2:]:
        genome = one.candidate.genome
        sizes.setdefault(one.candidate.generation, set()).add((genome["image_size"], genome["views"]))
    assert all(len(found) == 1 for found in sizes.values())
    assert len(set().union(*sizes.values())) > 1


@pytest.mark.parametrize("algorithm", ["mu2net", "mu2net_plus"])
def test_every_parent_of_a_child_is_a_member_or_a_founder(algorithm: str) -> None:
    world = a_world(a_space(budget={"generations": 10, "children": 4}), founders())
    everything = played(world, algorithm)[1]
    parents = set()
    for one in everything[2:]:
        parent = one.candidate.parent
        parents.add(type(parent))
        known = {e.candidate.id for e in everything if e.candidate.generation < one.candidate.generation}
        admitted = {e.candidate.id for e in everything if e.admitted}
        assert parent in known & admitted | {founder.id for founder in world.founders}
    assert parents == {OfTask, OfTurn}


@pytest.mark.parametrize("algorithm", BY_PARENTS)
def test_no_solved_head_is_tried_twice_while_others_are_left(algorithm: str) -> None:
    space = a_space(budget={"generations": 8, "children": 4})
    everything = played(a_world(space), algorithm)[1]
    solved = [essence(e.candidate.genome) for e in everything if not e.candidate.genome.head.trained]
    assert len(solved) > 5
    assert len(set(solved)) == len(solved)


def many_founders(number: int) -> tuple[Founder, ...]:
    return tuple(Founder(f"t{i}", founders()[1].genome) for i in range(number))


def test_mu2net_offers_other_routes_in_one_shuffled_order_that_turns_by_one_with_each_child() -> None:
    """Where all fail, each child takes the first route that it is offered: none has a child yet."""
    world = a_world(a_space(budget={"generations": 30, "children": 3}), many_founders(20))
    mu2net = algorithms.get("mu2net")
    taken = [one.parent for number in range(1, 21) for one in mu2net(world, Population(), number)]
    order = taken[:20]
    assert set(order) == {founder.id for founder in world.founders}
    assert taken == order * 3
    assert order != sorted(order)
    elsewhere = [one.parent for one in mu2net(replace(world, task="there"), Population(), 1)]
    assert elsewhere != taken[:3]


def test_mu2net_plus_goes_from_its_own_population_straight_to_all_of_both() -> None:
    """Where no member is left to take, members and founders are drawn evenly."""
    seeds = [{"name": name, "depth": depth, "open_from": 4} for name, depth in (("tune", 6), ("whole", 7))]
    budget = {"generations": 1, "children": 600}
    world = a_world(a_space(seeds=seeds, heads=["linear"], budget=budget), many_founders(2))
    turn = Turn(world, algorithms.get("mu2net_plus"))
    turn.tell(told(world, candidate) for candidate in turn.ask())
    assert all(one.admitted for one in turn.population.evaluations)
    found = Counter(one.parent for one in turn.ask())
    assert set(found) == {OfTurn(0, 0), OfTurn(0, 1), OfTask("t0"), OfTask("t1")}
    assert chisquare(list(found.values())).pvalue > 0.001


def test_regularized_evolution_draws_from_the_newest_alone_admitted_or_not() -> None:
    parents = {"tournament": 2, "alive": 5}
    space = a_space(parents=parents, budget={"generations": 12, "children": 4})
    everything = played(a_world(space, founders()), "regularized_evolution")[1]
    finite = [one for one in everything if one.ok]
    refused = {one.candidate.id for one in finite if not one.admitted}
    taken = set()
    for number in range(1, 13):
        alive = [one.candidate.id for one in finite if one.candidate.generation < number][-5:]
        found = {one.candidate.parent for one in everything if one.candidate.generation == number}
        assert found <= set(alive)
        taken |= found
    assert taken & refused


def failing(world: World, candidate: Candidate) -> Evaluation:
    one = told(world, candidate)
    return Evaluation(candidate, failed("all do"), 0.0, -math.inf, (), {}, one.cost, False, Notes())


@pytest.mark.parametrize("algorithm", BY_PARENTS)
@pytest.mark.parametrize(("known", "goes_on"), [((), False), (founders(), True)])
def test_a_turn_whose_seed_candidates_all_fail_goes_on_only_from_other_tasks_routes(
    algorithm: str, known: tuple[Founder, ...], goes_on: bool
) -> None:
    world = a_world(a_space(), known)
    turn = Turn(world, algorithms.get(algorithm))
    turn.tell(failing(world, candidate) for candidate in turn.ask())
    assert bool(turn.ask()) == goes_on
    assert turn.population.best is None


if __name__ == "__main__":
    from pathlib import Path

    path = Path(__file__)
    text = path.read_text()
    for name, old in GOLDENS.items():
        text = text.replace(old, golden(name))
    path.write_text(text)
