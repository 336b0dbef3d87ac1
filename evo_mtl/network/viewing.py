"""How an image is seen (:mod:`evo_mtl.genome.answer_views`)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from evo_mtl.genome.answer_views import View

MARGIN = 16
"""A zoomed view leaves out this part of the image at each side."""


def seen(images: Tensor, view: View) -> Tensor:
    """A view of images ``(B, C, S, S)``, of the same shape."""
    if view.startswith("zoomed"):
        side = images.shape[-1]
        margin = max(round(side / MARGIN), 1) if side > 2 else 0
        inner = images[..., margin : side - margin, margin : side - margin]
        images = interpolate(inner, (side, side), mode="bilinear", align_corners=False)
    return images.flip(-1) if view.endswith("mirrored") else images
