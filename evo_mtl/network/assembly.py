"""From a genome to a route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evo_mtl.genome.answer_views import WHOLE, View
from evo_mtl.genome.genome import AdapterGene, Genome, StageGene, TapGene, frozen
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import INPUT, Node, Route


def assemble(genome: Genome, layout: TrunkLayout, views: Sequence[View] = WHOLE) -> Route:
    """The route a genome describes, before training.

    The stages stand in a line, each adapter behind its stage. Each tap pools the activation there (behind
    the adapter, if any), and the head reads all taps side by side. Own stages and adapters are open only under
    a head that gradient descent trains; a closed-form head is fitted on what they give as they are. Further
    paths are frozen lines whose taps come after the main one's, path after path; a frozen node that two lines
    have in common is one node. All of that is there once for each view, and a mean of its answers at the end.

    Args:
        genome: A legal genome.
        layout: The trunk that it stands on.
        views: Of the image; an answer is the mean over them.
    """
    nodes: list[Node] = []
    heads: list[int] = []
    for view in views:
        foot = INPUT
        if view not in WHOLE:
            foot = len(nodes)
            nodes.append(Node("view", (INPUT,), view=view))
        _append(nodes, foot, genome, layout)
        heads.append(len(nodes) - 1)
    if len(heads) > 1:
        nodes.append(Node("mean", tuple(heads)))
    return Route(layout.input.at(genome.image_size), tuple(nodes))


def _append(nodes: list[Node], foot: int, genome: Genome, layout: TrunkLayout) -> None:
    """Appends all lines from a foot, and the head that reads them."""
    trains = genome.head.trained
    main = genome.stages if trains else frozen(genome.stages)
    adapters = [replace(gene, open=gene.open and trains) for gene in genome.adapters]
    pools = _line(nodes, foot, layout, main, adapters, genome.taps)
    for number, path in enumerate(genome.paths, start=2):
        stages = [StageGene(component) for component in path.stages]
        pools += _line(nodes, foot, layout, stages, path.adapters, path.taps, f"path {number} ")
    nodes.append(Node("concatenate", tuple(pools)))
    nodes.append(Node("head", (len(nodes) - 1,), genome.head.component, "head", open=True))


def _line(
    nodes: list[Node],
    foot: int,
    layout: TrunkLayout,
    stages: Sequence[StageGene],
    adapters: Sequence[AdapterGene],
    taps: Sequence[TapGene],
    slots: str = "",
) -> list[int]:
    """Appends what a line needs and ``nodes`` lacks; returns the indices of its pools, in the order of the taps."""
    known = {_content(node): i for i, node in enumerate(nodes)}

    def place(node: Node) -> int:
        if _content(node) not in known:
            known[_content(node)] = len(nodes)
            nodes.append(node)
        return known[_content(node)]

    behind = {gene.stage: gene for gene in adapters}
    ends: list[int] = []
    here = foot
    for i, gene in enumerate(stages):
        here = place(Node("stage", (here,), gene.component, f"{slots}stage:{i}", gene.open, gene.follows))
        if i in behind:
            adapter = behind[i]
            here = place(Node("adapter", (here,), adapter.component, f"{slots}adapter:{i}", adapter.open))
        ends.append(here)
    prefix = layout.num_prefix_tokens
    return [place(Node("pool", (ends[tap.stage],), grid=tap.grid, prefix=prefix)) for tap in taps]


def _content(node: Node) -> Node:
    """Equal for two nodes exactly when they are one."""
    return replace(node, slot="")
