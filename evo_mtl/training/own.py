"""The modules that belong to one candidate alone, and the specs of the components they become."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import Genome
from evo_mtl.network.adapters import ConvAdapter, TokenAdapter, make_adapter
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.heads import Head
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.multipath import MultipathHead
from evo_mtl.network.route import Node, Route
from evo_mtl.seeding import torch_seed
from evo_mtl.training.heads import new_head
from evo_mtl.training.multipath import head_spec, multipath_head, multipath_spec, taps_width


def own_modules(
    candidate: Candidate, route: Route, layout: TrunkLayout, num_classes: int, seed: int, shared: SharedRoutes
) -> dict[str, nn.Module]:
    """A module for every open slot: a copy of what the genome names, or a fresh one.

    Args:
        candidate: Its address names what is drawn.
        route: Its route.
        layout: The root trunk.
        num_classes: Of its task.
        seed: The run's seed.
        shared: Where components come from, and where modules go.
    """
    own: dict[str, nn.Module] = {}
    for node in route.nodes:
        if not node.open:
            continue
        if node.component is not None:
            module = shared.modules.fresh(node.component)
            if node.slot == "head" and candidate.genome.paths:
                module = multipath_head(module, candidate.genome, layout)
        elif node.slot == "head":
            drawn = torch_seed(seed, *candidate.address, "projection")
            module = new_head(candidate.genome, in_features(candidate.genome, layout), num_classes, drawn)
        else:
            module = _fresh_adapter(candidate, node, layout, seed)
        own[node.slot] = module.to(shared.device).requires_grad_(True)
        if isinstance(module, MultipathHead):
            module.main.requires_grad_(False)
    return own


def _fresh_adapter(candidate: Candidate, node: Node, layout: TrunkLayout, seed: int) -> nn.Module:
    stage = int(node.slot.removeprefix("adapter:"))
    gene = next(gene for gene in candidate.genome.adapters if gene.stage == stage)
    drawn = torch.Generator().manual_seed(torch_seed(seed, *candidate.address, node.slot))
    module = make_adapter(layout.kind, layout.channels[stage], gene.width, drawn)
    return module.to(memory_format=torch.channels_last)


def in_features(genome: Genome, layout: TrunkLayout) -> int:
    """Numbers a genome's head reads, of all its paths."""
    return sum(taps_width(taps, layout) for taps in (genome.taps, *(path.taps for path in genome.paths)))


def component_spec(node: Node, module: nn.Module, layout: TrunkLayout) -> dict[str, Any]:
    """Spec of the component that an open slot's module becomes."""
    if node.operation == "stage":
        return layout.stage_spec(int(node.slot.removeprefix("stage:")))
    if isinstance(module, MultipathHead):
        return multipath_spec(module)
    if node.operation == "adapter":
        stage = int(node.slot.removeprefix("adapter:"))
        assert isinstance(module, ConvAdapter | TokenAdapter)
        return layout.adapter_spec(stage, len(module.down.weight))
    assert isinstance(module, Head)
    return head_spec(module)
