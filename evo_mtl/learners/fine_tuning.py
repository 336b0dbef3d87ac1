"""The whole trunk trained anew for a task, well tuned: the most expensive baseline."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.errors import CandidateError, InputError
from evo_mtl.learners.learner import Learned, Settings, TaskData
from evo_mtl.network.forward import CHUNK
from evo_mtl.network.pooling import pool
from evo_mtl.network.trunks import Trunk
from evo_mtl.seeding import generator
from evo_mtl.training.descent import Descent, batches, num_steps

DEFAULT_GRID = "1e-3x8,2e-3x8,4e-3x8,bestx16"
BATCH = 32


@dataclass(frozen=True)
class GridPoint:
    """A peak learning rate (``None``: the best so far) and a number of epochs."""

    rate: float | None
    epochs: int


def read_grid(text: str) -> tuple[GridPoint, ...]:
    """Points such as ``1e-3x8`` or ``bestx16``, separated by commas.

    Raises:
        InputError: It has another form, or starts with ``best``.

    Example:
        >>> from evo_mtl.learners.fine_tuning import read_grid
        >>> read_grid("2e-3x8,bestx16")
        (GridPoint(rate=0.002, epochs=8), GridPoint(rate=None, epochs=16))
    """
    points: list[GridPoint] = []
    for word in text.split(","):
        rate_text, _, epochs_text = word.strip().partition("x")
        try:
            rate = None if rate_text == "best" and points else float(rate_text)
            point = GridPoint(rate, int(epochs_text))
        except ValueError:
            point = GridPoint(math.nan, 0)
        if point.epochs < 1 or (point.rate is not None and not 0 < point.rate < math.inf):
            raise InputError(
                f'"{word.strip()}": expected RATExEPOCHS such as 2e-3x8, or bestxEPOCHS after the first',
                "grid",
            )
        points.append(point)
    return tuple(points)


def fine_tuning(data: TaskData, trunk: Trunk, settings: Settings) -> Learned:
    """All weights of the trunk and a new linear head, trained together.

    AdamW (weight decay 0.01), one cycle of the learning rate (up during the first fifth), batches of
    32, label smoothing 0.1, batch statistics in training, bfloat16 autocast with depthwise convolutions
    in float32, no augmentation. The grid is a coordinate search on the validation split: by default three
    rates at 8 epochs, then the best of them at 16. The first of equals is kept.

    Raises:
        InputError: The trunk reads no images.
        CandidateError: No point of the grid gave finite weights.
    """
    if trunk.kind == "vector":
        raise InputError(
            f"fine_tuning trains trunks of images; {trunk.name} reads {trunk.input.kind}s", data.name
        )
    best: tuple[float, _Network, GridPoint] | None = None
    images = 0
    for point in read_grid(settings.grid):
        rate = point.rate if point.rate is not None else (best[2].rate if best else None)
        if rate is None:
            continue
        started = time.monotonic()
        network = _train(data, trunk, settings, rate, point.epochs)
        images += point.epochs * len(data.train_labels) + len(data.validation_labels)
        quality = -math.inf
        if network is not None:
            quality = data.validation_score(_predict(network, data.validation_images, settings.device))
        settings.say(
            f"rate {rate:g}, {point.epochs} epochs: validation {quality:.4f}, "
            f"{time.monotonic() - started:.0f} s"
        )
        if network is not None and (best is None or quality > best[0]):
            best = (quality, network, GridPoint(rate, point.epochs))
    if best is None:
        raise CandidateError(f"fine-tuning on {data.name} diverged at every point of {settings.grid}")
    quality, chosen, point = best
    return Learned(
        predict=lambda images: _predict(chosen, images, settings.device),
        validation=quality,
        parameters_added=sum(parameter.numel() for parameter in chosen.parameters()),
        images=images,
        chosen={"rate": point.rate, "epochs": point.epochs},
    )


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


def _train(data: TaskData, trunk: Trunk, settings: Settings, rate: float, epochs: int) -> _Network | None:
    """The trained network, or ``None`` if it diverged. The last, incomplete batch of an epoch is left out."""
    network = _Network(trunk, data.num_classes, data.size)
    network = network.to(settings.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels = torch.tensor(data.train_labels, dtype=torch.int64, device=settings.device)
    steps = num_steps(len(labels), BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * steps, pct_start=0.2)
    way = Descent(
        lambda images: network(torch.from_numpy(images).to(settings.device)),
        optimiser,
        lambda number: cycle.step() if number else None,
        smoothing=0.1,
    )
    rng = generator(settings.seed, "fine_tuning", data.name, repr(rate), epochs)
    network.train()
    for batch in batches(labels, BATCH, epochs, [rng]):
        loss = way.step(data.train_images, batch)
        if (batch.number + 1) % steps == 0 and not math.isfinite(loss.item()):
            return None
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values())
    return network.eval() if finite else None


@torch.inference_mode()
def _predict(network: _Network, images: np.ndarray, device: str) -> np.ndarray:
    network.eval()
    parts = []
    for start in range(0, len(images), CHUNK):
        chunk = torch.tensor(images[start : start + CHUNK], device=device)
        parts.append(network(chunk).argmax(1).cpu().numpy())
    return np.concatenate(parts)
