"""Components as modules: a component's spec says how to build it, its tensors fill it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from evo_mtl.errors import CorruptionError
from evo_mtl.network.adapters import make_adapter
from evo_mtl.network.heads import Head
from evo_mtl.network.trunks import stage_module

Read = Callable[[str], tuple[Mapping[str, Tensor], Mapping[str, Any]]]
"""From a digest to a component's tensors and spec."""


def build(spec: Mapping[str, Any]) -> nn.Module:
    """A module of the spec's kind; its weights are still to be filled in.

    A spec is plain data: ``{"kind": "stage", "trunk", "cut", "index"}``,
    ``{"kind": "adapter", "form", "channels", "width"}`` or
    ``{"kind": "head", "in_features", "num_classes", "projection_width", "projection_seed"}``.
    """
    arguments = {name: value for name, value in spec.items() if name != "kind"}
    match spec.get("kind"):
        case "stage":
            return stage_module(arguments["trunk"], arguments["cut"], arguments["index"])
        case "adapter":
            return make_adapter(
                arguments["form"], arguments["channels"], arguments["width"], torch.Generator()
            )
        case "head":
            return Head(**arguments)
    raise CorruptionError(f"a component of unknown kind {spec.get('kind')!r}")


def load_module(read: Read, component: str) -> nn.Module:
    """A fresh module with a component's weights, in eval mode."""
    tensors, spec = read(component)
    module = build(spec)
    module.load_state_dict(dict(tensors))
    return module.to(memory_format=torch.channels_last).eval()


class Modules:
    """Frozen modules by digest, each loaded once, the least recently used dropped.

    Args:
        read: Where components come from.
        capacity: Modules kept.
        device: Where they run.
    """

    def __init__(self, read: Read, capacity: int = 512, device: str = "cpu") -> None:
        self.read = read
        self.device = torch.device(device)
        self._capacity = capacity
        self._kept: OrderedDict[str, nn.Module] = OrderedDict()

    def __getitem__(self, component: str) -> nn.Module:
        """The frozen module of a component; shared, never to be trained."""
        if component not in self._kept:
            self._kept[component] = self.fresh(component).requires_grad_(False)
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        self._kept.move_to_end(component)
        return self._kept[component]

    def fresh(self, component: str) -> nn.Module:
        """A copy of one's own, which may be trained."""
        return load_module(self.read, component).to(self.device)
