"""What the claims are measured on: a trunk in a store, image tasks made up, genomes of one's choice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.archive.store import ComponentStore
from evo_mtl.documents import parse
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.evolution.candidate import DRAW, Candidate
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.mutation import new_adapter
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import SeedCandidate, TrunkChoice
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.run.root import read_root, write_root
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task, open_task
from evo_mtl.testing.worlds import SMALL_TRUNK, coloured
from evo_mtl.training.pricing import Pricing

TRUNK = TrunkChoice()
TINY_TRUNK = TrunkChoice(name=SMALL_TRUNK, weights="random", cut="group")
NUM_CLASSES = 10
VALUES = {"batch_size": 32, "optimizer": "adamw", "learning_rate": 0.001, "adapter_width": 16}


@dataclass(frozen=True)
class Place:
    """A folder with the root trunk's components; its site knows the tasks that plans were made for."""

    folder: Path
    store: ComponentStore
    layout: TrunkLayout
    facts: TrunkFacts
    site: Site

    def genome(
        self, depth: int, open_from: int, adapters: Iterable[int] = (), taps: str = "groups", **values: Any
    ) -> Genome:
        """A genome with a linear head on the root trunk.

        Args:
            depth: Its stages.
            open_from: The first of its own; ``depth`` for none.
            adapters: Stages with a new adapter behind them.
            taps: As in a seed candidate.
            values: Hyperparameters.
        """
        wanted = {**VALUES, **values}
        seed = SeedCandidate(name="a", depth=depth, open_from=open_from, taps=taps, values=wanted)  # type: ignore[arg-type]
        space = parse(SearchSpace, {"name": "a", "seeds": [seed.model_dump(mode="json")]})
        genome = seed_genome(seed, space, self.facts)
        genes = tuple(new_adapter("bottleneck", stage, wanted) for stage in adapters)
        return replace(genome, adapters=genes, boundary=min([open_from, *(g.stage for g in genes)]))


def a_place(folder: Path, quick: bool) -> Place:
    """The trunk of the space ``small``, or a tiny random one."""
    store = ComponentStore(folder)
    root = read_root(write_root(TINY_TRUNK if quick else TRUNK, store))
    return Place(folder, store, root.layout, root.facts, Site(folder, folder / "cache", 2**32))


def a_task(folder: Path, name: str, num_images: int, size: int, num_classes: int = NUM_CLASSES) -> TaskConfig:
    """Noisy coloured squares in an npz file; a quarter of them validate, a few more test.

    Each has a tint of its own, so that classes overlap and no candidate answers all of them rightly.
    """
    num_test, seed = 2 * num_classes, sum(name.encode())
    images, labels = coloured(num_images + num_test, num_classes, seed, size)
    tint = np.random.default_rng(seed).normal(0, 40, (len(images), 1, 1, 3))
    images = (images + tint).clip(0, 255).astype(np.uint8)
    train, test = slice(0, num_images), slice(num_images, None)
    np.savez(
        folder / f"{name}.npz",
        images=images[train],
        labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
    )
    return TaskConfig(name=name, source=f"npz:{folder / f'{name}.npz'}", validation=0.25)


def a_plan(place: Place, config: TaskConfig, size: int, threads: int = 1, validations: int = 2) -> BenchPlan:
    """What workers are told about a task whose images have one size; the place's site knows its data from now on."""
    digest = open_task(config).digest
    place.site.add(digest, config)
    return BenchPlan(
        seed=0,
        layout=place.layout,
        task=config.name,
        metric=config.metric,
        digest=digest,
        validations=validations,
        sizes=(size,),
        threads=threads,
        device="cpu",
    )


def a_pricing(place: Place, task: Task, size: int, validations: int) -> Pricing:
    """Planned costs of a task's candidates, when nothing else is archived."""
    return Pricing(
        layout=place.layout,
        num_train=len(task.train),
        num_validation=len(task.validation),
        num_classes=len(task.classes),
        users={},
        image_size=size,
        validations=validations,
    )


def as_candidates(task: str, genomes: Iterable[Genome]) -> list[Candidate]:
    """The seed generation of a task."""
    return [Candidate(task, 0, child, None, DRAW, genome) for child, genome in enumerate(genomes)]
