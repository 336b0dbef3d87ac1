"""From a genome to a route."""

from __future__ import annotations

from evo_mtl.genome.genome import Genome
from evo_mtl.network.route import PIXELS, Node, Preprocessing, Route


def assemble(genome: Genome, mean: tuple[float, ...], std: tuple[float, ...]) -> Route:
    """The route a genome describes, before training.

    The stages stand in a line, an adapter behind its stage; each tap is a pooling of the activation
    there (behind the adapter, if any); the head reads all of them side by side. Own stages and
    adapters are open only under a head that gradient descent trains; a closed-form head is fitted on
    what they give as they are.

    Args:
        genome: A legal genome.
        mean, std: The trunk's normalisation of pixels in [0, 1], a number a channel.
    """
    trains = genome.head.trained
    adapters = {gene.stage: gene for gene in genome.adapters}
    nodes: list[Node] = []
    ends: list[int] = []
    here = PIXELS
    for i, stage in enumerate(genome.stages):
        nodes.append(Node("stage", (here,), stage.component, f"stage:{i}", stage.open and trains))
        here = len(nodes) - 1
        if i in adapters:
            gene = adapters[i]
            nodes.append(Node("adapter", (here,), gene.component, f"adapter:{i}", gene.open and trains))
            here = len(nodes) - 1
        ends.append(here)
    pools = []
    for tap in genome.taps:
        nodes.append(Node("pool", (ends[tap.stage],), grid=tap.grid))
        pools.append(len(nodes) - 1)
    nodes.append(Node("concatenate", tuple(pools)))
    nodes.append(Node("head", (len(nodes) - 1,), genome.head.component, "head", open=True))
    return Route(Preprocessing(genome["image_size"], mean, std), tuple(nodes))
