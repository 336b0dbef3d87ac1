"""What a search algorithm keeps to: on a made-up trunk and a made-up landscape, so in a second or two."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from evo_mtl.evolution.candidate import Candidate, Evaluation, ParentName
from evo_mtl.evolution.outcome import failed
from evo_mtl.evolution.population import Founder
from evo_mtl.evolution.turn import Algorithm, Turn, World, seed_candidates
from evo_mtl.genome.genome import as_founder
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.testing.contracts.spaces import outside
from evo_mtl.testing.genomes import a_space, a_world, told, trunk_facts

Told = Callable[[World, Candidate], Evaluation]
"""What comes of a candidate."""


def worlds() -> Iterator[World]:
    """Turns of one task in spaces that differ in what they allow, with and without other tasks' routes."""
    yield a_world(a_space())
    yield a_world(a_space(), founders())
    everything = {"rates": "learned", "recombination": 0.4, "restart": 0.3, "multipath": 0.3, "paths": 3}
    yield a_world(a_space(mutation=everything), founders())
    yield a_world(a_space(stages={"boundaries": [2, 4], "clone": False}, taps={"stages": "last"}), founders())
    narrow = {"heads": ["linear"], "hyperparameters": {}, "adapters": {"insert": False}}
    yield a_world(a_space(stages={"final_norm": "forced"}, mutation={"recombination": 0.4}, **narrow))


def founders() -> tuple[Founder, ...]:
    """Routes of two other tasks."""
    space, facts = a_space(), trunk_facts()
    return tuple(Founder(seed.name, as_founder(seed_genome(seed, space, facts))) for seed in space.seeds)


def generations(world: World, algorithm: Algorithm, give: Told = told) -> Iterator[tuple[Candidate, ...]]:
    """What is asked for, generation by generation, until nothing more is."""
    turn = Turn(world, algorithm)
    while asked := turn.ask():
        yield asked
        turn.tell(give(world, candidate) for candidate in asked)


def check_every_proposal_is_legal_and_inside_the_space(algorithm: Algorithm) -> None:
    """Founders and what descends from them included."""
    for world in worlds():
        for asked in generations(world, algorithm):
            for candidate in asked:
                wrong = outside(candidate.genome, world.space, world.facts)
                assert wrong is None, f"candidate {candidate.id}: {wrong}"


def check_every_proposal_says_where_it_stands_and_who_its_parents_are(algorithm: Algorithm) -> None:
    """Its task, generation and place; its parents are known candidates of this task or other tasks' routes."""
    for world in worlds():
        known: set[ParentName] = {founder.id for founder in world.founders}
        for number, asked in enumerate(generations(world, algorithm)):
            places = [candidate.child for candidate in asked]
            assert places == sorted(set(places)), f"places {places} in generation {number}"
            for candidate in asked:
                assert (candidate.task, candidate.generation) == (world.task, number), candidate.id
                named = {candidate.parent, candidate.mate} - {None}
                assert named <= known, f"candidate {candidate.id} has unknown parents {named - known}"
                assert candidate.mate is None or candidate.mate != candidate.parent, candidate.id
            known |= {candidate.id for candidate in asked}


def check_the_seed_candidates_come_first_and_then_as_many_children_as_the_budget_says(
    algorithm: Algorithm,
) -> None:
    """At most so many in each generation, and at most so many generations; here no less, as nothing forbids it."""
    for world in worlds():
        first, *others = generations(world, algorithm)
        assert first == seed_candidates(world)
        budget = world.space.budget
        assert [len(asked) for asked in others] == [budget.children] * budget.generations


def check_a_budget_of_images_or_work_is_kept(algorithm: Algorithm) -> None:
    """Whatever it proposes; what is tried is charged as it was priced."""
    for limit in ({"images": 950}, {"multiply_adds": 6000.0}):
        world = a_world(a_space(budget={"generations": 20, "children": 3, **limit}), founders())
        tried = [one for asked in generations(world, algorithm) for one in asked]
        costs = [world.costs.cost(one.genome) for one in tried]
        assert sum(cost.images for cost in costs) <= limit.get("images", math.inf)
        assert sum(cost.multiply_adds for cost in costs) <= limit.get("multiply_adds", math.inf)
        assert len(tried) > 2


def check_it_follows_from_the_seed_and_what_was_told_alone(algorithm: Algorithm) -> None:
    """Asked again, or told the same by somebody else, it proposes the same, and from another seed something else."""
    for world in worlds():
        everything = list(generations(world, algorithm))
        assert list(generations(world, algorithm)) == everything
        turn = Turn(world, algorithm)
        for asked in everything:
            assert turn.ask() == turn.ask() == asked
            turn = Turn(world, algorithm, turn.population, turn.generation)
            turn.tell(told(world, candidate) for candidate in asked)
        assert list(generations(replace(world, seed=world.seed + 1), algorithm)) != everything


def check_it_leaves_the_global_generators_alone(algorithm: Algorithm) -> None:
    """Those of ``random`` and numpy: neither read nor moved."""
    world = a_world(a_space(), founders())
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        found = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
            found.append(list(generations(world, algorithm)))
            after = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
            assert before == after, "a global generator was moved"
        assert found[0] == found[1], "proposals follow from a global generator"
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002


def check_failures_and_scores_that_are_no_numbers_end_nothing(algorithm: Algorithm) -> None:
    """Every third candidate fails, every third has no finite score; the rest goes on as ever."""
    for world in worlds():
        found = list(generations(world, algorithm, _mostly_bad))
        assert len(found) == world.space.budget.generations + 1
        for asked in found:
            assert all(outside(one.genome, world.space, world.facts) is None for one in asked)


def check_a_turn_in_which_all_fail_ends_or_goes_on_with_legal_proposals(algorithm: Algorithm) -> None:
    """With nobody to be a parent an algorithm may end; it never breaks off."""
    for world in worlds():
        for asked in islice(generations(world, algorithm, _failing), 1, None):
            assert all(outside(one.genome, world.space, world.facts) is None for one in asked)


def _failing(world: World, candidate: Candidate) -> Evaluation:
    one = replace(told(world, candidate), status=failed("all do"), quality=0.0, score=-math.inf)
    return replace(one, curve=(), trained={})


def _mostly_bad(world: World, candidate: Candidate) -> Evaluation:
    number = int(candidate.genome.digest()[-4:], 16) % 3
    if candidate.generation == 0:  # somebody is left to be a parent
        number = candidate.child % 2
    if number == 1:
        return _failing(world, candidate)
    one = told(world, candidate)
    return replace(one, score=math.nan) if number == 2 else one


CHECKS: tuple[Callable[[Algorithm], None], ...] = (
    check_every_proposal_is_legal_and_inside_the_space,
    check_every_proposal_says_where_it_stands_and_who_its_parents_are,
    check_the_seed_candidates_come_first_and_then_as_many_children_as_the_budget_says,
    check_a_budget_of_images_or_work_is_kept,
    check_it_follows_from_the_seed_and_what_was_told_alone,
    check_it_leaves_the_global_generators_alone,
    check_failures_and_scores_that_are_no_numbers_end_nothing,
    check_a_turn_in_which_all_fail_ends_or_goes_on_with_legal_proposals,
)
