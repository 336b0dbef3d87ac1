"""A task's pixels by image size and view, decoded once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.hyperparameters import DATA_HYPERPARAMETERS
from evo_mtl.network.inputs import plain_input
from evo_mtl.streams.task import Split, Task, load_batches
from evo_mtl.streams.views import view
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.spent import Spent


class TaskImages:
    """Pixels ``(N, S, S, 3)`` uint8 of a task's training and validation split.

    Args:
        task: The task; it holds no test images.
        seed: The run's seed, which names the draws of the views.
        cache: Where decoded arrays are kept.
        sizes: Image sizes that may be asked for: an image is decoded once for all of them.
        spent: Counts the seconds.
    """

    def __init__(
        self,
        task: Task,
        seed: int,
        cache: ArrayCache,
        sizes: Sequence[int] = (),
        spent: Spent | None = None,
    ) -> None:
        self.task = task
        self._input = plain_input(task.form)
        self._seed = seed
        self._cache = cache
        self._sizes = frozenset(sizes)
        self._spent = spent or Spent()

    def train(self, genome: Genome, index: int) -> tuple[str, np.ndarray]:
        """Key and pixels of a view of the training images; view 0 is the images as they are."""
        size = genome.image_size
        if index == 0:
            with self._spent.on("images"):
                return self._key(self.task.train, size, {}), self._plain(self.task.train, size)
        options: dict[str, Any] = {
            n: genome[n] for n in DATA_HYPERPARAMETERS if n not in ("image_size", "views")
        }
        address = ("views", self.task.name)
        key = self._key(self.task.train, size, {**options, "view": index, "address": list(address)})

        def make() -> np.ndarray:
            plain = self._plain(self.task.train, size)
            return view(plain, seed=self._seed, address=address, index=index, **options)

        with self._spent.on("images"):
            return key, self._cache.get(key, make)

    def validation(self, genome: Genome) -> tuple[str, np.ndarray]:
        """Key and pixels of the validation images."""
        size = genome.image_size
        key = self._key(self.task.validation, size, {})
        with self._spent.on("images"):
            return key, self._plain(self.task.validation, size)

    def _plain(self, split: Split, size: int) -> np.ndarray:
        key = self._key(split, size, {})
        found = self._cache.find(key)
        if found is not None:
            return found
        wanted = [self._input.at(each) for each in sorted(self._sizes | {size})]
        if sum(len(split) * math.prod(each.shape) for each in wanted) > self._cache.max_bytes // 4:
            wanted = [self._input.at(size)]
        made = dict(zip(wanted, load_batches(split, wanted), strict=True))
        for each, array in made.items():
            self._cache.keep(self._key(split, each.size, {}), array)
        return made[self._input.at(size)]

    def _key(self, split: Split, size: int, options: Mapping[str, Any]) -> str:
        return digest(
            canonical_json(
                {"split": split.digest, "size": size, "seed": self._seed if options else None, **options}
            )
        )
