"""Root trunks put into the store, so that a run carries all it needs to answer.

A run may have several: each search space with a trunk of its own brings one. A task is searched on one of them,
and every genome and route of it stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evo_mtl.archive.store import ComponentStore
from evo_mtl.errors import CorruptionError, TrunkError
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.sections import TrunkChoice
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.components import stored
from evo_mtl.network.cost import stage_parameters
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.trunks import Trunk, build_trunk, trunk_name
from evo_mtl.plain import plain
from evo_mtl.run.events import Rooted
from evo_mtl.streams.raw import IMAGES, Form

SOME_WIDTH = 64
"""Numbers a row where no data say how many."""

DRAFT = "draft"
"""Stands for the digest of what is in no run: a root that was not written, a space that nobody wrote down."""


@dataclass(frozen=True)
class Root:
    """A trunk that routes stand on.

    Attributes:
        space: Digest of the search space by which its tasks are searched.
        layout: What a worker is told of it.
        facts: What genomes need to know of it; its digest is among them.
    """

    space: str
    layout: TrunkLayout
    facts: TrunkFacts

    @property
    def digest(self) -> str:
        """How genomes name it."""
        return self.facts.root

    @property
    def num_parameters(self) -> int:
        """Of all its stages."""
        return sum(self.facts.parameters)


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


def draft_root(space: SearchSpace, form: Form | None = None) -> Root:
    """The root of a space as it would be, nothing written: its components go by the names of its stages.

    Args:
        space: Says which trunk.
        form: Of the examples; as the trunk's usually are, when ``None``.

    Raises:
        TrunkError: The trunk or its weights cannot be had, or it cannot read the examples.
    """
    layout = layout_of(_trunk(space.trunk, form))
    return Root(space.digest(), layout, _facts(DRAFT, layout, layout.stage_names))


def write_root(
    choice: TrunkChoice, store: ComponentStore, space: str = DRAFT, form: Form | None = None
) -> Rooted:
    """Writes every stage of a trunk; returns what the journal is told.

    Args:
        choice: Of the trunk.
        store: Where its components go.
        space: Digest of the search space that chose it.
        form: Of the examples; as the trunk's usually are, when ``None``.

    Raises:
        TrunkError: The trunk or its weights cannot be had, or it cannot read the examples.
    """
    trunk = _trunk(choice, form)
    layout = layout_of(trunk)
    components = tuple(
        store.write(*stored(stage.state_dict(), layout.stage_spec(i), choice.dtype))
        for i, stage in enumerate(trunk.stages)
    )
    content = {"layout": plain(layout), "components": components, "weights": choice.weights}
    return Rooted(digest(canonical_json(content)), space, layout, components, choice.weights)


def read_root(rooted: Rooted) -> Root:
    """A root from what the journal was told.

    Raises:
        TrunkError: There is no such trunk.
        CorruptionError: It is cut into other stages than it was.
    """
    layout = rooted.layout
    root = Root(rooted.space, layout, _facts(rooted.root, layout, rooted.components))
    if len(root.facts.parameters) != len(rooted.components):
        stages = len(root.facts.parameters)
        said = f"a root of {len(rooted.components)} stages in the journal; {layout.name} has {stages}"
        raise CorruptionError(said)
    return root


def _trunk(choice: TrunkChoice, form: Form | None) -> Trunk:
    form = form or (IMAGES if choice.input == IMAGES.kind else Form(choice.input, SOME_WIDTH))
    trunk = build_trunk(trunk_name(choice.name, form), choice.weights, choice.cut)
    if trunk.input.kind != choice.input:
        raise TrunkError(f"trunk.input: trunk {choice.name} reads {trunk.input.kind}, not {choice.input}")
    return trunk


def _facts(root: str, layout: TrunkLayout, components: Sequence[str]) -> TrunkFacts:
    return TrunkFacts(
        root=root,
        components=tuple(components),
        newest=tuple(components),
        group_ends=layout.group_ends,
        final_norm=layout.final_norm,
        parameters=stage_parameters(layout.name, layout.cut),
        channels=layout.channels,
    )
