"""What holds for the children of every algorithm: what they may train, who their parents are, what is joined."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from scipy.stats import chisquare

from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import CHILD, JOINED, Evaluation
from evo_mtl.evolution.population import Founder, settled
from evo_mtl.evolution.turn import World
from evo_mtl.genome.genome import as_founder, illegality
from evo_mtl.testing.genomes import a_space, a_world, played

BY_PARENTS = ["mu2net", "mu2net_plus", "regularized_evolution", "nsga2"]
GENERATIONS = {"tpe": 12}  # what it knows of earlier ones is slow to weigh, and it has no parents


@cache
def archived(num_tasks: int = 4) -> tuple[Founder, ...]:
    """Routes of other tasks with own stages and adapters, each found by a search that could use the ones before."""
    founders: tuple[Founder, ...] = ()
    for i in range(num_tasks):
        space = a_space(mutation={"recombination": 0.3}, budget={"generations": 8, "children": 4})
        world = replace(a_world(space, founders, seed=i), task=f"t{i}")
        members = [one for one in played(world, "mu2net")[0].population.members if opens(one)]
        route = settled(members[0])
        founders = (*founders, Founder(f"t{i}", as_founder(unique(route, f"t{i}"))))
    return founders


def unique(genome, task: str):
    """Its own components under names that no other task uses."""
    stages = (replace(g, component=f"{task} {g.component}") if g.open else g for g in genome.stages)
    adapters = (replace(g, component=f"{task} {g.component}") if g.open else g for g in genome.adapters)
    return replace(genome, stages=tuple(stages), adapters=tuple(adapters))


def opens(one: Evaluation) -> bool:
    genome = one.candidate.genome
    return genome.head.trained and any(gene.open for gene in (*genome.stages, *genome.adapters))


@cache
def search(
    algorithm: str, recombination: float = 0.0, rates: str = "shared"
) -> tuple[World, tuple[Evaluation, ...]]:
    budget = {"generations": GENERATIONS.get(algorithm, 24), "children": 10}
    space = a_space(mutation={"recombination": recombination, "rates": rates}, budget=budget)
    world = a_world(space, archived(), seed=3)
    return world, played(world, algorithm)[1]


@pytest.mark.parametrize("mutation", [(), (0.5, "learned")], ids=["plain", "joined"])
@pytest.mark.parametrize("algorithm", list(algorithms))
def test_nothing_that_another_route_uses_is_ever_trained(algorithm: str, mutation: tuple) -> None:
    """What training writes has a name of its own, in every slot that is trained; so nobody's weights change."""
    world, everything = search(algorithm, *mutation)
    genomes = [founder.genome for founder in world.founders]
    locked = {gene.component for genome in genomes for gene in (*genome.stages, *genome.adapters)}
    locked |= set(world.facts.components)
    own: set[str] = set()
    trained = 0
    for one in everything:
        genome = one.candidate.genome
        assert illegality(genome) is None
        assert genome.head.component is None or genome.head.component in own
        assert all(gene.component in own for gene in genome.adapters if gene.open and gene.component)
        assert not any(gene.open for gene in genome.stages[: genome.boundary])
        if one.ok:
            after = settled(one)
            own |= set(one.trained.values())
            if genome.head.trained:
                written = [gene.component for gene in (*after.stages, *after.adapters) if gene.open]
                assert locked.isdisjoint(written)
                trained += len(written)
    assert len(everything) > 8 * world.space.budget.generations
    assert trained > 2 * world.space.budget.generations


@pytest.mark.parametrize("algorithm", BY_PARENTS)
def test_as_many_children_are_joined_as_the_space_says_where_there_is_always_a_pair(algorithm: str) -> None:
    _, everything = search(algorithm, recombination=0.3)
    children = [one.candidate for one in everything if one.candidate.generation > 3]
    joined = [one for one in children if one.mate is not None]
    assert {one.origin for one in joined} == {JOINED}
    assert {one.origin for one in children if one.mate is None} == {CHILD}
    if algorithm.startswith("mu2net"):  # they can always take a founder beside a member
        expected = [0.3 * len(children), 0.7 * len(children)]
        assert chisquare([len(joined), len(children) - len(joined)], expected).pvalue > 0.001
    else:
        assert 0 < len(joined) < 0.45 * len(children)


@pytest.mark.parametrize("algorithm", BY_PARENTS)
def test_of_two_parents_one_at_least_is_of_this_task_and_they_differ(algorithm: str) -> None:
    world, everything = search(algorithm, 0.5, "learned")
    ids = {one.candidate.id for one in everything}
    known = ids | {founder.id for founder in world.founders}
    joined = [one.candidate for one in everything if one.candidate.mate]
    assert joined
    for one in joined:
        assert {one.parent, one.mate} <= known
        assert {one.parent, one.mate} & ids
        assert one.parent != one.mate


def test_a_joined_child_is_admitted_only_if_it_is_no_worse_than_the_better_parent_of_this_task() -> None:
    _, everything = search("mu2net", 0.5, "learned")
    by_id = {one.candidate.id: one for one in everything}
    refused = 0
    for one in everything:
        if one.ok and one.candidate.mate:
            parents = [by_id[id] for id in (one.candidate.parent, one.candidate.mate) if id in by_id]
            assert one.admitted == (one.score >= max(parent.score for parent in parents))
            refused += not one.admitted
    assert refused > 10


def names_of(one: Evaluation) -> set[str | None]:
    genome = one.candidate.genome
    return {gene.component for gene in (*genome.stages, *genome.adapters, genome.head)}


@pytest.mark.parametrize("algorithm", BY_PARENTS)
@pytest.mark.parametrize("restart", [0.0, 0.5, 1.0])
def test_children_that_restart_have_nothing_that_their_parent_trained(algorithm: str, restart: float) -> None:
    space = a_space(mutation={"restart": restart}, budget={"generations": 24, "children": 10})
    everything = played(a_world(space, archived(), seed=3), algorithm)[1]
    by_id = {one.candidate.id: one for one in everything}
    lines = [(one, by_id[one.candidate.parent]) for one in everything if one.candidate.parent in by_id]
    opened = [(child, parent) for child, parent in lines if opens(parent)]
    kept = [bool(names_of(child) & set(parent.trained.values())) for child, parent in opened]
    assert len(kept) > 20
    assert any(kept) == (restart < 1)
    if restart == 1:
        assert all(names_of(one) <= begun_with(by_id, one, archived()) for one in everything)
    else:
        assert abs(sum(kept) / len(kept) - (1 - restart)) < 0.25


def begun_with(by_id, one: Evaluation, founders: tuple[Founder, ...]) -> set[str | None]:
    """What the seed candidates and other tasks' routes are made of."""
    seeds = [names_of(by_id[id]) for id in by_id if id.generation == 0]
    genomes = [founder.genome for founder in founders]
    others = {
        gene.component for genome in genomes for gene in (*genome.stages, *genome.adapters, genome.head)
    }
    return others.union(*seeds)


def test_recombination_at_zero_changes_no_proposal() -> None:
    _, zero = search("mu2net", 0.0)
    plain = played(
        a_world(a_space(budget={"generations": 24, "children": 10}), archived(), seed=3), "mu2net"
    )[1]
    assert [one.candidate for one in plain] == [one.candidate for one in zero]
    assert all(one.candidate.mate is None for one in plain)
