"""The looks a task's search begins with: first at the root trunk, then at the routes of the most similar tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from evo_mtl.archive.timings import append_timing
from evo_mtl.evolution.looks import Looks, by_nearness, parent_looks, root_line, root_looks
from evo_mtl.evolution.population import Founder
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.run import progress as tell
from evo_mtl.run.events import Looked
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.session import Session
from evo_mtl.searching.trials import Trials
from evo_mtl.seeding import generator


def look(session: Session) -> Looks:
    """The first step of a visit: what looks say about the task, as committed, or looked up now and committed."""
    ground, world, name = session.ground, session.world, session.task.name
    if name in ground.state.looks:
        looks = Looks(ground.state.looked(name).looks)
        _tell(ground, name, looks, 0.0, replayed=True)
        return looks
    if world.space.looks is None:
        return Looks()
    start = time.monotonic()
    rng = generator(world.seed, *world.address, "looks")
    looks, own = first_looks(
        world.space, world.facts, world.founders, ground.state.descriptors, session.trials, rng
    )
    descriptor = None if ground.state.tasks[name].brief.private else own
    ground.commit(Looked(name, world.pass_, looks.all, descriptor))
    seconds = round(time.monotonic() - start, 3)
    append_timing(ground.folder.timings, task=name, looks=len(looks.all), seconds=seconds)
    _tell(ground, name, looks, seconds, replayed=False)
    return looks


def _tell(ground: Ground, task: str, looks: Looks, seconds: float, replayed: bool) -> None:
    size = looks.image_size()
    if size is not None:
        best = max(one.quality for one in looks.of_root)
        ground.progress(tell.Looked(task, len(looks.all), size, best, looks.parent(), seconds, replayed))


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
