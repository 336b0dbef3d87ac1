"""Tree-structured Parzen estimators over the whole genome, by Optuna's sampler (Bergstra 2011)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evo_mtl.evolution.candidate import DRAW, Candidate, Evaluation
from evo_mtl.evolution.optuna_trial import trial_of
from evo_mtl.evolution.parameters import choices, genome_of, on_root_trunk, parameters_of
from evo_mtl.evolution.population import Population
from evo_mtl.evolution.quiet import quiet_optuna
from evo_mtl.evolution.turn import MAX_REDRAWS, World
from evo_mtl.genome.genome import Genome, Value, essence
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.genome.rates import MU
from evo_mtl.seeding import words

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial


def tpe(world: World, population: Population, generation: int) -> tuple[Candidate, ...]:
    """A generation of draws on the root trunk, more likely where the best so far differ from the others.

    The study is rebuilt from what was told, so that nothing need be kept between generations. Earlier draws of
    the same generation count as bad while the next is drawn, which keeps them apart. The data hyperparameters
    are those of the first draw that has them, shared by the whole generation. A solved head that was tried
    before is drawn again, and so is what exceeds a limit of the space.
    """
    study = _study(world, population.evaluations, generation)
    tried = {essence(one.candidate.genome) for one in population.evaluations}
    data: dict[str, Value] = {}
    drawn = []
    for child in range(world.space.budget.children):
        for _ in range(MAX_REDRAWS):
            own = dict(data)
            genome = _draw(study.ask(), own, world)
            if world.legal(genome) and (genome.head.trained or essence(genome) not in tried):
                break
        data = own
        tried.add(essence(genome))
        drawn.append(Candidate(world.task, generation, child, None, DRAW, genome))
    return tuple(drawn)


def _study(world: World, evaluations: Sequence[Evaluation], generation: int) -> Study:
    """What the sampler learns from: every evaluation that is on the root trunk, in order."""
    import optuna  # imported here, so that no other algorithm waits for it

    # Jointly, as parameters act together; in groups, as some have only those that others call for. On a made-up
    # landscape and four generations of four, this found better genomes than one parameter at a time.
    seed = words(world.seed, *world.address, "generation", generation, "sampler")[0]
    with quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=1, multivariate=True, group=True, constant_liar=True
        )
        study = optuna.create_study(study_name=world.task, direction="maximize", sampler=sampler)
    for one in evaluations:
        if on_root_trunk(one.candidate.genome, world.facts):
            study.add_trial(_trial(one, world))
    return study


def _draw(trial: Trial, data: dict[str, Value], world: World) -> Genome:
    """What the sampler proposes; ``data`` has the generation's data hyperparameters and gains new ones."""

    def pick(name: str, values: tuple[Value, ...]) -> Value:
        if name == MU:  # nothing is mutated
            return world.space.default(MU)
        if name in data:
            return data[name]
        if _ordered(values):
            value = values[trial.suggest_int(name, 0, len(values) - 1)]
        else:
            value = values[values.index(trial.suggest_categorical(name, values))]
        if name in DATA_HYPERPARAMETERS:
            data[name] = value
        return value

    return genome_of(pick, world.space, world.facts)


def _trial(evaluation: Evaluation, world: World) -> FrozenTrial:
    """An evaluation as the sampler knows it; ordered values by their places."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    known = choices(world.space, world.facts)
    params: dict[str, Value] = {}
    distributions: dict[str, BaseDistribution] = {}
    for name, value in parameters_of(evaluation.candidate.genome, world.space, world.facts).items():
        values = known[name]
        if name == MU:
            continue
        if _ordered(values):
            params[name], distributions[name] = values.index(value), IntDistribution(0, len(values) - 1)
        else:
            params[name], distributions[name] = value, CategoricalDistribution(values)
    return trial_of(evaluation, params, distributions)


def _ordered(values: tuple[Value, ...]) -> bool:
    """Whether neighbours in a list are alike: numbers are, words and switches are not."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
