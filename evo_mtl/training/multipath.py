"""Multipath heads in training: made of what a candidate inherits, made ready, described; and what paths cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from evo_mtl.genome.genome import Genome, PathGene, TapGene
from evo_mtl.genome.multipath import lines
from evo_mtl.network.cost import adapter_parameters, line_multiply_adds, stage_parameters
from evo_mtl.network.heads import Head
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.multipath import MultipathHead
from evo_mtl.network.pooling import pooled_size
from evo_mtl.training.closed_form import standardise


def taps_width(taps: tuple[TapGene, ...], layout: TrunkLayout) -> int:
    """Numbers that some taps of a line give together."""
    return sum(pooled_size(layout.channels[tap.stage], tap.grid) for tap in taps)


def multipath_head(inherited: nn.Module, genome: Genome, layout: TrunkLayout) -> MultipathHead:
    """A candidate's multipath head from what its genome names: a finished head, or a multipath head.

    Args:
        inherited: A copy of one's own; the result is made of it.
        genome: Names the paths.
        layout: The root trunk.
    """
    if isinstance(inherited, Head):
        return MultipathHead(inherited, [taps_width(path.taps, layout) for path in genome.paths])
    assert isinstance(inherited, MultipathHead)
    return inherited.first(len(genome.paths))


def ready_connectors(head: MultipathHead, taps: Tensor) -> None:
    """Standardises each further path by the training images, as every head does what it reads.

    An inherited head is given the numbers it has: what it reads is frozen.

    Args:
        head: Filled in place.
        taps: ``(N, D)`` of the training images, path after path.
    """
    parts = taps.split(head.widths, dim=1)[1:]
    for connector, part in zip(head.connectors, parts, strict=True):
        assert isinstance(connector, Head)
        mean, scale = standardise(part)
        connector.mean.copy_(mean)
        connector.scale.copy_(scale)


def multipath_spec(head: MultipathHead) -> dict[str, Any]:
    """Spec of the component that a multipath head becomes."""
    main = {name: value for name, value in head_spec(head.main).items() if name != "kind"}
    return {"kind": "multipath", "main": main, "widths": list(head.widths[1:])}


def head_spec(head: Head) -> dict[str, Any]:
    """Spec of the component that a head becomes."""
    return {
        "kind": "head",
        "in_features": len(head.mean),
        "num_classes": head.linear.out_features,
        "projection_width": 0 if head.projection is None else head.linear.in_features,
        "projection_seed": head.projection_seed,
    }


def further_parts(genome: Genome, layout: TrunkLayout) -> Iterator[tuple[str, int]]:
    """Component and parameters of what further paths run and no path before them holds."""
    main, *others = lines(genome)
    seen = {component for _, component, _, _ in _nodes(main, genome, layout)}
    for path in others:
        for _, component, parameters, _ in _nodes(path, genome, layout):
            if component not in seen:
                seen.add(component)
                yield component, parameters


def further_work(genome: Genome, layout: TrunkLayout) -> int:
    """Multiply-adds of one image in the nodes that further paths run and no path before them."""
    main, *others = lines(genome)
    seen = {chain for chain, _, _, _ in _nodes(main, genome, layout)}
    total = 0
    for path in others:
        for chain, _, _, work in _nodes(path, genome, layout):
            total += 0 if chain in seen else work
            seen.add(chain)
    return total


def multipath_head_cost(genome: Genome, layout: TrunkLayout, num_classes: int) -> tuple[int, int]:
    """Parameters, and multiply-adds of one image, of connectors and router; the main head's are not counted."""
    widths = [taps_width(path.taps, layout) for path in genome.paths]
    connectors, num_paths = sum(widths) * num_classes, len(widths) + 1
    router = num_classes * num_paths
    biases = num_classes * len(widths) + num_paths
    return (
        connectors + router + biases,
        connectors + 2 * router,
    )  # the weighted sum costs what the router does


def _nodes(
    path: PathGene, genome: Genome, layout: TrunkLayout
) -> Iterator[tuple[tuple[str, ...], str, int, int]]:
    """Each stage and adapter of a path: the components it is computed with, its own, its parameters and work."""
    depth, size = len(path.stages), genome.image_size
    adapters = {gene.stage: gene for gene in path.adapters}
    plain = line_multiply_adds(layout, depth, (), size)
    whole = line_multiply_adds(layout, depth, tuple((g.stage, g.width) for g in path.adapters), size)
    counts = stage_parameters(layout.name, layout.cut)
    chain: tuple[str, ...] = ()
    for i, component in enumerate(path.stages):
        chain = (*chain, component)
        yield chain, component, counts[i], plain[i]
        if i in adapters and (own := adapters[i].component) is not None:
            chain = (*chain, own)
            parameters = adapter_parameters(layout.kind, layout.channels[i], adapters[i].width)
            yield chain, own, parameters, whole[i] - plain[i]
