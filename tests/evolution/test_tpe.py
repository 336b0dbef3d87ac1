"""The sampler of Optuna over whole genomes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

import evo_mtl
from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.outcome import OK, Notes, Status, failed, rejected
from evo_mtl.evolution.parameters import on_root_trunk
from evo_mtl.evolution.population import Population
from evo_mtl.evolution.random_search import random_search
from evo_mtl.evolution.tpe import tpe
from evo_mtl.evolution.turn import Turn, World
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.genome import StageGene, essence
from evo_mtl.plain import plain
from evo_mtl.testing.genomes import a_space, a_world, played, told

ROOT = Path(evo_mtl.__file__).parents[1]


def scored(world: World, candidate: Candidate, quality: float, status: Status = OK) -> Evaluation:
    """What came of a candidate, said by the test."""
    cost = world.costs.cost(candidate.genome)
    score = quality if status.ok else float("-inf")
    return Evaluation(candidate, status, quality, score, (quality,), {}, cost, False, Notes())


def taught(world: World, quality) -> Population:
    """A population of fifteen random draws and what they are worth."""
    turn = Turn(world, random_search)
    for generation in range(1, 6):
        drawn = random_search(world, turn.population, generation)
        turn.tell(scored(world, one, quality(one.genome)) for one in drawn)
    return turn.population


def test_what_made_earlier_candidates_good_is_proposed_more_often() -> None:
    def shallow(genome) -> float:
        return 1.0 if genome.depth == 3 else 0.1

    shares = []
    for worth in (shallow, lambda genome: 1.1 - shallow(genome)):
        depths = []
        for seed in range(20):
            world = a_world(a_space(), seed=seed)
            depths += [one.genome.depth for one in tpe(world, taught(world, worth), 6)]
        shares.append(np.mean([depth == 3 for depth in depths]))
    assert shares[0] > 0.4
    assert shares[1] < 0.2


def test_every_draw_stands_on_the_root_trunk_and_has_no_parent() -> None:
    world = a_world(a_space(budget={"generations": 4, "children": 4}))
    drawn = [one.candidate for one in played(world, "tpe")[1] if one.candidate.generation]
    assert len(drawn) == 16
    assert all(on_root_trunk(one.genome, world.facts) for one in drawn)
    assert {one.parent for one in drawn} == {None}


def test_the_draws_of_a_generation_differ_and_share_their_data_hyperparameters() -> None:
    world = a_world(a_space(budget={"generations": 6, "children": 4}))
    generations: dict[int, list] = {}
    for one in played(world, "tpe")[1]:
        generations.setdefault(one.candidate.generation, []).append(one.candidate.genome)
    del generations[0]
    for genomes in generations.values():
        assert len({essence(genome) for genome in genomes}) == 4
        assert len({genome["image_size"] for genome in genomes}) == 1
        assert len({genome["views"] for genome in genomes if genome.head.trained}) <= 1
    assert len({genomes[0]["image_size"] for genomes in generations.values()}) > 1


def test_no_solved_head_is_tried_twice_while_others_are_left() -> None:
    everything = played(a_world(a_space(budget={"generations": 8, "children": 4})), "tpe")[1]
    solved = [essence(e.candidate.genome) for e in everything if not e.candidate.genome.head.trained]
    assert len(solved) > 5
    assert len(set(solved)) == len(solved)


def test_what_stands_on_another_routes_weights_teaches_nothing() -> None:
    world = a_world(a_space())
    population = played(world, "tpe", 5)[0].population
    first = population.evaluations[0]
    genome = replace(
        first.candidate.genome, stages=(StageGene("another"), *first.candidate.genome.stages[1:])
    )
    stranger = replace(first, candidate=replace(first.candidate, genome=genome), score=9.0)
    assert tpe(world, population.tell([stranger]), 3) == tpe(world, population, 3)
    assert tpe(world, population.tell([replace(first, score=9.0)]), 3) != tpe(world, population, 3)


@pytest.mark.parametrize("status", [failed("so it is"), rejected("weak")])
def test_failed_and_rejected_candidates_are_no_obstacle(status: str) -> None:
    world = a_world(a_space())
    turn = Turn(world, tpe)
    turn.tell(scored(world, candidate, 0.3, status) for candidate in turn.ask())
    assert len(turn.ask()) == world.space.budget.children
    turn.tell(told(world, candidate) for candidate in turn.ask())
    assert len(turn.ask()) == world.space.budget.children


def test_optuna_says_nothing_and_keeps_its_verbosity(caplog: pytest.LogCaptureFixture) -> None:
    before = optuna.logging.get_verbosity()
    played(a_world(a_space()), "tpe")
    assert optuna.logging.get_verbosity() == before
    assert caplog.records == []
    optuna.create_study(study_name="a caller's own")
    assert ["a caller's own" in record.message for record in caplog.records] == [True]


def proposals() -> str:
    everything = played(a_world(a_space()), "tpe")[1]
    return digest(canonical_json([plain(one.candidate) for one in everything]))


def test_another_process_proposes_the_same_whatever_its_hash_seed() -> None:
    code = "from tests.evolution.test_tpe import proposals; print(proposals())"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        found = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == proposals()


def test_neither_the_help_page_nor_another_algorithm_loads_optuna() -> None:
    code = (
        "import sys; from evo_mtl.cli.main import main; main(['--help']); main(['search', '--help']); "
        "from evo_mtl.testing.genomes import a_space, a_world, played; "
        "played(a_world(a_space()), 'mu2net'); played(a_world(a_space()), 'random'); "
        "sys.exit('optuna' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
