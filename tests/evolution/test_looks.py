"""Cheap looks: which are asked for, what follows from them, and how they are held against training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evo_mtl.evolution.budget import affordable
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.looks import Look, Looks, line_of, look_from_json, planned_looks, rank_correlation
from evo_mtl.evolution.mu2net import mu2net, mu2net_plus
from evo_mtl.evolution.population import Founder, Population
from evo_mtl.evolution.turn import Algorithm, seed_candidates
from evo_mtl.files import digest
from evo_mtl.genome.genome import StageGene, as_founder, illegality
from evo_mtl.genome.sampling import on_line, seed_genome
from evo_mtl.genome.space import Budget, SearchSpace
from evo_mtl.testing.genomes import a_space, a_world, trunk_facts

FACTS = trunk_facts()
RULES = {"sizes": [32, 64], "parents": 2}


def looking(**changes: object) -> SearchSpace:
    follow = ["image_size", "depth", "parent"]
    seeds = [
        {"name": "depth_ridge", "taps": "groups", "head": "ridge"},
        {"name": "tune", "depth": 6, "open_from": 4, "taps": "last", "follow": follow},
    ]
    return a_space(looks=RULES, seeds=seeds, **changes)


def founder(name: str, own_from: int = 5) -> Founder:
    """A route whose stages from ``own_from`` on are its own."""
    space = a_space()
    genome = as_founder(seed_genome(space.seeds[1], space, FACTS))
    stages = tuple(
        StageGene(digest(f"{name} {i}".encode())) if i >= own_from else gene
        for i, gene in enumerate(genome.stages)
    )
    return Founder(name, replace(genome, stages=stages))


def look(parent: str | None, size: int, *alone: float, together: float = 0.0) -> Look:
    return Look(parent, size, (1, 3, 7)[: len(alone)], alone, together, 400, 500, 1e6)


def test_the_root_is_looked_at_in_every_size_and_a_bounded_number_of_other_routes_at_the_default() -> None:
    founders = [founder(f"t{i}") for i in range(50)]
    requests = planned_looks(looking(), FACTS, founders, 0, "here")
    assert [(r.parent, r.genome["image_size"]) for r in requests[:3]] == [(None, 32), (None, 48), (None, 64)]
    others = requests[3:]
    assert len(others) == 2
    assert all(r.parent in {one.id for one in founders} and r.genome["image_size"] == 48 for r in others)
    assert requests == planned_looks(looking(), FACTS, founders, 0, "here")
    assert others != planned_looks(looking(), FACTS, founders, 0, "there")[3:]


def test_every_line_that_is_looked_at_is_legal_frozen_and_read_at_each_group_end_it_has() -> None:
    for request in planned_looks(looking(), FACTS, [founder("other")], 0, "here"):
        assert illegality(request.genome) is None
        assert not any(gene.open for gene in request.genome.stages)
        ends = {1, 3, 7} if request.parent is None else {1, 3, 5}
        assert {tap.stage for tap in request.genome.taps} == ends


def test_a_route_that_is_the_root_trunk_is_not_looked_at_again() -> None:
    assert len(planned_looks(looking(), FACTS, [founder("same", own_from=9)], 0, "here")) == 3


def test_a_space_without_looks_asks_for_none_and_its_seeds_may_not_follow_any() -> None:
    assert planned_looks(a_space(), FACTS, [founder("other")], 0, "here") == ()
    with pytest.raises(Exception, match="the space has no looks to follow"):
        a_space(seeds=[{"name": "tune", "follow": ["depth"]}])


def test_the_size_at_which_the_root_sees_most_is_taken_and_of_equals_the_largest() -> None:
    assert Looks((look(None, 64, 0.8), look(None, 32, 0.81), look(None, 48, 0.7))).image_size() == 32
    assert Looks((look(None, 32, 0.8), look(None, 64, 0.8), look("task:a", 48, 0.9))).image_size() == 64
    assert Looks().image_size() is None


def test_the_depth_is_where_a_head_alone_sees_most_and_of_equals_the_deepest() -> None:
    depths = (2, 4, 8)
    assert Looks((look(None, 48, 0.5, 0.8, 0.7),)).depth(depths, 48) == 4
    assert Looks((look(None, 48, 0.5, 0.8, 0.8),)).depth(depths, 48) == 8
    nearest = Looks((look(None, 32, 0.9, 0.1, 0.1), look(None, 64, 0.1, 0.1, 0.9)))
    assert (nearest.depth(depths, 30), nearest.depth(depths, 60)) == (2, 8)
    assert Looks().depth(depths, 48) is None


def test_another_route_is_the_parent_only_where_it_clearly_sees_more_at_the_same_size() -> None:
    root = look(None, 48, 0.8)
    assert Looks((root, look("task:a", 48, 0.85), look("task:b", 48, 0.9))).parent() == "task:b"
    assert root.standard_error == pytest.approx(0.02)
    assert Looks((root, look("task:a", 48, 0.815))).parent() is None
    assert Looks((root,)).parent() is None


def test_a_seed_that_follows_the_looks_has_their_size_depth_and_parent() -> None:
    other = founder("other", own_from=2)
    looks = Looks(
        (look(None, 32, 0.5, 0.81, 0.7), look(None, 48, 0.5, 0.8, 0.7), look("task:other", 48, 0.9))
    )
    ridge, tune = seed_candidates(replace(a_world(looking(), (other,)), looks=looks))
    assert (ridge.parent, ridge.genome.depth, ridge.genome["image_size"]) == (None, 8, 48)
    assert (tune.parent, tune.genome["image_size"]) == ("task:other", 32)
    assert tune.genome.depth == 6  # the deepest legal one before the next depth that was read
    assert tune.genome.stages[2].component == other.genome.stages[2].component
    assert illegality(tune.genome) is None


def test_a_seed_on_another_line_keeps_what_it_opens_and_takes_frozen_adapters_below_it() -> None:
    space = a_space()
    genome = seed_genome(space.seeds[1], space, FACTS)
    line = founder("other", own_from=1).genome
    moved = on_line(genome, line)
    assert [g.component for g in moved.stages] == [g.component for g in line.stages]
    assert [g.open for g in moved.stages] == [g.open for g in genome.stages]


def test_mu2net_plus_offers_looked_at_routes_first_where_the_space_asks_for_the_predicted_order() -> None:
    founders = tuple(founder(f"t{i}") for i in range(30))
    looks = Looks((look("task:t7", 48, 0.9), look("task:t9", 48, 0.95)))
    assert [one.task for one in looks.ranked(founders)] == ["t9", "t7"]

    def first(algorithm: Algorithm, space: SearchSpace) -> set[str | None]:
        world = replace(a_world(space, founders), looks=looks)
        return {algorithm(world, Population(), generation)[0].parent for generation in range(1, 40)}

    predicted = looking(parents={"order": "predicted"})
    assert first(mu2net_plus, predicted) == {"task:t9"}  # without children yet, the first offered is taken
    assert len(first(mu2net_plus, looking())) > 10
    assert len(first(mu2net, predicted)) == 10  # each generation of three enters the order three further


def test_a_space_that_looks_at_no_routes_cannot_ask_for_the_predicted_order() -> None:
    for looks in (None, {"sizes": [32], "parents": 0}):
        with pytest.raises(Exception, match="parents: order: predicted: the space looks at no routes"):
            a_space(parents={"order": "predicted"}, looks=looks)


def test_looks_are_charged_to_the_budget() -> None:
    world = a_world(looking())
    made = seed_candidates(world)
    costs = [world.costs.cost(candidate.genome).images for candidate in made]
    budget = Budget(images=sum(costs))
    assert len(affordable(made, (), world.costs, budget, Looks())) == 2
    assert len(affordable(made, (), world.costs, budget, Looks((look(None, 48, 0.5),)))) == 1


def test_a_look_comes_back_from_json_equal() -> None:
    one = look("task:a", 48, 0.5, 0.6, together=0.7)
    assert look_from_json(one.to_json()) == one
    assert one.quality == 0.7


def test_what_the_looks_expect_of_a_genome_is_the_best_head_on_depths_that_it_reads() -> None:
    space = a_space()
    genome = seed_genome(space.seeds[0], space, FACTS)  # reads the stages 3 and 7
    looks = Looks((look(None, 48, 0.9, 0.6, 0.5, together=0.65),))
    assert looks.predicted(genome, None) == 0.65
    last = replace(genome, taps=genome.taps[-1:])
    assert looks.predicted(last, None) == 0.5
    assert looks.predicted(genome, "task:unseen") is None


def test_a_line_is_that_of_the_first_ancestor_from_outside_the_task() -> None:
    space = a_space()
    genome = seed_genome(space.seeds[0], space, FACTS)
    parents = {"0/0": None, "1/0": "task:a", "1/1": "0/0", "2/0": "1/0"}
    family = {id: Candidate("here", 0, 0, parent, "", genome) for id, parent in parents.items()}
    assert [line_of(one, family) for one in family.values()] == [None, "task:a", None, "task:a"]


def test_rank_correlation_shares_the_ranks_of_ties_and_is_undefined_for_too_few() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == 1.0
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
    assert rank_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(0.8660254)  # as scipy's spearmanr
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
