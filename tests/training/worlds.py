"""A small trunk, a coloured task and genomes of one's choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.archive.store import ComponentStore
from evo_mtl.documents import parse
from evo_mtl.evolution.candidate import DRAW, Candidate
from evo_mtl.evolution.outcome import Outcome
from evo_mtl.genome.genome import Genome, settle
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import SeedCandidate
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.assembly import assemble
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.testing.genomes import bottleneck
from evo_mtl.testing.worlds import a_bench, shared_routes
from evo_mtl.training.trial import Bench


@dataclass(frozen=True)
class Workshop:
    """A small trunk in a store and a coloured task."""

    store: ComponentStore
    layout: TrunkLayout
    facts: TrunkFacts
    npz: Path

    def bench(self, cache: Path, cache_bytes: int = 2**30) -> Bench:
        return a_bench(self.store, self.layout, self.npz, cache, cache_bytes)

    def genome(
        self,
        depth: int,
        open_from: int,
        head: str = "linear",
        adapters: tuple[int, ...] = (),
        grids: tuple[int, ...] = (1,),
        **values: Any,
    ) -> Genome:
        """A seed genome with adapters and hyperparameters of one's choice."""
        usual = {
            "image_size": 32,
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.02,
            "adapter_width": 4,
            "head_start": "zero",
        }
        seed = SeedCandidate(name="a", depth=depth, open_from=open_from, head=head, grids=grids, values=usual)
        space = parse(SearchSpace, {"name": "plain", "seeds": [seed.model_dump(mode="json")]})
        genome = seed_genome(seed, space, self.facts).with_values(values)
        return replace(genome, adapters=tuple(bottleneck(i, 4) for i in adapters))


def candidate(genome: Genome, child: int = 0) -> Candidate:
    """A seed candidate of the coloured task."""
    return Candidate("colours", 0, child, None, DRAW, genome)


def logits_of(workshop: Workshop, genome: Genome, outcome: Outcome, images: np.ndarray) -> np.ndarray:
    """What the route of a finished candidate answers, ``(N, K)``, to images of 32 pixels."""
    route = assemble(settle(genome, outcome.trained), workshop.layout, outcome.notes.views)
    closed = replace(route, nodes=tuple(replace(node, open=False) for node in route.nodes))
    return shared_routes(workshop.store, workshop.layout).logits([closed], {32: images})[0].numpy()
