"""The root trunk put into the store, so that a run carries all it needs to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evo_mtl.archive.store import ComponentStore
from evo_mtl.genome.space import TrunkChoice, TrunkFacts
from evo_mtl.network.components import stored
from evo_mtl.network.cost import stage_parameters
from evo_mtl.network.layout import TrunkLayout, layout_from_json
from evo_mtl.network.trunks import Trunk, build_trunk


def layout_of(trunk: Trunk) -> TrunkLayout:
    """A trunk's facts that need no weights."""
    return TrunkLayout(
        name=trunk.name,
        cut=trunk.cut,
        kind=trunk.kind,
        num_prefix_tokens=trunk.num_prefix_tokens,
        channels=trunk.channels,
        group_ends=trunk.group_ends,
        final_norm=trunk.final_norm,
        input=trunk.input,
        stage_names=trunk.stage_names,
    )


def write_root(choice: TrunkChoice, store: ComponentStore) -> dict[str, Any]:
    """Writes every stage of the pretrained trunk; returns the payload of the ``root`` event.

    Raises:
        TrunkError: The trunk or its weights cannot be had.
    """
    trunk = build_trunk(choice.name, choice.weights, choice.cut)
    layout = layout_of(trunk)
    components = [
        store.write(*stored(stage.state_dict(), layout.stage_spec(i), choice.dtype))
        for i, stage in enumerate(trunk.stages)
    ]
    return {"layout": layout.to_json(), "components": components, "weights": choice.weights}


def read_root(payload: Mapping[str, Any]) -> tuple[TrunkLayout, TrunkFacts]:
    """Layout and facts from a ``root`` event."""
    layout = layout_from_json(payload["layout"])
    facts = TrunkFacts(
        components=tuple(payload["components"]),
        group_ends=layout.group_ends,
        final_norm=layout.final_norm,
        parameters=stage_parameters(layout.name, layout.cut),
        channels=layout.channels,
    )
    return layout, facts
