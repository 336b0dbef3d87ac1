"""The root trunk's input and shapes as plain data: what a run records and a worker is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from evo_mtl.genome.genome import AdapterGene
from evo_mtl.network.inputs import AnyInput
from evo_mtl.plain import Count


@dataclass(frozen=True)
class TrunkLayout:
    """Facts of a trunk that need no weights.

    Attributes:
        name: Its name.
        cut: How finely it is cut.
        kind: ``"conv"``, ``"token"`` or ``"vector"``.
        num_prefix_tokens: Tokens before the patches.
        channels: Feature channels behind each stage.
        group_ends: Stages that end a group.
        final_norm: Stage that holds the last norm.
        input: What it reads; the size of images is open.
        stage_names: For people.
    """

    name: str
    cut: Annotated[str, Field(pattern="^(group|block|half)$")]
    kind: Annotated[str, Field(pattern="^(conv|token|vector)$")]
    num_prefix_tokens: Count
    channels: tuple[Annotated[int, Field(ge=1, le=2**31)], ...]
    group_ends: tuple[Count, ...]
    final_norm: Count
    input: AnyInput
    stage_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.channels)
        if not count or len(self.stage_names) != count or max((self.final_norm, *self.group_ends)) >= count:
            raise ValueError(f"it does not describe a trunk of {count} stages")

    def stage_spec(self, index: int) -> dict[str, Any]:
        """Spec of a stage's component."""
        return {"kind": "stage", "trunk": self.name, "cut": self.cut, "index": index}

    def adapter_spec(self, gene: AdapterGene) -> dict[str, Any]:
        """Spec of an adapter's component."""
        place = {"form": self.kind, "channels": self.channels[gene.stage]}
        return {"kind": gene.kind, **place, **dict(gene.settings)}
