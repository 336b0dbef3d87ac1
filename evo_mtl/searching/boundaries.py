"""Boundaries that a stream does not tell: where one is found, a new task begins."""

from __future__ import annotations

import torch

from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.genome import Genome, HeadGene, StageGene, TapGene
from evo_mtl.network.assembly import assemble
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.pooling import pooled_size
from evo_mtl.run.root import Root
from evo_mtl.streams.experience import Incoming, Part
from evo_mtl.training.boundaries import BoundaryDetector, watched_stages
from evo_mtl.training.contestant import hold

FOUND = "found-{}"
"""Name of a task that was found, by its number from 1."""


class Finder:
    """Watches a frozen root trunk's pooled features, batch by batch.

    Args:
        root: The trunk.
        shared: Its components.
        image_size: At which it is run; 0 where examples are no images.
        least: Examples of an aggregate.
        seed: Of the run.
        known: What it knew, from :meth:`tensors`.
    """

    def __init__(
        self,
        root: Root,
        shared: SharedRoutes,
        image_size: int,
        least: int,
        seed: int,
        known: dict[str, torch.Tensor] | None = None,
    ) -> None:
        stages = watched_stages(root.facts.group_ends)
        size = {"image_size": image_size} if image_size else {}
        watched = Genome(
            root=root.digest,
            boundary=len(root.facts.components),
            stages=tuple(map(StageGene, root.facts.components)),
            adapters=(),
            taps=tuple(map(TapGene, stages)),
            head=HeadGene("ridge"),
            hyperparameters=tuple(size.items()),
        )
        self._route, self._shared = assemble(watched, root.layout), shared
        self._taps = self._route.nodes[self._route.nodes[-1].inputs[0]].inputs
        widths = [pooled_size(root.layout.channels[stage], 1) for stage in stages]
        self._detector = BoundaryDetector(widths, least=least, seed=seed)
        if known is not None:
            self._detector.load(known)

    def see(self, part: Part) -> bool:
        """Whether a boundary lies before this batch; whoever asks has begun a new segment then."""
        held = hold([self._route], part, self._shared)[0]
        features = torch.cat([held.found[place].float().cpu() for place in self._taps], dim=1)
        return self._detector.see(features.numpy(), part.labels)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What it knows: aggregates."""
        return self._detector.tensors()


def found_task(number: int, tasks: tuple[Incoming, ...]) -> Incoming:
    """What is known of a task that was found: no more classes than the largest task of the stream has, by number.

    Args:
        number: From 1.
        tasks: Of the stream file.
    """
    count = max(len(task.classes) for task in tasks)
    content = digest(canonical_json({"found": number, "in": [task.digest for task in tasks]}))
    first = tasks[0]
    classes = tuple(str(label) for label in range(count))
    return Incoming(FOUND.format(number), classes, first.metric, first.form, content, None, first.config)
