"""The looks a task's search begins with: first at the root trunk, then at the routes of the most similar tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evo_mtl.evolution.looks import Looks, by_nearness, parent_looks, root_line, root_looks
from evo_mtl.evolution.population import Founder
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.searching.trials import Trials


def first_looks(
    space: SearchSpace,
    facts: TrunkFacts,
    founders: Sequence[Founder],
    descriptors: Mapping[str, str],
    trials: Trials,
    rng: np.random.Generator,
) -> tuple[Looks, str | None]:
    """What looks say about a task, and its descriptor; nothing if the space asks for no looks.

    Args:
        space: How many looks, at what sizes.
        facts: The root trunk.
        founders: Routes of other tasks.
        descriptors: Of archived tasks, by name.
        trials: Does them.
        rng: Orders the routes of tasks about which nothing is known.
    """
    rules = space.looks
    if rules is None:
        return Looks(), None
    of_root = trials.looks(root_looks(space, facts), rules.max_images)
    if not rules.parents:
        return Looks(tuple(of_root)), None
    own = trials.descriptor(root_line(space, facts), rules.max_images)
    nearest = by_nearness(founders, own, descriptors, rng)
    of_parents = trials.looks(parent_looks(space, facts, nearest), rules.max_images)
    return Looks((*of_root, *of_parents)), own
