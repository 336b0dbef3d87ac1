"""Image sets as rows: what a frozen trunk's watched stages give for each image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evo_mtl.errors import InputError
from evo_mtl.genome.space import TrunkChoice
from evo_mtl.learners.features import Tap, pooled_features
from evo_mtl.network.trunks import Trunk, build_trunk
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import load_batch, open_splits
from evo_mtl.training.boundaries import watched_stages


@dataclass(frozen=True)
class Rows:
    """Features ``(N, D)`` float32 of a set and its labels ``(N,)``, numbers within the set's own classes."""

    name: str
    features: np.ndarray
    labels: np.ndarray

    def of_classes(self, classes: np.ndarray) -> Rows:
        """The rows of some classes, numbered anew in the order given."""
        number = np.full(int(self.labels.max()) + 1, -1)
        number[classes] = np.arange(len(classes))
        member = number[self.labels] >= 0
        return Rows(self.name, self.features[member], number[self.labels[member]])


def read_sets(folder: Path, names: list[str], limit: int, size: int) -> tuple[list[Rows], list[int]]:
    """Sets ``NAME.zip`` of a folder, and how many numbers each watched stage gives."""
    paths = [folder / f"{name}.zip" for name in names] if names else sorted(folder.glob("*.zip"))
    if len(paths) < 2:
        raise InputError(f"expected two zipped image sets or more, found {len(paths)}", folder)
    usual = TrunkChoice()
    trunk = build_trunk(usual.name, usual.weights)
    taps = [Tap(stage, 1) for stage in watched_stages(trunk.group_ends)]
    return [_rows(path, trunk, taps, limit, size) for path in paths], _widths(trunk, taps, size)


def _rows(path: Path, trunk: Trunk, taps: list[Tap], limit: int, size: int) -> Rows:
    config = TaskConfig(name="t", source=f"folder:{path.absolute()}", limit=limit, validation=0.01)
    split = open_splits(config).train
    features = pooled_features(trunk, load_batch(split, trunk.input.at(size)), taps)
    return Rows(path.stem, features, np.asarray(split.labels))


def _widths(trunk: Trunk, taps: list[Tap], size: int) -> list[int]:
    blank = np.zeros((1, size, size, 3), np.uint8)
    return [pooled_features(trunk, blank, [tap]).shape[1] for tap in taps]
