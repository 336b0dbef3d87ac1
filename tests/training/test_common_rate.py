"""What follows is trained at a rate of its own."""

from __future__ import annotations

import math

import pytest

from evo_mtl.evolution.candidate import Candidate, How, Origin
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.mutation import with_own_from
from evo_mtl.network.assembly import assemble
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.testing.worlds import shared_routes
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.optimizers import make_optimizer, set_learning_rate
from evo_mtl.training.own import own_modules
from tests.training.worlds import Workshop


def part_of(workshop: Workshop, genome: Genome) -> OpenPart:
    route = assemble(genome, workshop.layout)
    candidate = Candidate("one", 0, 0, None, Origin(How.SEED, "split"), genome)
    own = own_modules(candidate, route, workshop.layout, 3, 0, bench_routes(workshop))
    return OpenPart(route, own, bench_routes(workshop))


def bench_routes(workshop: Workshop) -> SharedRoutes:
    return shared_routes(workshop.store, workshop.layout)


def test_what_follows_is_trained_at_its_own_rate(workshop: Workshop) -> None:
    rates = {"learning_rate": 0.03, "common_learning_rate": 0.01}
    genome = with_own_from(workshop.genome(4, 2).with_values(rates), 3, workshop.facts)
    part = part_of(workshop, genome)
    optimizer = make_optimizer(genome, part.groups(genome))
    set_learning_rate(optimizer, 0.03)
    given = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for slot, module in part.own.items():
        wanted = 0.01 if slot == "stage:2" else 0.03
        assert all(given[id(p)] == pytest.approx(wanted) for p in module.parameters() if p.requires_grad)
    still = genome.with_values({"learning_rate": 0.0})
    assert all(math.isfinite(group.share) for group in part.groups(still))
    pinned = with_own_from(genome, 0, workshop.facts)
    assert [group.share for group in part_of(workshop, pinned).groups(pinned)] == [1.0]
