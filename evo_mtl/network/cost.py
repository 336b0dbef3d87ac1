"""What the parts of routes cost: parameters and multiply-adds, from shapes alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import torch

from evo_mtl.genome.genome import AdapterGene, Genome, PathGene, lines
from evo_mtl.network.kinds.kind import Spec, num_parameters, parameters_of, work_of
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.trunks import StageWork, stage_modules, stage_outlines, work_in


@lru_cache(maxsize=16)
def stage_parameters(name: str, cut: str) -> tuple[int, ...]:
    """Parameters of each stage of a trunk."""
    return tuple(num_parameters(stage) for stage in stage_outlines(name, cut))


def adapter_parameters(layout: TrunkLayout, gene: AdapterGene) -> int:
    """Parameters of an adapter."""
    return parameters_of(layout.adapter_spec(gene))


def line_multiply_adds(
    layout: TrunkLayout, depth: int, adapters: Iterable[AdapterGene], image_size: int
) -> tuple[int, ...]:
    """Multiply-adds of one example in each stage, the adapter behind it included.

    Args:
        layout: The trunk.
        depth: Stages of the route.
        adapters: Of the route.
        image_size: Side of a square image; not read where examples are not images.
    """
    stages = _trunk_work(layout, image_size)
    work = [stage.multiply_adds for stage in stages[:depth]]
    for gene in adapters:
        work[gene.stage] += work_of(layout.adapter_spec(gene), stages[gene.stage].shape).total
    return tuple(work)


def answer_multiply_adds(genome: Genome, layout: TrunkLayout, head: Spec) -> int:
    """Multiply-adds of one example through all lines of a route and its head."""
    main = line_multiply_adds(layout, genome.depth, genome.adapters, genome.image_size)
    return sum(main) + further_work(genome, layout) + work_of(head, ()).total


@lru_cache(maxsize=64)
def _trunk_work(layout: TrunkLayout, image_size: int) -> tuple[StageWork, ...]:
    source = layout.input.at(image_size)
    first = source.first(torch.from_numpy(np.zeros((1, *source.shape), source.dtype)))
    return work_in(stage_modules(layout.name, layout.cut), first)


def further_parts(genome: Genome, layout: TrunkLayout) -> Iterator[tuple[str, int]]:
    """Component and parameters of what further lines of a route run and no line before them contains."""
    if not genome.paths:
        return
    main, *others = lines(genome)
    seen = {component for _, component, _, _ in _nodes(main, genome, layout)}
    for line in others:
        for _, component, parameters, _ in _nodes(line, genome, layout):
            if component not in seen:
                seen.add(component)
                yield component, parameters


def further_work(genome: Genome, layout: TrunkLayout) -> int:
    """Multiply-adds of one image in the nodes that further lines run and no line before them."""
    if not genome.paths:
        return 0
    main, *others = lines(genome)
    seen = {chain for chain, _, _, _ in _nodes(main, genome, layout)}
    total = 0
    for line in others:
        for chain, _, _, work in _nodes(line, genome, layout):
            total += 0 if chain in seen else work
            seen.add(chain)
    return total


def _nodes(
    line: PathGene, genome: Genome, layout: TrunkLayout
) -> Iterator[tuple[tuple[str, ...], str, int, int]]:
    """Each stage and adapter of a line: the components it is computed with, its own, its parameters and work."""
    depth, size = len(line.stages), genome.image_size
    adapters = {gene.stage: gene for gene in line.adapters}
    plain = line_multiply_adds(layout, depth, (), size)
    whole = line_multiply_adds(layout, depth, line.adapters, size)
    counts = stage_parameters(layout.name, layout.cut)
    chain: tuple[str, ...] = ()
    for i, component in enumerate(line.stages):
        chain = (*chain, component)
        yield chain, component, counts[i], plain[i]
        if i in adapters and (own := adapters[i].component) is not None:
            chain = (*chain, own)
            yield chain, own, adapter_parameters(layout, adapters[i]), whole[i] - plain[i]
