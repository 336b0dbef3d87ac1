"""Cheap looks: which are asked for, what follows from them, and how they are held against training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.evolution.budget import affordable
from evo_mtl.evolution.candidate import CHILD, Candidate, OfTask, OfTurn
from evo_mtl.evolution.descriptors import descriptor
from evo_mtl.evolution.looks import (
    MOST_READ,
    Look,
    Looks,
    by_nearness,
    line_of,
    parent_looks,
    rank_correlation,
    root_looks,
)
from evo_mtl.evolution.mu2net import mu2net, mu2net_plus
from evo_mtl.evolution.population import Founder, Population
from evo_mtl.evolution.turn import Algorithm, seed_candidates
from evo_mtl.files import digest
from evo_mtl.genome.genome import StageGene, as_founder, illegality
from evo_mtl.genome.sampling import on_line, seed_genome
from evo_mtl.genome.sections import Budget
from evo_mtl.genome.space import SearchSpace
from evo_mtl.plain import plain, restore
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


def a_descriptor(seed: int) -> str:
    """Of a task of 60 images at two depths."""
    rng = np.random.default_rng(seed)
    found = descriptor([rng.gamma(2.0, rng.random(width) + 0.1, (60, width)) for width in (16, 40)])
    assert found is not None
    return found


def look(parent: OfTask | None, size: int, *alone: float, together: float = 0.0) -> Look:
    return Look(parent, size, (1, 3, 7)[: len(alone)], alone, together, 400, 500, 1e6)


def test_the_root_is_looked_at_in_every_size_and_a_bounded_number_of_other_routes_at_the_default() -> None:
    founders = [founder(f"t{i}") for i in range(50)]
    of_root, others = root_looks(looking(), FACTS), parent_looks(looking(), FACTS, founders)
    assert [(r.parent, r.genome["image_size"]) for r in of_root] == [(None, 32), (None, 48), (None, 64)]
    assert [(r.parent, r.genome["image_size"]) for r in others] == [(OfTask("t0"), 48), (OfTask("t1"), 48)]
    assert parent_looks(a_space(looks={"parents": 0}), FACTS, founders) == ()


def test_a_task_that_is_a_copy_of_an_archived_one_has_it_first_among_fifty() -> None:
    founders = [founder(f"t{i}") for i in range(50)]
    described = {f"t{i}": a_descriptor(i) for i in range(50)}
    for copied in (0, 17, 49):
        order = by_nearness(founders, a_descriptor(copied), described, np.random.default_rng(0))
        assert order[0].task == f"t{copied}"
        assert {one.task for one in order} == set(described)


def test_tasks_without_a_descriptor_come_behind_the_others_in_a_drawn_order() -> None:
    founders = [founder(f"t{i}") for i in range(20)]
    described = {"t3": a_descriptor(3), "t12": a_descriptor(12)}
    order = [one.task for one in by_nearness(founders, a_descriptor(12), described, np.random.default_rng(0))]
    assert order[:2] == ["t12", "t3"]
    drawn = [one.task for one in by_nearness(founders, None, described, np.random.default_rng(0))]
    assert order[2:] == [name for name in drawn if name not in described]
    assert drawn == [one.task for one in by_nearness(founders, None, described, np.random.default_rng(0))]
    assert drawn != [one.task for one in by_nearness(founders, None, described, np.random.default_rng(1))]
    assert drawn != sorted(drawn)


def test_every_line_that_is_looked_at_is_legal_frozen_and_read_at_each_group_end_it_has() -> None:
    for request in (*root_looks(looking(), FACTS), *parent_looks(looking(), FACTS, [founder("other")])):
        assert illegality(request.genome) is None
        assert not any(gene.open for gene in request.genome.stages)
        ends = {1, 3, 7} if request.parent is None else {1, 3, 5}
        assert {tap.stage for tap in request.genome.taps} == ends


def test_a_route_that_is_the_root_trunk_is_not_looked_at_again() -> None:
    same, other = founder("same", own_from=9), founder("other")
    assert [one.parent for one in parent_looks(looking(), FACTS, [same, other])] == [OfTask("other")]


def test_a_line_that_two_routes_share_is_looked_at_once() -> None:
    first, last = founder("first"), founder("last")
    sharing = Founder("sharing", first.genome)
    found = parent_looks(looking(), FACTS, [first, sharing, last])
    assert [one.parent for one in found] == [OfTask("first"), OfTask("last")]


def test_however_many_routes_are_archived_few_are_read_for_a_line_worth_a_look() -> None:
    read = []

    def reading() -> Iterator[Founder]:
        for i in range(1000):
            read.append(i)
            yield founder(f"t{i}", own_from=9)

    assert parent_looks(looking(), FACTS, reading()) == ()
    assert len(read) == MOST_READ


def test_a_space_without_looks_asks_for_none_and_its_seeds_may_not_follow_any() -> None:
    assert root_looks(a_space(), FACTS) == ()
    assert parent_looks(a_space(), FACTS, [founder("other")]) == ()
    with pytest.raises(Exception, match="the space has no looks to follow"):
        a_space(seeds=[{"name": "tune", "follow": ["depth"]}])


def test_the_size_at_which_the_root_sees_most_is_taken_and_of_equals_the_largest() -> None:
    assert Looks((look(None, 64, 0.8), look(None, 32, 0.81), look(None, 48, 0.7))).image_size() == 32
    assert Looks((look(None, 32, 0.8), look(None, 64, 0.8), look(OfTask("a"), 48, 0.9))).image_size() == 64
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
    assert Looks((root, look(OfTask("a"), 48, 0.85), look(OfTask("b"), 48, 0.9))).parent() == OfTask("b")
    assert root.standard_error == pytest.approx(0.02)
    assert Looks((root, look(OfTask("a"), 48, 0.815))).parent() is None
    assert Looks((root,)).parent() is None


def test_routes_that_clearly_see_more_than_the_root_are_ranked_and_no_others() -> None:
    founders = [founder(f"t{i}") for i in range(6)]
    root = look(None, 48, 0.8)  # its standard error is 0.02
    seen = {"t1": 0.85, "t2": 0.95, "t3": 0.815, "t4": 0.5, "t5": 0.85}
    looks = Looks((root, *(look(OfTask(name), 48, quality) for name, quality in seen.items())))
    assert [one.task for one in looks.ranked(founders)] == ["t2", "t1", "t5"]
    assert looks.ranked(founders)[0].id == looks.parent()
    assert Looks(looks.all[1:]).ranked(founders) == []


def test_a_seed_that_follows_the_looks_has_their_size_depth_and_parent() -> None:
    other = founder("other", own_from=2)
    looks = Looks(
        (look(None, 32, 0.5, 0.81, 0.7), look(None, 48, 0.5, 0.8, 0.7), look(OfTask("other"), 48, 0.9))
    )
    ridge, tune = seed_candidates(replace(a_world(looking(), (other,)), looks=looks))
    assert (ridge.parent, ridge.genome.depth, ridge.genome["image_size"]) == (None, 8, 48)
    assert (tune.parent, tune.genome["image_size"]) == (OfTask("other"), 32)
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
    looks = Looks((look(None, 48, 0.8), look(OfTask("t7"), 48, 0.9), look(OfTask("t9"), 48, 0.95)))

    def first(algorithm: Algorithm, space: SearchSpace) -> set[str | None]:
        world = replace(a_world(space, founders), looks=looks)
        return {algorithm(world, Population(), generation)[0].parent for generation in range(1, 40)}

    predicted = looking(parents={"order": "predicted"})
    assert first(mu2net_plus, predicted) == {OfTask("t9")}  # without children yet, the first offered is taken
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
    one = look(OfTask("a"), 48, 0.5, 0.6, together=0.7)
    assert restore(Look, plain(one)) == one
    assert one.quality == 0.7


def test_what_the_looks_expect_of_a_genome_is_the_best_head_on_depths_that_it_reads() -> None:
    space = a_space()
    genome = seed_genome(space.seeds[0], space, FACTS)  # reads the stages 3 and 7
    looks = Looks((look(None, 48, 0.9, 0.6, 0.5, together=0.65),))
    assert looks.predicted(genome, None) == 0.65
    last = replace(genome, taps=genome.taps[-1:])
    assert looks.predicted(last, None) == 0.5
    assert looks.predicted(genome, OfTask("unseen")) is None


def test_a_line_is_that_of_the_first_ancestor_from_outside_the_task() -> None:
    space = a_space()
    genome = seed_genome(space.seeds[0], space, FACTS)
    parents = {
        OfTurn(0, 0): None,
        OfTurn(1, 0): OfTask("a"),
        OfTurn(1, 1): OfTurn(0, 0),
        OfTurn(2, 0): OfTurn(1, 0),
    }
    family = {id: Candidate("here", 0, 0, parent, CHILD, genome) for id, parent in parents.items()}
    assert [line_of(one, family) for one in family.values()] == [None, OfTask("a"), None, OfTask("a")]


def test_rank_correlation_shares_the_ranks_of_ties_and_is_undefined_for_too_few() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == 1.0
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
    assert rank_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(0.8660254)  # as scipy's spearmanr
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
