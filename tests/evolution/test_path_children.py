"""Children of several paths."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from evo_mtl.evolution.candidate import CHILD, MULTIPATH, Candidate, OfTask
from evo_mtl.evolution.path_children import multipath_child
from evo_mtl.evolution.population import Founder, Population, settled
from evo_mtl.evolution.turn import World
from evo_mtl.genome.genome import Genome, HeadGene, StageGene, as_founder, illegality, path_of
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import a_space, a_world, played, trunk_facts


def founder(letter: str) -> Founder:
    """A route that ends in a stage of its own."""
    genome = seed_genome(a_space().seeds[1], a_space(), trunk_facts())
    stages = (*genome.stages[:-1], StageGene(letter * 64))
    return Founder(
        letter, as_founder(Genome(**{**vars(genome), "stages": stages, "head": HeadGene("ridge")}))
    )


FOUNDERS = tuple(map(founder, "abc"))


def world(founders: tuple[Founder, ...] = FOUNDERS, seed: int = 0, **rules: Any) -> World:
    budget = {"generations": 6, "children": 5}
    return a_world(a_space(mutation=rules, budget=budget), founders, seed)


def everyone(of: World, algorithm: str = "mu2net") -> list[Candidate]:
    return [one.candidate for one in played(of, algorithm)[1]]


def test_without_a_probability_no_route_of_several_paths_is_made() -> None:
    assert not any(one.genome.paths for one in everyone(world()))


def test_a_share_of_the_children_runs_several_routes() -> None:
    found: Counter[bool] = Counter()
    for seed in range(30):
        made = everyone(world(seed=seed, multipath=0.3))
        found.update(one.origin == MULTIPATH for one in made if one.generation == 1)
    assert sum(found.values()) == 150
    assert 0.3 * 150 - 3 * (0.21 * 150) ** 0.5 <= found[True] <= 0.3 * 150 + 3 * (0.21 * 150) ** 0.5


def test_each_is_a_member_beside_other_routes_and_names_both_parents() -> None:
    of = world(multipath=1.0, paths=3)
    turn, evaluations = played(of, "mu2net")
    made = [e.candidate for e in evaluations if e.candidate.origin == MULTIPATH]
    lines = {one.id: path_of(one.genome) for one in FOUNDERS}
    lines |= {e.candidate.id: path_of(settled(e)) for e in turn.population.evaluations}
    assert len(made) > 20
    assert {len(one.genome.paths) for one in made} == {1, 2}
    for one in made:
        parent = turn.population.find(one.parent)
        assert parent is not None
        assert parent.admitted
        assert not parent.candidate.genome.paths
        assert illegality(one.genome) is None
        assert path_of(one.genome) == path_of(settled(parent))
        assert one.genome["image_size"] == parent.candidate.genome["image_size"]
        assert one.genome.head == HeadGene(
            "multipath", parent.trained["head"], parent.candidate.genome.head.kind
        )
        assert lines[one.mate] == one.genome.paths[0]
        assert restore(Candidate, plain(one)) == one
    assert any(isinstance(one.mate, OfTask) for one in made)


def test_without_other_tasks_further_paths_are_members_and_without_any_there_is_no_child() -> None:
    alone = world(founders=(), multipath=1.0)
    mates = [one.mate for one in everyone(alone) if one.origin == MULTIPATH]
    assert mates
    assert not any(isinstance(mate, OfTask) for mate in mates)
    assert multipath_child(alone, Population(), 1, 0, Counter(), {}) is None


@pytest.mark.parametrize("algorithm", ["mu2net"])
def test_a_turn_told_what_was_committed_asks_for_the_same_children(algorithm: str) -> None:
    of = world(multipath=0.5, paths=3)
    whole = everyone(of, algorithm)
    turn, _ = played(of, algorithm, 12)
    asked = turn.ask()
    assert any(one.genome.paths for one in asked)
    assert asked == turn.ask()
    assert list(asked) == [one for one in whole if one.generation == turn.generation]


def test_children_of_a_route_of_several_paths_stay_frozen() -> None:
    made = [one for seed in range(5) for one in everyone(world(seed=seed, multipath=0.5))]
    children = [one for one in made if one.genome.paths and one.origin == CHILD]
    assert children
    assert all(one.genome.first_open == one.genome.depth for one in children)
