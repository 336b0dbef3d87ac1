"""What an archived task is offered: candidates on lines of routes that came after its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evo_mtl.evolution.candidate import Candidate, How, Origin, turn_address
from evo_mtl.evolution.looks import Look, LookRequest, line_to_look_at
from evo_mtl.evolution.turn import World
from evo_mtl.genome.genome import essence
from evo_mtl.genome.sampling import on_line, seed_genome
from evo_mtl.genome.sections import LookRules
from evo_mtl.seeding import generator

MOST_LINES = 2
"""Lines that candidates stand on: the best that were looked at."""


def look_rules(world: World) -> LookRules:
    """Those of the space, or what they are by default: an offer always looks first."""
    return world.space.looks or LookRules()


def offered_lines(world: World, number: int, image_size: int) -> tuple[LookRequest, ...]:
    """Looks at newer routes: ``world.founders``, or as many of them as the space looks at, drawn by address.

    Args:
        world: Of the task; its founders are the newer routes.
        number: Of the offer, from 1.
        image_size: Of the task's own route.
    """
    rng = generator(world.seed, *turn_address(world.task, world.pass_, number), "looks")
    drawn = rng.permutation(len(world.founders))[: look_rules(world).parents]
    requests = []
    for place in drawn:
        founder = world.founders[place]
        line = line_to_look_at(founder.genome, world.space, world.facts)
        requests.append(LookRequest(founder.id, line.at(image_size)))
    return tuple(requests)


def offered(world: World, number: int, looks: Sequence[Look]) -> tuple[Candidate, ...]:
    """The space's seed candidates on each of the best lines, at the size of the looks."""
    best = sorted(looks, key=lambda look: (-look.quality, str(look.parent)))[:MOST_LINES]
    lines = {founder.task: founder.genome for founder in world.founders}
    made: list[Candidate] = []
    seen: set[str] = set()
    for look in best:
        for seed in world.space.seeds:
            assert look.parent is not None  # offers look at routes alone
            genome = on_line(seed_genome(seed, world.space, world.facts), lines[look.parent.task])
            genome = genome.at(look.image_size)
            if world.legal(genome) and essence(genome) not in seen:
                seen.add(essence(genome))
                one = Candidate(world.task, 0, len(made), look.parent, Origin(How.SEED, seed.name), genome)
                made.append(replace(one, pass_=world.pass_, offer=number))
    return tuple(made)
