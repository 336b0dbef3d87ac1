"""The whole trunk trained anew for a task, well tuned: the most expensive baseline."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from evo_mtl.errors import CandidateError, InputError
from evo_mtl.learners.learner import Learned, Settings, TaskData
from evo_mtl.network.forward import CHUNK
from evo_mtl.network.pooling import pool
from evo_mtl.network.trunks import Trunk
from evo_mtl.seeding import generator
from evo_mtl.training.descent import Descent, batches, num_steps

DEFAULT_GRID = "5e-4x8,1e-3x8,2e-3x8,4e-3x8,bestx16,bestxbest+flip"
BATCH = 32
DECAY = 0.99
"""Of the exponential average of the weights that is offered beside them."""


@dataclass(frozen=True)
class GridPoint:
    """A peak learning rate and a number of epochs (``None``: those of the best so far), and whether images are mirrored."""

    rate: float | None
    epochs: int | None
    flip: bool = False


def read_grid(text: str) -> tuple[GridPoint, ...]:
    """Points such as ``1e-3x8``, ``bestx16`` or ``bestxbest+flip``, separated by commas.

    Raises:
        InputError: It has another form, or starts with ``best``.

    Example:
        >>> from evo_mtl.learners.fine_tuning import read_grid
        >>> read_grid("2e-3x8,bestx16")
        (GridPoint(rate=0.002, epochs=8, flip=False), GridPoint(rate=None, epochs=16, flip=False))
    """
    points: list[GridPoint] = []
    for word in text.split(","):
        numbers, plus, more = word.strip().partition("+")
        rate_text, _, epochs_text = numbers.partition("x")
        try:
            rate = None if rate_text == "best" and points else float(rate_text)
            epochs = None if epochs_text == "best" and points else int(epochs_text)
        except ValueError:
            rate, epochs = math.nan, 0
        known = more == "flip" if plus else True
        if not known or (epochs is not None and epochs < 1) or (rate is not None and not 0 < rate < math.inf):
            raise InputError(
                f'"{word.strip()}": expected RATExEPOCHS such as 2e-3x8, or "best" for either after the first, and +flip '
                "where images are to be mirrored",
                "grid",
            )
        points.append(GridPoint(rate, epochs, bool(plus)))
    return tuple(points)


def fine_tuning(data: TaskData, trunk: Trunk, settings: Settings) -> Learned:
    """All weights of the trunk and a new linear head, trained together.

    AdamW (weight decay 0.01), one cycle of the learning rate (up during the first fifth), batches of
    32, label smoothing 0.1, batch statistics in training, bfloat16 autocast with depthwise convolutions
    in float32, no augmentation but mirrored images where the grid has them. Each point is validated twice, with the weights that it
    ended with and with their exponential average. The grid is a coordinate search on the validation split: by default four rates at 8
    epochs, then the best of them at 16, then mirrored. The first of equals is kept.

    Raises:
        InputError: The trunk reads no images.
        CandidateError: No point of the grid gave finite weights.
    """
    if trunk.kind == "vector":
        raise InputError(
            f"fine_tuning trains trunks of images; {trunk.name} reads {trunk.input.kind}s", data.name
        )
    best: _Tuned | None = None
    images = 0
    for point in read_grid(settings.grid):
        rate, epochs = point.rate, point.epochs
        if rate is None or epochs is None:
            if best is None:
                continue
            rate, epochs = rate or best.rate, epochs or best.epochs
        started = time.monotonic()
        networks = _train(data, trunk, settings, rate, epochs, point.flip)
        images += epochs * len(data.train_labels) + len(networks) * len(data.validation_labels)
        said = []
        for averaged, network in enumerate(networks):
            quality = data.validation_score(_predict(network, data.validation_images, settings.device))
            said.append(f"{quality:.4f}")
            if best is None or quality > best.quality:
                best = _Tuned(quality, network, rate, epochs, point.flip, bool(averaged))
        settings.say(
            f"rate {rate:g}, {epochs} epochs{', mirrored' * point.flip}: validation "
            f"{', averaged '.join(said) or 'of nothing, it diverged'}, {time.monotonic() - started:.0f} s"
        )
    if best is None:
        raise CandidateError(f"fine-tuning on {data.name} diverged at every point of {settings.grid}")
    chosen = best.network
    return Learned(
        predict=lambda images: _predict(chosen, images, settings.device),
        validation=best.quality,
        parameters_added=sum(parameter.numel() for parameter in chosen.parameters()),
        images=images,
        chosen={"rate": best.rate, "epochs": best.epochs, "flip": best.flip, "average": best.averaged},
    )


@dataclass(frozen=True)
class _Tuned:
    """The best so far."""

    quality: float
    network: _Network
    rate: float
    epochs: int
    flip: bool
    averaged: bool


class _Network(nn.Module):
    """A private copy of a trunk with a linear head that starts at zero."""

    def __init__(self, trunk: Trunk, num_classes: int, size: int) -> None:
        super().__init__()
        self.input = trunk.input.at(size)
        self._prefix = trunk.num_prefix_tokens
        self.stages = nn.ModuleList(depthwise_in_float32(copy.deepcopy(s)) for s in trunk.stages)
        self.head = nn.Linear(trunk.channels[-1], num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, K)`` float32 of images ``(B, S, S, 3)`` uint8."""
        activation = self.input.first(images)
        with torch.autocast(images.device.type, torch.bfloat16):
            for stage in self.stages:
                activation = stage(activation)
        return self.head(pool(activation, 1, self._prefix))


