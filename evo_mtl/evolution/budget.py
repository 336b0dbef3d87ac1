"""What one task's search may still spend, in planned units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evo_mtl.evolution.candidate import Candidate, CostModel, Evaluation
from evo_mtl.evolution.looks import Looks
from evo_mtl.genome.space import Budget


def affordable(
    candidates: Sequence[Candidate],
    past: Iterable[Evaluation],
    costs: CostModel,
    budget: Budget,
    looks: Looks,
) -> tuple[Candidate, ...]:
    """The candidates, in their order, that together with the past and the looks stay inside the budget.

    One that is too dear is left out and the next is looked at; where no seed candidate of a task fits,
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
