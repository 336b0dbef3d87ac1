"""A task's own route as the first member of the population of a later pass."""

from __future__ import annotations

from dataclasses import replace

from evo_mtl.evolution.candidate import OWN_ROUTE, Candidate, Evaluation
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import OK, Notes
from evo_mtl.genome.genome import locked
from evo_mtl.genome.sections import Objective
from evo_mtl.run.events import Answer
from evo_mtl.training.pricing import Pricing


def incumbent(task: str, pass_: int, route: Answer, pricing: Pricing, objective: Objective) -> Evaluation:
    """What a pass begins with instead of seed candidates; nothing was tried for it, so nothing is charged.

    Its quality stands, since the data are the same; if it was pooled, that on the validation images alone counts, since
    these decide in a later pass. Its score is computed anew: other tasks may have come to share its
    components, or have ceased to.

    Args:
        task: Name.
        pass_: The pass that begins, from 2.
        route: The task's.
        pricing: Of the task, with the other routes as they are now.
        objective: Of the search space.
    """
    shared = {component for component, users in pricing.users.items() if users > 0}
    way = route.way
    quality = route.told.quality if way.pooled is None else way.pooled.validation
    genome = locked(way.genome, shared)
    views = way.route.views
    cost = replace(pricing.cost(genome, views=len(views)), images=0, multiply_adds=0.0)
    return Evaluation(
        candidate=Candidate(task, 0, 0, None, OWN_ROUTE, genome, pass_=pass_),
        status=OK,
        quality=quality,
        score=fitness(quality, cost, pricing.root(), objective),
        curve=(quality,),
        trained={},
        cost=cost,
        admitted=False,
        notes=Notes(temperature=way.temperature, views=views),
    )
