"""What one task's search may still spend, in planned units, and what no candidate may cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evo_mtl.errors import ConfigError
from evo_mtl.evolution.candidate import Candidate, Cost, CostModel, Evaluation
from evo_mtl.evolution.looks import Looks
from evo_mtl.genome.sections import Budget, Limits


def affordable(
    candidates: Sequence[Candidate],
    past: Iterable[Evaluation],
    costs: CostModel,
    budget: Budget,
    looks: Looks,
) -> tuple[Candidate, ...]:
    """The candidates, in their order, that together with the past and the looks stay inside the budget.

    One that is too expensive is left out and the next is considered; if no seed candidate of a task fits,
    the cheapest is let through, so that a task never ends without a route.
    """
    charged = [evaluation.cost for evaluation in past]
    images = looks.images + sum(cost.images for cost in charged)
    multiply_adds = looks.multiply_adds + sum(cost.multiply_adds for cost in charged)
    kept: list[Candidate] = []
    priced = [(candidate, costs.cost(candidate.genome)) for candidate in candidates]
    for candidate, cost in priced:
        fits = (budget.images is None or images + cost.images <= budget.images) and (
            budget.multiply_adds is None or multiply_adds + cost.multiply_adds <= budget.multiply_adds
        )
        if fits:
            kept.append(candidate)
            images += cost.images
            multiply_adds += cost.multiply_adds
    if not kept and not charged and priced:
        kept = [min(priced, key=lambda one: one[1].multiply_adds)[0]]
    return tuple(kept)


def exceeded(cost: Cost, limits: Limits) -> list[tuple[str, float, float]]:
    """Limits that a candidate does not keep: name, its figure, the most there may be."""
    figures = {
        "active_parameters": (cost.active_parameters, limits.active_parameters),
        "added_parameters": (cost.added_parameters, limits.added_parameters),
        "multiply_adds": (cost.inference, limits.multiply_adds),
    }
    return [
        (name, figure, most) for name, (figure, most) in figures.items() if most is not None and figure > most
    ]


def within(cost: Cost, limits: Limits) -> bool:
    """Whether a candidate keeps every limit."""
    return not exceeded(cost, limits)


def require_within(candidates: Sequence[Candidate], costs: CostModel, limits: Limits, place: object) -> None:
    """Raises ``ConfigError`` if no candidate keeps the limits; the message tells the one that comes nearest."""
    worst = [
        (max(exceeded(costs.cost(one.genome), limits), key=_times, default=None), str(one.origin))
        for one in candidates
    ]
    broken = [(found, origin) for found, origin in worst if found is not None]
    if broken and len(broken) == len(worst):
        (name, figure, most), origin = min(broken, key=lambda pair: _times(pair[0]))
        message = f"limits.{name}: {most:,} leaves no seed candidate; {origin!r}, the nearest, has {figure:,}"
        raise ConfigError(message, place)


def _times(found: tuple[str, float, float]) -> float:
    return found[1] / found[2]
