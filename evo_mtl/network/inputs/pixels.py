"""Images at the foot of a route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from evo_mtl.errors import DataError
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.hyperparameters import LARGEST_IMAGE
from evo_mtl.seeding import generator
from evo_mtl.streams.images import resize, to_rgb
from evo_mtl.streams.raw import Form

if TYPE_CHECKING:  # what is told of a run loads no torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Pixels:
    """Images as squares of ``image_size``, then (x/255 - mean) / std.

    Attributes:
        image_size: Side of the square; 0 where it is still open.
        mean, std: Of pixels in [0, 1], a number a channel.
    """

    kind: ClassVar[str] = "pixels"
    dtype: ClassVar[np.dtype] = np.dtype(np.uint8)

    image_size: Annotated[int, Field(ge=0, le=LARGEST_IMAGE)]
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or len(self.mean) not in (0, 1, 3):
            raise ValueError("expected a mean and a standard deviation for each channel")

    @classmethod
    def plain(cls, form: Form) -> Pixels:
        """Images whose size is still open."""
        return cls(0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    @property
    def size(self) -> int:
        """Side of the square."""
        return self.image_size

    @property
    def shape(self) -> tuple[int, ...]:
        """``(S, S, 3)``."""
        return (self.image_size, self.image_size, 3)

    @property
    def key(self) -> str:
        """Digest of size and normalisation."""
        return digest(canonical_json({"pixels": asdict(self)}))

    def at(self, image_size: int) -> Pixels:
        """The same normalisation at another size."""
        return replace(self, image_size=image_size)

    def row(self, example: np.ndarray) -> np.ndarray:
        """``(H, W, 3)`` uint8 squashed to the square."""
        return resize(example, self.image_size)

    def examples(self, given: Any) -> Iterator[np.ndarray]:
        """Images ``(H, W, 3)`` uint8, one after another.

        Args:
            given: ``(B, H, W, C)`` uint8 with C 1, 3 or 4, ``(B, C, H, W)`` float in [0, 1], or a sequence of
                ``(H, W[, C])`` uint8 images of any sizes.

        Raises:
            DataError: Another form.
        """
        if hasattr(given, "detach"):  # a tensor
            given = given.detach().cpu().numpy()
        if isinstance(given, np.ndarray) and given.dtype.kind == "f":
            inside = np.isfinite(given).all() and given.min(initial=0) >= 0 and given.max(initial=0) <= 1
            if given.ndim != 4 or not inside:
                raise DataError(f"expected float images (B, C, H, W) in [0, 1], met {given.shape}")
            given = np.round(given.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        for i, image in enumerate(given):
            array = np.asarray(image)
            if array.dtype != np.uint8:
                raise DataError(f"image {i}: expected uint8, or float (B, C, H, W); met {array.dtype}")
            if array.ndim == 3 and array.shape[2] == 1:
                array = array[:, :, 0]
            yield to_rgb(array, f"image {i}")

    def first(self, batch: Tensor) -> Tensor:
        """Pixels ``(B, S, S, 3)`` uint8 to ``(B, 3, S, S)`` float32, channels last."""
        import torch

        pixels = batch.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        mean = torch.tensor(self.mean, device=pixels.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(1, -1, 1, 1)
        return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)

    def probes(self, count: int) -> np.ndarray:
        """Smooth random colours, ``(count, S, S, 3)`` uint8; the same images at every size."""
        coarse = generator(0, "probe images").integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        return np.stack([self.row(image) for image in coarse])

    def module(self) -> nn.Module:
        """``(B, 3, H, W)`` float in [0, 1], resized if need be and normalised."""
        import torch
        from torch import nn

        class Normalise(nn.Module):
            """These pixels for float images, with buffers of its own."""

            mean: Tensor
            std: Tensor

            def __init__(self, pixels: Pixels) -> None:
                super().__init__()
                self._size = pixels.image_size
                self.register_buffer("mean", torch.tensor(pixels.mean).view(1, -1, 1, 1))
                self.register_buffer("std", torch.tensor(pixels.std).view(1, -1, 1, 1))

            def forward(self, images: Tensor) -> Tensor:
                """``(B, 3, H, W)`` to the first activation ``(B, 3, S, S)``."""
                size = (self._size, self._size)
                if images.shape[-2:] != size:
                    images = nn.functional.interpolate(images, size, mode="bilinear", antialias=True)
                return (images - self.mean) / self.std

        return Normalise(self)
