"""Recombination: two routes joined at a cut, the lower stages of one under the upper stages of the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evo_mtl.genome.genome import Genome, HeadGene, StageGene
from evo_mtl.genome.mutation import legal_taps
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts


def cuts(below: Genome, above: Genome) -> tuple[int, ...]:
    """Depths at which two routes can be joined to stages and adapters that neither of them has."""
    known = (_weights(below), _weights(above))
    possible = range(1, min(below.depth, above.depth - 1) + 1)
    return tuple(cut for cut in possible if _weights(_line(below, above, cut)) not in known)


def recombine(
    below: Genome, above: Genome, space: SearchSpace, facts: TrunkFacts, rng: np.random.Generator
) -> Genome | None:
    """A child of two routes, which are not changed; ``None`` if no cut gives a new one.

    Stages, adapters and taps below a cut, which is drawn evenly, are those of ``below``; from the cut on,
    depth included, those of ``above``. Each hyperparameter and learned probability comes from either
    evenly. What is open in a parent is open in the child; where a space opens whole runs of stages, all from
    the boundary on are. What follows in a parent follows in the child, but for stages above one of the task's own,
    which become its own, too. The head is new, since it reads features that no parent's head has seen.

    Args:
        below, above: Members of one task as they are after training, or one of them another task's route,
            shared and frozen.
        space: What is legal.
        facts: The root trunk.
        rng: Source of every decision.
    """
    legal = cuts(below, above)
    if not legal:
        return None
    cut = legal[rng.integers(len(legal))]
    child = _line(below, above, cut)
    boundary = _boundary(below, above, child, cut)
    stages = child.stages
    if not space.stages.clone:
        stages = tuple(replace(gene, open=i >= boundary) for i, gene in enumerate(stages))
    allowed, end = legal_taps(space, facts, child.depth), below.depth - 1
    lower = [tap for tap in below.taps if tap.stage < cut and (tap.stage != end or tap in allowed)]
    values = {
        name: value if rng.random() < 0.5 else below.get(name, value) for name, value in above.hyperparameters
    }
    return replace(
        child,
        boundary=boundary,
        stages=_own_above_own(stages),
        taps=(*lower, *(tap for tap in above.taps if tap.stage >= cut)),
        head=HeadGene(above.head.of_main),
        hyperparameters=tuple(sorted(values.items())),
        rates=_rates(below, above, rng),
        paths=(),
    )


def _own_above_own(stages: tuple[StageGene, ...]) -> tuple[StageGene, ...]:
    """Stages of which none follows above one that is the task's own."""
    own = [i for i, gene in enumerate(stages) if gene.open and not gene.follows]
    first = min(own, default=len(stages))
    return (*stages[:first], *(replace(gene, follows=False) for gene in stages[first:]))


def _line(below: Genome, above: Genome, cut: int) -> Genome:
    """Stages and adapters of both; everything else is that of ``above``."""
    lower = (gene for gene in below.adapters if gene.stage < cut)
    upper = (gene for gene in above.adapters if gene.stage >= cut)
    return replace(above, stages=(*below.stages[:cut], *above.stages[cut:]), adapters=(*lower, *upper))


def _weights(genome: Genome) -> tuple[object, ...]:
    """What a route's features are computed from."""
    adapters = tuple((gene.stage, gene.kind, gene.settings, gene.component) for gene in genome.adapters)
    return tuple(gene.component for gene in genome.stages), adapters


def _boundary(below: Genome, above: Genome, child: Genome, cut: int) -> int:
    """That of the lower part if it lies there, else that of the upper; nothing below it is open."""
    usual = below.boundary if below.boundary < cut else max(cut, above.boundary)
    stages = [i for i, gene in enumerate(child.stages) if gene.open]
    return min([usual, *stages, *(gene.stage + 1 for gene in child.adapters if gene.open)])


def _rates(below: Genome, above: Genome, rng: np.random.Generator) -> tuple[tuple[str, float], ...]:
    """Learned probabilities, each from either parent that has it."""
    one, other = dict(below.rates), dict(above.rates)
    found = {}
    for name in sorted({*one, *other}):
        known = [rates[name] for rates in (one, other) if name in rates]
        found[name] = known[rng.integers(len(known))]
    return tuple(found.items())
