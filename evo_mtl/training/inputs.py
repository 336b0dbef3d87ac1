"""What a candidate's open part is run from, by image: kept activations, gathered taps, or pixels alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from evo_mtl.network.forward import Activation, normalise
from evo_mtl.network.route import PIXELS, Route
from evo_mtl.training.kept import Frontier


class Gathered:
    """One place's output for every image, in memory: what a head reads when nothing else is open.

    A batch is then one gathering of rows, not one from every kept array.

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


class PixelsOnly:
    """A frontier for which nothing is kept: every batch runs the whole route, in the batch's own size.

    What a search without kept activations costs; results differ from :class:`Frontier`'s in last bits.

    Args:
        route: The candidate's route.
        images: Pixels ``(N, S, S, 3)`` uint8.
        device: Where they are normalised.
    """

    def __init__(self, route: Route, images: np.ndarray, device: torch.device) -> None:
        self._preprocessing = route.preprocessing
        self._images = images
        self._device = device

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: np.ndarray) -> dict[int, Activation]:
        """The preprocessed images at ``index`` ``(B,)``."""
        pixels = torch.from_numpy(self._images[index]).to(self._device)
        return {PIXELS: normalise(pixels, self._preprocessing)}


Inputs = Frontier | Gathered | PixelsOnly
"""Rows by index ``(B,)``: place in the route to activation."""
