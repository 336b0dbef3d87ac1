"""From a genome to the specs of the components that its task would own."""

from __future__ import annotations

from typing import Any

from evo_mtl.genome.genome import Genome, TapGene
from evo_mtl.network.kinds.kind import head_kind
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.pooling import pooled_size


def taps_widths(genome: Genome, layout: TrunkLayout) -> tuple[int, ...]:
    """How many numbers the taps of each line give together, the main line first."""
    lines = (genome.taps, *(path.taps for path in genome.paths))
    return tuple(_width(taps, layout) for taps in lines)


def in_features(genome: Genome, layout: TrunkLayout) -> int:
    """How many numbers a genome's head reads, over all its lines."""
    return sum(taps_widths(genome, layout))


def open_specs(
    genome: Genome, layout: TrunkLayout, num_classes: int, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Spec of every slot of a route that may be open, by slot.

    Args:
        genome: Whose route it is.
        layout: The root trunk.
        num_classes: Of its task.
        seed: Of what a head draws.
    """
    stages = {f"stage:{i}": layout.stage_spec(i) for i in range(genome.depth)}
    adapters = {f"adapter:{gene.stage}": layout.adapter_spec(gene) for gene in genome.adapters}
    head = head_kind(genome.head.kind).describe(genome, taps_widths(genome, layout), num_classes, seed)
    return {**stages, **adapters, "head": head}


def _width(taps: tuple[TapGene, ...], layout: TrunkLayout) -> int:
    return sum(pooled_size(layout.channels[tap.stage], tap.grid) for tap in taps)
