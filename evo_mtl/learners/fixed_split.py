"""The thesis' network, split in three by hand: frozen for all, trained by all, own to each task.

It learns a stream, one task after another, so it is not a :data:`~evo_mtl.learners.learner.Learner`: what a
later task does to the common part changes the answers of the earlier ones, and that is what is measured.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.errors import CandidateError, TrunkError
from evo_mtl.learners.learner import TaskData
from evo_mtl.network.forward import CHUNK
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.network.pooling import pool
from evo_mtl.network.trunks import Trunk
from evo_mtl.seeding import generator
from evo_mtl.training.descent import Descent, batches

SHARES = (6.5 / 11.2, 2.3 / 11.2, 2.4 / 11.2)
"""Frozen, common and own share of parameters: the split 6.5 - 2.3 - 2.4 of the thesis' ResNet-18."""

COMMON_RATE, OWN_RATE = 1e-5, 1e-2
BATCH = 64


@dataclass(frozen=True)
class Cuts:
    """Where a trunk is split.

    Attributes:
        common: The first stage that all tasks train.
        own: The first stage of which each task has a copy.
        shares: Actual shares of the trunk's parameters: frozen, common, own.
    """

    common: int
    own: int
    shares: tuple[float, float, float]


def nearest_cuts(parameters: Sequence[int], shares: tuple[float, float, float] = SHARES) -> Cuts:
    """The cuts between stages whose shares are nearest to those wanted, no part empty.

    Args:
        parameters: Of each stage.
        shares: The shares wanted.

    Raises:
        TrunkError: There are fewer than three stages.

    Example:
        >>> nearest_cuts([10, 50, 20, 20])
        Cuts(common=2, own=3, shares=(0.6, 0.2, 0.2))
    """
    if len(parameters) < 3:
        raise TrunkError(f"a trunk of {len(parameters)} stages cannot be split in three")
    total = sum(parameters)
    counted = np.concatenate([[0], np.cumsum(parameters)])
    below = counted / total
    first, second = shares[0], shares[0] + shares[1]
    places = [(i, j) for i in range(1, len(parameters)) for j in range(i + 1, len(parameters))]
    common, own = min(places, key=lambda p: (abs(below[p[0]] - first) + abs(below[p[1]] - second), p))
    frozen, shared, rest = (float(n) / total for n in np.diff(counted[[0, common, own, -1]]))
    return Cuts(common, own, (frozen, shared, rest))


class SplitNetwork:
    """A trunk split in three, with a separate end for each task that it has learned.

    Args:
        trunk: Copied; preferably cut as finely as possible.
        device: Where it trains.
    """

    def __init__(self, trunk: Trunk, device: str = "cpu") -> None:
        self.cuts = nearest_cuts([num_parameters(stage) for stage in trunk.stages])
        self._trunk, self._device = trunk, device
        self._frozen = self._part(0, self.cuts.common).requires_grad_(False)
        self._common = self._part(self.cuts.common, self.cuts.own)
        self._ends: dict[str, nn.ModuleList] = {}

    def learn(self, data: TaskData, seed: int) -> int:
        """Learns one more task in one pass; returns the number of parameters that only this task has.

        SGD with momentum 0.9, cross-entropy, batches of 64, constant rates: 1e-5 for the common part,
        which every task goes on training, 1e-2 for the task's own stages, which start as the pretrained
        ones, and its head, which starts at zero. Norms of what is trained use batch statistics. The thesis
        states rates, batch size and passes, but no optimizer.

        Raises:
            CandidateError: It diverged.
        """
        own = self._part(self.cuts.own, len(self._trunk.stages))
        head = nn.Linear(self._trunk.channels[-1], data.num_classes).to(self._device)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        end = nn.ModuleList([own, head])
        rates = [
            {"params": list(self._common.parameters()), "lr": COMMON_RATE},
            {"params": list(end.parameters()), "lr": OWN_RATE},
        ]
        optimiser = torch.optim.SGD(rates, momentum=0.9)
        labels = torch.tensor(data.train_labels, dtype=torch.int64, device=self._device)
        way = Descent(lambda examples: self._logits(end, examples), optimiser)
        self._common.train()
        end.train()
        for batch in batches(labels, BATCH, 1, [generator(seed, "fixed_split", data.name)]):
            loss = way.step(data.train_images, batch)
        if not math.isfinite(loss.item()):
            raise CandidateError(f"the fixed split diverged on {data.name}")
        self._ends[data.name] = end
        return num_parameters(end)

    @torch.inference_mode()
    def answer(self, task: str, images: np.ndarray) -> np.ndarray:
        """Class numbers ``(N,)`` for images ``(N, S, S, 3)`` uint8, with the common part as it is now."""
        end = self._ends[task]
        self._common.eval()
        end.eval()
        parts = [
            self._logits(end, images[start : start + CHUNK]).argmax(1).cpu().numpy()
            for start in range(0, len(images), CHUNK)
        ]
        return np.concatenate(parts)

    def _part(self, first: int, last: int) -> nn.Sequential:
        stages = (copy.deepcopy(stage) for stage in self._trunk.stages[first:last])
        part = nn.Sequential(*stages).requires_grad_(True).eval()
        return part.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _logits(self, end: nn.ModuleList, images: np.ndarray) -> Tensor:
        trunk = self._trunk
        source = trunk.input.at(int(images.shape[1]))
        pixels = source.first(torch.tensor(images, device=self._device))
        own, head = end
        features = own(self._common(self._frozen(pixels)))
        logits: Tensor = head(pool(features, 1, trunk.num_prefix_tokens))
        return logits
