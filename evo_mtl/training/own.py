"""The modules that belong to one candidate alone."""

from __future__ import annotations

import torch
from torch import nn

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.kinds.kind import head_kind, new, open_for_training
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import Route
from evo_mtl.network.specs import open_specs
from evo_mtl.seeding import torch_seed


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
    projection = torch_seed(seed, *candidate.address, "projection")
    specs = open_specs(candidate.genome, layout, num_classes, projection)
    own: dict[str, nn.Module] = {}
    for node in route.nodes:
        if not node.open:
            continue
        spec = specs[node.slot]
        if node.component is None:
            drawn = torch.Generator().manual_seed(torch_seed(seed, *candidate.address, node.slot))
            module = new(spec, drawn)
        else:
            module = shared.modules.fresh(node.component)
            if node.operation == "head":
                module = head_kind(spec["kind"]).inherit(module, spec)
        own[node.slot] = module.to(shared.device)
        open_for_training(own[node.slot])
    return own
