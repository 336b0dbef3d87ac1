"""What a candidate's open part is run from, by example: kept activations, gathered taps, or the input alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from evo_mtl.network.forward import Activation, rows
from evo_mtl.network.pooling import main_tensor
from evo_mtl.network.route import INPUT, Route
from evo_mtl.training.kept import Frontier


class Gathered:
    """One place's output for every image, in memory: what a head reads when nothing else is open.

    A batch is then gathered once, not from every kept array.

    Args:
        place: In the route.
        matrix: ``(N, D)``.
    """

    def __init__(self, place: int, matrix: Tensor) -> None:
        self.place = place
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """The place's rows at ``index`` ``(B,)``."""
        rows = torch.from_numpy(index).to(self.matrix.device)
        return {self.place: self.matrix.index_select(0, rows)}


class Unkept:
    """A frontier for which nothing is kept: every batch runs the whole route, in the batch's own size.

    It shows what a search without kept activations costs; results differ from :class:`Frontier`'s in last bits.

    Args:
        route: The candidate's route.
        batch: Examples ``(N, ...)`` as the route's input has them.
        device: Where they go.
    """

    def __init__(self, route: Route, batch: np.ndarray, device: torch.device) -> None:
        self._input = route.input
        self._batch = batch
        self._device = device

    def __len__(self) -> int:
        return len(self._batch)

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """The first activation of the examples at ``index`` ``(B,)``."""
        rows = torch.from_numpy(self._batch[index]).to(self._device)
        return {INPUT: self._input.first(rows)}


class Chosen:
    """Some of the images that other inputs hold, as if there were no others.

    Args:
        whole: All images.
        rows: ``(N,)``, which of them.
    """

    def __init__(self, whole: Frontier | Unkept | Held, rows: np.ndarray) -> None:
        self._whole = whole
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """Rows of the images at ``index`` ``(B,)`` of those chosen."""
        return self._whole[self._rows[index]]


class Held:
    """What a contestant's open part is run from, for the examples of one batch: place in the route to activation."""

    def __init__(self, found: Mapping[int, Activation], count: int) -> None:
        self.found, self._count = found, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """Rows at ``index`` ``(B,)``."""
        picked = torch.from_numpy(index)
        return {place: rows(one, picked.to(main_tensor(one).device)) for place, one in self.found.items()}


Inputs = Frontier | Gathered | Unkept | Chosen | Held
"""Rows by index ``(B,)``: place in the route to activation."""


def choose(inputs: Inputs, rows: np.ndarray) -> Inputs:
    """The images at ``rows`` ``(N,)``, in that order; nothing but gathered rows is computed or copied before it is read."""
    if isinstance(inputs, Gathered):
        return Gathered(inputs.place, inputs[rows][inputs.place])  # type: ignore[arg-type]
    if isinstance(inputs, Chosen):
        return Chosen(inputs._whole, inputs._rows[rows])
    return Chosen(inputs, rows)
