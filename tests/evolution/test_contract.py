"""Every registered search algorithm keeps the contract; algorithms that do not are found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.population import Population
from evo_mtl.evolution.turn import Algorithm, World
from evo_mtl.testing.contracts import algorithms as contract

random_search = algorithms.get("random")


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", list(algorithms))
def test_a_registered_algorithm_keeps_the_contract(name: str, check: Callable[[Algorithm], None]) -> None:
    check(algorithms.get(name))


def _changed(made: tuple[Candidate, ...], **changes: object) -> tuple[Candidate, ...]:
    return tuple(replace(one, **changes) for one in made)  # type: ignore[arg-type]


def illegal(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    made = random_search(world, population, generation)
    return tuple(replace(one, genome=replace(one.genome, boundary=99)) for one in made)


def orphaned(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    return _changed(random_search(world, population, generation), parent="9/9")


def misplaced(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    return _changed(random_search(world, population, generation), child=0)


def hesitant(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    return random_search(world, population, generation)[1:]


def unseeded(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    drawn = int(np.random.randint(2**30))  # noqa: NPY002
    return random_search(replace(world, seed=drawn), population, generation)


def fixed(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    return random_search(replace(world, seed=0), population, generation)


def fragile(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    assert population.best is not None
    return random_search(world, population, generation)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (illegal, "check_every_proposal_is_legal"),
        (orphaned, "check_every_proposal_says"),
        (misplaced, "check_every_proposal_says"),
        (hesitant, "check_the_seed_candidates"),
        (unseeded, "check_it_follows"),
        (unseeded, "check_it_leaves"),
        (fixed, "check_it_follows"),
        (fragile, "check_a_turn"),
    ],
)
def test_an_algorithm_that_breaks_the_contract_is_found_out(wrong: Algorithm, complaint: str) -> None:
    (check,) = [check for check in contract.CHECKS if check.__name__.startswith(complaint)]
    with pytest.raises(AssertionError):
        check(wrong)
