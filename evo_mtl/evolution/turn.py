"""One task's turn as ask and tell; an algorithm says only how a generation is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from evo_mtl.evolution.budget import affordable, require_within, within
from evo_mtl.evolution.candidate import Candidate, CostModel, Evaluation, How, OfTask, Origin, turn_address
from evo_mtl.evolution.looks import Looks
from evo_mtl.evolution.population import Founder, Population
from evo_mtl.evolution.stopping import too_little
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.sampling import on_line, seed_genome
from evo_mtl.genome.sections import Limits, SeedCandidate
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts

MAX_REDRAWS = 20
"""How often a child is drawn again before it is taken as it is, whatever speaks against it."""


@dataclass(frozen=True)
class World:
    """What an algorithm may know when it makes a generation; nothing in it changes.

    Attributes:
        task: Name of the active task.
        seed: The run's seed; every draw is made at an address below it.
        space: The search space.
        facts: The root trunk.
        founders: Routes of the other tasks, oldest first.
        costs: Prices genomes.
        looks: What cheap looks said of the task before anything was trained.
        pass_: Which visit of the task this is, from 1.
    """

    task: str
    seed: int
    space: SearchSpace
    facts: TrunkFacts
    founders: tuple[Founder, ...]
    costs: CostModel
    looks: Looks = field(default_factory=Looks)
    pass_: int = 1

    @property
    def address(self) -> tuple[str | int, ...]:
        """The beginning of every address from which this turn draws."""
        return turn_address(self.task, self.pass_)

    def legal(self, genome: Genome) -> bool:
        """Whether a genome keeps the space's limits; one that does not is never tried, so it should be drawn again."""
        limits = self.space.limits
        return limits == Limits() or within(self.costs.cost(genome), limits)


Algorithm = Callable[[World, Population, int], tuple[Candidate, ...]]
"""Makes the candidates of a generation (1, 2, …) from what earlier generations gave."""


def seed_candidates(world: World) -> tuple[Candidate, ...]:
    """Generation 0, the same for every algorithm: the space's seeds, in order."""
    return tuple(_seed_candidate(world, i, seed) for i, seed in enumerate(world.space.seeds))


def _seed_candidate(world: World, place: int, seed: SeedCandidate) -> Candidate:
    """A seed candidate; what it follows is taken from the looks."""
    looks = world.looks
    parent: OfTask | None = None
    size = int(seed.values.get("image_size", world.space.image_size))
    if "image_size" in seed.follow:
        size = looks.image_size() or size
        seed = seed.model_copy(update={"values": {**seed.values, "image_size": size}})
    if "depth" in seed.follow and (depth := looks.depth(world.space.stages.depths, size)):
        seed = seed.model_copy(update={"depth": depth})
    genome = seed_genome(seed, world.space, world.facts)
    if "parent" in seed.follow and (parent := looks.parent()):
        line = next(one.genome for one in world.founders if one.id == parent)
        genome = on_line(genome, line)
    return Candidate(world.task, 0, place, parent, Origin(How.SEED, seed.name), genome)


@dataclass
class Turn:
    """A task's search: ``ask`` for a generation, ``tell`` what came of it, until ``ask`` gives nothing.

    Telling it the committed generations of a journal brings it to the same state as having run them.
    """

    world: World
    algorithm: Algorithm
    population: Population = field(default_factory=Population)
    generation: int = 0

    def ask(self) -> tuple[Candidate, ...]:
        """The next generation; empty when the budget is spent or the stop rule holds. Asking twice gives the same.

        Raises:
            ConfigError: No seed candidate keeps the limits.
        """
        budget = self.world.space.budget
        if self.generation > budget.generations or self.early_end is not None:
            return ()
        if self.generation == 0:
            made = seed_candidates(self.world)
            require_within(made, self.world.costs, self.world.space.limits, self.world.space.name)
        else:
            made = self.algorithm(self.world, self.population, self.generation)
        visit = (replace(candidate, pass_=self.world.pass_) for candidate in made)
        legal = [one for one in visit if self.world.legal(one.genome)]
        return affordable(legal, self.population.evaluations, self.world.costs, budget, self.world.looks)

    @property
    def early_end(self) -> float | None:
        """The expected gain with which the stop rule ends the search, generations being left; else ``None``."""
        world, done = self.world, self.population.evaluations
        budget, rule = world.space.budget, world.space.stop
        if self.generation > budget.generations:
            return None
        return too_little(done, budget.children, world.costs, rule)

    def tell(self, evaluations: Iterable[Evaluation]) -> tuple[Evaluation, ...]:
        """Takes a whole generation, in the order of its addresses; returns it with admission decided."""
        decided = tuple(self.population.admit(evaluation) for evaluation in evaluations)
        self.population = self.population.tell(decided)
        self.generation += 1
        return decided