class _InFloat32(nn.Module):
    """A module run in float32 whatever the autocast around it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.module(x.float())


def depthwise_in_float32(module: nn.Module) -> nn.Module:
    """Wraps depthwise convolutions: on a CPU their bfloat16 backward pass is ten times slower."""
    if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
        return _InFloat32(module)
    for name, child in list(module.named_children()):
        setattr(module, name, depthwise_in_float32(child))
    return module


def _train(
    data: TaskData, trunk: Trunk, settings: Settings, rate: float, epochs: int, flip: bool
) -> tuple[_Network, ...]:
    """The trained network and its average; nothing if it diverged. The last, incomplete batch of an epoch is left out."""
    network = _Network(trunk, data.num_classes, data.size)
    network = network.to(settings.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = torch.tensor(data.train_labels, dtype=torch.int64, device=settings.device)
    steps = num_steps(len(labels), BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * steps, pct_start=0.2)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(DECAY), use_buffers=True)
    mirror = generator(settings.seed, "fine_tuning", data.name, repr(rate), epochs, "flip")

    def logits(images: np.ndarray) -> Tensor:
        if flip:
            turned = mirror.random(len(images)) < 0.5
            images = np.where(turned[:, None, None, None], images[:, :, ::-1], images)
        return network(torch.from_numpy(images).to(settings.device))

    way = Descent(
        logits,
        optimiser,
        lambda number: cycle.step() if number else None,
        smoothing=0.1,
    )
    rng = generator(settings.seed, "fine_tuning", data.name, repr(rate), epochs)
    network.train()
    for batch in batches(labels, BATCH, epochs, [rng]):
        loss = way.step(data.train_images, batch)
        average.update_parameters(network)
        if (batch.number + 1) % steps == 0 and not math.isfinite(loss.item()):
            return ()
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values())
    return (network.eval(), cast(_Network, average.module).eval()) if finite else ()


@torch.inference_mode()
def _predict(network: _Network, images: np.ndarray, device: str) -> np.ndarray:
    network.eval()
    parts = []
    for start in range(0, len(images), CHUNK):
        chunk = torch.tensor(images[start : start + CHUNK], device=device)
        parts.append(network(chunk).argmax(1).cpu().numpy())
    return np.concatenate(parts)
