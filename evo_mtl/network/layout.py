"""The root trunk's input and shapes as plain data: what a run records and a worker is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evo_mtl.genome.genome import AdapterGene
from evo_mtl.network.inputs import Input, input_from_json


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
    cut: str
    kind: str
    num_prefix_tokens: int
    channels: tuple[int, ...]
    group_ends: tuple[int, ...]
    final_norm: int
    input: Input
    stage_names: tuple[str, ...]

    def stage_spec(self, index: int) -> dict[str, Any]:
        """Spec of a stage's component."""
        return {"kind": "stage", "trunk": self.name, "cut": self.cut, "index": index}

    def adapter_spec(self, gene: AdapterGene) -> dict[str, Any]:
        """Spec of an adapter's component."""
        place = {"form": self.kind, "channels": self.channels[gene.stage]}
        return {"kind": gene.kind, **place, **dict(gene.settings)}

    def to_json(self) -> dict[str, Any]:
        """Plain data; :func:`layout_from_json` reads it back."""
        return {**asdict(self), "input": dict(self.input.to_json())}


def layout_from_json(data: Mapping[str, Any]) -> TrunkLayout:
    """Reads what :meth:`TrunkLayout.to_json` wrote."""
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return TrunkLayout(**{**fields, "input": input_from_json(data["input"])})
