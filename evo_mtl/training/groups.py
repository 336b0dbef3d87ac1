"""Which candidates of a generation are trained together: a function of their genomes, never of timings or workers."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import replace

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.files import canonical_json
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.network.assembly import assemble
from evo_mtl.network.kinds.kind import kind_named
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.specs import open_specs
from evo_mtl.training.optimizers import optimizer_kind

LARGEST = 8
"""Members of a group at most: twice as many gain a tenth more at best, and one worker would have them all."""


def stackable(
    candidates: Sequence[Candidate], layout: TrunkLayout, num_classes: int
) -> tuple[tuple[int, ...], ...]:
    """Groups of indices, each candidate in one group, ordered by their first index; most are groups of one.

    Members have the same route up to the weights that their heads and adapters start from, read the
    same images, and take as many steps on batches of one size with one kind of optimiser. They may
    differ in learning rate, momentum, weight decay, label smoothing, warm-up, schedule and clip norm. The
    gene ``norm`` does not matter: nothing that is stacked has batch statistics.

    Args:
        candidates: Of one task and generation, in order of address.
        layout: The root trunk.
        num_classes: Of the task.
    """
    alike: dict[Hashable, list[int]] = {}
    for place, candidate in enumerate(candidates):
        shape = _shape(candidate.genome, layout, num_classes)
        alike.setdefault(("alone", place) if shape is None else shape, []).append(place)
    groups = [part for places in alike.values() for part in _parts(places)]
    return tuple(sorted(groups))


def _parts(places: Sequence[int]) -> list[tuple[int, ...]]:
    """Cuts a long group into as few parts as possible, of sizes as equal as possible."""
    count = -(-len(places) // LARGEST)
    cuts = [len(places) * i // count for i in range(count + 1)]
    return [tuple(places[a:b]) for a, b in itertools.pairwise(cuts)]


def _shape(genome: Genome, layout: TrunkLayout, num_classes: int) -> Hashable | None:
    """What members of a group have in common; ``None`` for a genome that is best tried alone."""
    if not genome.head.trained:
        return None
    route = assemble(genome, layout)
    specs = open_specs(genome, layout, num_classes)
    opened = [specs[node.slot] for node in route.nodes if node.open]
    batch, side = genome["batch_size"], genome.image_size
    ways = [(kind_named(spec["kind"]).together, spec) for spec in opened]
    if any(way is None or not way.pays(spec, batch, side) for way, spec in ways):
        return None
    nodes = tuple(replace(node, component=None) if node.open else node for node in route.nodes)
    return (
        replace(route, nodes=nodes),
        tuple(map(canonical_json, opened)),
        tuple(genome.get(name, None) for name in DATA_HYPERPARAMETERS),
        batch,
        genome["epochs"],
        optimizer_kind(genome),
    )
