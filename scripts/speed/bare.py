"""How fast this machine runs and trains stages with nothing of ours around them: the rates of the floor."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_mtl.engines.workbench import set_threads
from evo_mtl.genome.genome import Genome
from evo_mtl.network.components import Modules, Read
from evo_mtl.network.cost import line_multiply_adds
from evo_mtl.network.forward import CHUNK
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.pooling import pool
from speed.measure import timed


class Bare:
    """Rates of the root trunk's stages, each measured once.

    Args:
        layout: The trunk.
        components: Of its stages.
        read: Where they are.
        repeats: Readings a rate, of which the median counts.
    """

    def __init__(self, layout: TrunkLayout, components: Sequence[str], read: Read, repeats: int) -> None:
        set_threads(1)
        self._layout, self._components, self._repeats = layout, components, repeats
        self._modules = Modules(read)
        self._forwards: dict[tuple[int, int], float] = {}
        self._rates: dict[tuple[Any, ...], float] = {}

    def forward(self, size: int, depth: int) -> float:
        """Seconds an image of the first ``depth`` frozen stages, in chunks."""
        if (size, depth) not in self._forwards:
            pixels = self._noise(CHUNK, size)
            seconds = self._median(lambda: self._frozen(pixels, depth))
            self._forwards[size, depth] = seconds / CHUNK
        return self._forwards[size, depth]

    def training_rate(self, genome: Genome, in_features: int, num_classes: int) -> float:
        """Multiply-adds a second of the genome's open stages, forward and backward.

        A head alone is a linear layer; adapters are left out of what is measured.
        """
        size, first, depth = genome["image_size"], genome.first_open, genome.depth
        batch, train = genome["batch_size"], genome["norm"] == "train"
        width = in_features if first == depth else self._layout.channels[depth - 1]
        key = (size, first, depth, batch, train, width, num_classes)
        if key not in self._rates:
            head = nn.Linear(width, num_classes)
            stages = nn.ModuleList(self._modules.fresh(c) for c in self._components[first:depth])
            stages.requires_grad_(True).train(train)
            labels = torch.zeros(batch, dtype=torch.int64)
            here: Any = torch.zeros(batch, width)
            if first < depth:
                here = self._frozen(self._noise(batch, size), first)

            def step() -> None:
                outputs = here
                for stage in stages:
                    outputs = stage(outputs)
                if first < depth:
                    outputs = pool(outputs, 1, self._layout.num_prefix_tokens)
                nn.functional.cross_entropy(head(outputs), labels).backward()

            work = sum(line_multiply_adds(self._layout, depth, (), size)[first:]) + width * num_classes
            self._rates[key] = 3 * batch * work / self._median(step)
        return self._rates[key]

    @torch.no_grad()
    def _frozen(self, activation: Any, depth: int) -> Any:
        for component in self._components[:depth]:
            module = self._modules[component]
            dtype = next((p.dtype for p in module.parameters()), torch.float32)
            activation = module(activation.to(dtype) if isinstance(activation, torch.Tensor) else activation)
        return activation.float() if isinstance(activation, torch.Tensor) else activation

    def _noise(self, count: int, size: int) -> torch.Tensor:
        drawn = np.random.default_rng(0).normal(size=(count, 3, size, size)).astype(np.float32)
        return torch.from_numpy(drawn).contiguous(memory_format=torch.channels_last)

    def _median(self, action: Any) -> float:
        action()
        return median(timed(action).wall for _ in range(self._repeats))
