"""What a search space may say where every example comes once, and what where examples stay."""

from __future__ import annotations

from collections.abc import Iterator

from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.genome.space import SearchSpace

NEEDS_SEVERAL = (
    *(name for name in DATA_HYPERPARAMETERS if name != "image_size"),
    "epochs",
    "schedule",
    "warmup_share",
    "answer_views",
    "head_finish",
)
"""Hyperparameters of training that goes over the same examples again, or knows when it will end, and of what is chosen afterwards."""
NEEDS_ONE = ("repeats", "mask_classes")
"""Hyperparameters of learning from batches that come once."""


def unfit_online(space: SearchSpace, order: str) -> str | None:
    """What of a space cannot be had in one pass in that order, in words; ``None`` where it can be searched online."""
    for section in ("looks", "rejection", "stop", "small_data"):
        if getattr(space, section) is not None:
            return f"{section}: needs examples that stay; an online stream gives each once"
    for name in _listed(space):
        if name in NEEDS_SEVERAL:
            return f"hyperparameters: {name}: needs examples that stay; an online stream gives each once"
    for rule in ("multipath", "restart"):
        if getattr(space.mutation, rule):
            return f"mutation: {rule}: needs examples that stay; an online stream gives each once"
    for limit in ("images", "multiply_adds"):
        if getattr(space.budget, limit) is not None:
            return f"budget: {limit}: a race costs what its population costs (race: population)"
    if space.race.population < len(space.seeds):
        return f"race: population: {space.race.population} is less than the {len(space.seeds)} seeds"
    if order != "sequential" and space.stages.own_from:
        alone = space.race.population == 1
        if not alone or space.default("average") or any("average" in seed.values for seed in space.seeds):
            return (
                f"stages: own_from: where tasks are learned side by side ({order}), stages follow only with "
                "race: population: 1 and without average"
            )
    return None


def unfit_offline(space: SearchSpace) -> str | None:
    """What of a space is read in the online regime alone, in words; ``None`` where there is nothing."""
    for name in _listed(space):
        if name in NEEDS_ONE:
            return f"hyperparameters: {name}: is for online streams (regime: online)"
    return None


def _listed(space: SearchSpace) -> Iterator[str]:
    yield from space.hyperparameters
    for seed in space.seeds:
        yield from seed.values
