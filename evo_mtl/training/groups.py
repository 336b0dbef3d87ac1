"""Which candidates of a generation are trained together: a function of their genomes, never of timings or workers."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.space import DATA_HYPERPARAMETERS
from evo_mtl.network.assembly import assemble
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.training.optimizers import optimizer_kind
from evo_mtl.training.own import in_features

LARGEST = 8
"""Members of a group at most: twice as many gain a tenth more at best, and one worker would have them all."""


def stackable(
    candidates: Sequence[Candidate], layout: TrunkLayout, num_classes: int
) -> tuple[tuple[int, ...], ...]:
    """Groups of places, each candidate in one, in order of their first places; most are groups of one.

    Members have the same route up to the weights that their heads and adapters start from, read the
    same images, and take as many steps on batches of one size with one kind of optimiser. They may
    differ in learning rate, momentum, weight decay, label smoothing, warm-up, schedule and clip norm. How
    norms are run does not matter: nothing that is stacked has batch statistics.

    Args:
        candidates: Of one task and generation, in order of address.
        layout: The root trunk.
        num_classes: Of the task.
    """
    alike: dict[Hashable, list[int]] = {}
    for place, candidate in enumerate(candidates):
        genome = candidate.genome
        key = _shape(genome, layout) if _pays(genome, layout, num_classes) else ("alone", place)
        alike.setdefault(key, []).append(place)
    groups = [part for places in alike.values() for part in _parts(places)]
    return tuple(sorted(groups))


def _parts(places: Sequence[int]) -> list[tuple[int, ...]]:
    """Cuts a long group into the fewest parts, as even as can be."""
    count = -(-len(places) // LARGEST)
    cuts = [len(places) * i // count for i in range(count + 1)]
    return [tuple(places[a:b]) for a, b in itertools.pairwise(cuts)]


def _shape(genome: Genome, layout: TrunkLayout) -> Hashable:
    route = assemble(genome, layout)
    nodes = tuple(replace(node, component=None) if node.open else node for node in route.nodes)
    widths = tuple(gene.width for gene in genome.adapters)
    data = tuple(genome[name] for name in DATA_HYPERPARAMETERS)
    return (
        replace(route, nodes=nodes),
        widths,
        data,
        genome["batch_size"],
        genome["epochs"],
        optimizer_kind(genome),
    )


HEAD_NUMBERS: Mapping[int, int] = MappingProxyType({16: 20_480, 32: 20_480, 64: 20_480})
"""Batch size to the most weights of a head (numbers read times classes) for which groups are formed: up to there
two heads together were 1.2 times as fast as one by one or more, eight 1.8 times; with 128,000 weights they
were slower (``scripts/benchmark_speed batched``)."""

ADAPTER_PIXELS = 32 * 48**2
"""Pixels of a batch (batch size times image side squared) up to which candidates with open adapters are grouped: two
trials together were 1.1 times as fast there, four up to 1.6 times; the larger the batch, the less
frozen stages gain from a still larger one (``scripts/benchmark_speed batched``)."""


def _pays(genome: Genome, layout: TrunkLayout, num_classes: int) -> bool:
    if not genome.head.trained or genome.paths or any(gene.open for gene in genome.stages):
        return False
    batch = genome["batch_size"]
    limits = [numbers for size, numbers in HEAD_NUMBERS.items() if batch <= size]
    if not limits or in_features(genome, layout) * num_classes > limits[0]:
        return False
    adapted = any(gene.open for gene in genome.adapters)
    return not adapted or batch * genome.image_size**2 <= ADAPTER_PIXELS
