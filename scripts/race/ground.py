"""Where the parts of the benchmark let contestants learn: a trunk in a store, batches of images made up."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evo_mtl.archive.store import ComponentStore
from evo_mtl.documents import parse, parse_yaml
from evo_mtl.evolution.candidate import Candidate, How, Origin
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import SearchSpace
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.streaming import MomentsPool
from evo_mtl.run.root import read_root, write_root
from evo_mtl.streams.task import Rows
from evo_mtl.testing.worlds import ONLINE_SPACE
from evo_mtl.training.arena import Arena
from evo_mtl.training.contestant import Contestant

SPACE = Path(__file__).resolve().parents[2] / "search_spaces" / "online.yaml"
LEAST = 4


@dataclass(frozen=True, eq=False)
class Pictures:
    """A batch: images ``(B, S, S, 3)`` uint8 and labels ``(B,)``."""

    images: np.ndarray
    labels: np.ndarray

    def rows(self, rows: Rows) -> np.ndarray:
        return np.stack([rows.row(image) for image in self.images])


@dataclass(frozen=True)
class Ground:
    """A root trunk, its stages' components, and the seeds of a space on it by their names."""

    store: ComponentStore
    arena: Arena
    seeds: dict[str, Genome]
    components: tuple[str, ...]

    def fresh(self, seed: int = 0) -> Arena:
        """An arena whose sums are empty."""
        old = self.arena
        pool = MomentsPool(old.num_classes, LEAST)
        return Arena(seed, old.layout, old.shared, self.store.write, old.num_classes, pool)

    def contestants(self, names: Iterable[str], arena: Arena) -> list[Contestant]:
        """One for each name of a seed; two of one name differ in what they draw."""
        origin = Origin(How.SEED, "made")
        return [
            Contestant(Candidate("task", 0, child, None, origin, self.seeds[name]), arena)
            for child, name in enumerate(names)
        ]


def a_ground(folder: Path, tiny: bool, num_classes: int) -> Ground:
    """The space ``online``, or that of a tiny random trunk."""
    text = ONLINE_SPACE.encode() if tiny else SPACE.read_bytes()
    space = parse(SearchSpace, parse_yaml(text, "space").data, "space")
    store = ComponentStore(folder)
    root = read_root(write_root(space.trunk, store))
    shared = SharedRoutes(Modules(store.read))
    pool = MomentsPool(num_classes, LEAST)
    arena = Arena(0, root.layout, shared, store.write, num_classes, pool)
    seeds = {seed.name: seed_genome(seed, space, root.facts) for seed in space.seeds}
    return Ground(store, arena, seeds, tuple(root.facts.components))


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The options that every part has."""
    result = argparse.ArgumentParser(f"scripts/benchmark_race {name}", description=doc)
    result.add_argument("--quick", action="store_true", help="as small as can be, to see that it runs")
    result.add_argument("--json", type=Path, metavar="FILE", help="write all readings there")
    return result


def counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def levels(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def filled(names: Sequence[str], count: int) -> list[str]:
    """So many, from the first again after the last."""
    return [names[i % len(names)] for i in range(count)]
