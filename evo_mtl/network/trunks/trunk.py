"""What a trunk is: a line of frozen stages."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from evo_mtl.errors import TrunkError
from evo_mtl.network.inputs import Input
from evo_mtl.registry import suggestion

CUTS = ("group", "block", "half")


@dataclass(frozen=True)
class Trunk:
    """A model cut into stages, in depth order.

    The activation after the last stage is the feature map ``(B, C, H, W)``, the token sequence ``(B, N, C)``
    or the vectors ``(B, C)`` before pooling and classifier.

    Attributes:
        name: Its name in its family.
        weights: Where its weights came from.
        cut: ``"group"``, ``"block"`` or ``"half"``, from coarse to fine.
        stages: Modules from activation to activation, in eval mode, needing no gradient.
        stage_names: ``"stem"``, ``"blocks.0.0"``, ...
        channels: Feature channels of the main tensor after each stage.
        group_ends: Stages after which a group (one resolution or width) ends; taps by default.
        kind: ``"conv"``, ``"token"`` or ``"vector"``: how its last activation is laid out.
        input: What it reads; the size of images is open.
        final_norm: The last stage that holds a norm, which mu2Net always clones (Gesmundo 2022).
        num_prefix_tokens: Tokens before the patch tokens; 0 where there are none.
    """

    name: str
    weights: str
    cut: str
    stages: tuple[nn.Module, ...]
    stage_names: tuple[str, ...]
    channels: tuple[int, ...]
    group_ends: tuple[int, ...]
    kind: str
    input: Input
    final_norm: int
    num_prefix_tokens: int


def check_cut(cut: str) -> None:
    """Raises ``TrunkError`` for an unknown cut."""
    if cut not in CUTS:
        raise TrunkError(f'unknown cut "{cut}"{suggestion(cut, CUTS)}; known: {", ".join(CUTS)}')


def has_norm(stage: nn.Module) -> bool:
    """Whether there is a norm in a stage."""
    return any("norm" in type(module).__name__.lower() for module in stage.modules())
