"""A search space and what belongs to it, without any network: for tests of genomes and of the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_mtl.documents import parse
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Cost, Evaluation
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import OK, Notes, failed
from evo_mtl.evolution.population import Founder
from evo_mtl.evolution.turn import Turn, World
from evo_mtl.files import digest
from evo_mtl.genome.genome import AdapterGene, Genome
from evo_mtl.genome.mutation import mutate
from evo_mtl.genome.sampling import random_genome, seed_genome
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.layout import TrunkLayout

ALL_HEADS = ["linear", "ridge", "projected_ridge", "nearest_mean"]


def a_space(**changes: Any) -> SearchSpace:
    """A space that allows everything; ``changes`` replace its sections."""
    data = {
        "name": "everything",
        "stages": {"boundaries": [0, 2, 4], "depths": [3, 5, 6, 8], "clone": True},
        "taps": {"stages": "groups", "grids": [1, 2]},
        "adapters": {"insert": True, "stages": "groups"},
        "heads": ALL_HEADS,
        "hyperparameters": {
            "mutation_probability": {"values": [0.1, 0.2, 0.3, 0.4], "default": 0.3},
            "learning_rate": {"values": [0.001, 0.003, 0.01, 0.03], "default": 0.01},
            "image_size": {"values": [32, 48, 64], "default": 48},
            "views": {"values": [1, 2], "default": 1},
            "epochs": {"values": [1, 2, 3], "default": 2},
            "norm": {"values": ["eval", "train"], "default": "train"},
            "nesterov": {"values": [False, True], "default": False},
            "adapter_width": {"values": [8, 16], "default": 8},
        },
        "budget": {"generations": 4, "children": 3},
        "seeds": [
            {"name": "depth_ridge", "taps": "groups", "grids": [1, 2], "head": "ridge"},
            {"name": "tune", "depth": 6, "open_from": 4, "taps": "last", "head": "linear"},
        ],
    }
    return parse(SearchSpace, data | changes, "a_space")


def trunk_facts(num_stages: int = 8) -> TrunkFacts:
    """A trunk of eight stages in four groups: ``0 | 1 | 2 3 | 4 5 6 7``."""
    return TrunkFacts(
        root=digest(b"root"),
        components=tuple(digest(f"stage {i}".encode()) for i in range(num_stages)),
        newest=tuple(digest(f"version of {i}".encode()) for i in range(num_stages)),
        group_ends=(0, 1, 3, num_stages - 1),
        final_norm=num_stages - 1,
        parameters=tuple(10 * (i + 1) for i in range(num_stages)),
        channels=tuple(4 * (i + 1) for i in range(num_stages)),
    )


def trunk_layout() -> TrunkLayout:
    """The layout of the trunk of :func:`trunk_facts`, as if it were convolutional."""
    facts = trunk_facts()
    return TrunkLayout(
        name="a_trunk",
        cut="block",
        kind="conv",
        num_prefix_tokens=0,
        channels=facts.channels,
        group_ends=facts.group_ends,
        final_norm=facts.final_norm,
        input=Pixels(0, (0.5,) * 3, (0.2,) * 3),
        stage_names=tuple(f"stage {i}" for i in range(len(facts.channels))),
    )


def bottleneck(stage: int, width: int, component: str | None = None, open: bool = True) -> AdapterGene:
    """The gene of a bottleneck."""
    return AdapterGene(stage, "bottleneck", (("width", width),), component, open)


def a_genome(space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator, mutations: int = 3) -> Genome:
    """A genome of the space: an independent draw or a seed candidate, mutated a few times."""
    if rng.random() < 0.5:
        genome = random_genome(space, facts, rng)
    else:
        genome = seed_genome(space.seeds[rng.integers(len(space.seeds))], space, facts)
    for _ in range(rng.integers(mutations + 1)):
        genome = mutate(genome, space, facts, rng)
    return genome


@dataclass(frozen=True)
class Prices:
    """A ``CostModel`` of round numbers: an image for each unit of depth, more where something is trained."""

    facts: TrunkFacts

    def cost(self, genome: Genome) -> Cost:
        """Grows with depth and with what is open."""
        opened = [i for i, gene in enumerate(genome.stages) if gene.open and genome.head.trained]
        added = sum(self.facts.parameters[i] for i in opened) + 5
        shared = sum(self.facts.parameters[: genome.depth]) - added + 5
        images = 100 * (genome["epochs"] if genome.head.trained else 1)
        return Cost(
            images=images,
            multiply_adds=float(images * genome.depth),
            active_parameters=shared + added,
            added_parameters=added,
            accounted_parameters=added + shared / 2,
            inference=float(genome.depth),
        )

    def root(self) -> tuple[int, float]:
        """Parameters and multiply-adds of the whole trunk."""
        return sum(self.facts.parameters), float(self.facts.num_stages)

    def pass_of_root(self) -> float:
        """A hundred images through the whole trunk."""
        return 100 * self.root()[1]


def a_world(space: SearchSpace, founders: tuple[Founder, ...] = (), seed: int = 0) -> World:
    """A task's turn on the eight-stage trunk."""
    facts = trunk_facts()
    return World("here", seed, space, facts, founders, Prices(facts))


def told(world: World, candidate: Candidate) -> Evaluation:
    """What becomes of a candidate here: a quality that follows from its genome; some fail, not the first."""
    cost = world.costs.cost(candidate.genome)
    number = int(candidate.genome.digest()[:8], 16) / 2**32
    ok = number > 0.1 or (candidate.generation, candidate.child) == (0, 0)
    score = fitness(number if ok else float("nan"), cost, world.costs.root(), world.space.objective)
    written = [f"stage:{i}" for i, gene in enumerate(candidate.genome.stages) if gene.open]
    written += [f"adapter:{gene.stage}" for gene in candidate.genome.adapters if gene.open]
    slots = [*(written if candidate.genome.head.trained else ()), "head"]
    trained = {slot: digest(f"{slot} of {candidate.id}".encode()) for slot in slots} if ok else {}
    status, quality = (OK, number) if ok else (failed("so it is here"), 0.0)
    return Evaluation(candidate, status, quality, score, (number,), trained, cost, False, Notes())


def played(world: World, algorithm: str, most: int | None = None) -> tuple[Turn, tuple[Evaluation, ...]]:
    """A turn played to its end, or until ``most`` evaluations, and all that was told."""
    turn = Turn(world, algorithms.get(algorithm))
    while (asked := turn.ask()) and (most is None or len(turn.population.evaluations) < most):
        turn.tell(told(world, candidate) for candidate in asked)
    return turn, turn.population.evaluations
