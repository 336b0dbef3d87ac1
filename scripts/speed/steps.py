"""Training steps: an open part trained as it is here against the other ways to run the same step.

``torch`` is ours with torch's own gradients of depthwise convolutions; ``plain`` is that in contiguous memory, with torch's default
AdamW; ``autocast`` is bfloat16 autocast over ours, ``mixed`` the same but for depthwise convolutions, which stay in float32. All train the
same stages of the trunk on the same frozen activations.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

from evo_mtl.cli.text import table
from evo_mtl.engines.workbench import set_threads
from evo_mtl.learners.fine_tuning import depthwise_in_float32
from evo_mtl.network import depthwise
from evo_mtl.network.components import Modules
from evo_mtl.network.pooling import main_tensor
from speed.measure import alternate as alternating
from speed.measure import finish, head, middle, num_rounds, parser, ratios, timed
from speed.world import Place, a_place

STEPS = 4
OURS, *OTHERS = WAYS = ("ours", "torch", "plain", "autocast", "mixed")


def main(arguments: Sequence[str]) -> int:
    """Prints images a second of each way for some open parts."""
    parse = parser("steps", __doc__, rounds=7)
    parse.add_argument("--size", type=int, default=96, help="image size (96)")
    parse.add_argument("--batch", type=int, default=32, help="images a step (32)")
    parse.add_argument("--parts", default="0-18 4-12 9-13 9-16", help="open stages, first-end")
    options = parse.parse_args(arguments)
    set_threads(1)
    size, parts = (32, "1-3") if options.quick else (options.size, options.parts)
    here = head(f"Training steps of {options.batch} images at {size} px, one thread")
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as name:
        place = a_place(Path(name), options.quick)
        for part in parts.split():
            first, end = (int(number) for number in part.split("-"))
            ways = {way: _step(place, first, end, size, options.batch, way) for way in WAYS}
            for step in ways.values():
                step()
            readings = alternating(
                {way: partial(timed, step) for way, step in ways.items()}, num_rounds(options)
            )
            found[part] = readings
            rows.append(
                [
                    part,
                    f"{options.batch * STEPS / middle(readings[OURS]):.0f}",
                    *(str(ratios(readings[way], readings[OURS])["cpu"]) for way in OTHERS),
                ]
            )
    print(table(["open stages", f"{OURS} img/s", *(f"{way} / {OURS} (CPU)" for way in OTHERS)], rows))
    print("\nratio of seconds, lowest and highest of a round in brackets")
    return finish(options, here, readings=found)


def _step(place: Place, first: int, end: int, size: int, batch: int, way: str) -> Callable[[], None]:
    """A few steps of stages ``first`` to ``end`` in one way."""
    modules = Modules(place.store.read)
    memory = torch.contiguous_format if way == "plain" else torch.channels_last
    noise = np.random.default_rng(0).normal(size=(batch, 3, size, size)).astype(np.float32)
    here: Any = torch.from_numpy(noise).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for component in place.facts.components[:first]:
            here = modules[component](here)
    here = here.contiguous(memory_format=memory)
    stages = nn.ModuleList(copy.deepcopy(modules.fresh(c)) for c in place.facts.components[first:end])
    if way == "mixed":
        depthwise_in_float32(stages)
    stages.to(memory_format=memory).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(stages.parameters(), lr=1e-4, fused=None if way == "plain" else True)

    quick = depthwise.is_worth_it if way in ("ours", "mixed") else lambda *_: False

    def steps() -> None:
        for _ in range(STEPS):
            outputs = here
            with (
                torch.autocast("cpu", torch.bfloat16, enabled=way in ("autocast", "mixed")),
                mock.patch.object(depthwise, "is_worth_it", quick),
            ):
                for stage in stages:
                    outputs = stage(outputs)
            optimizer.zero_grad(set_to_none=True)
            main_tensor(outputs).float().square().mean().backward()
            optimizer.step()

    return steps
