"""What every task's turn stands on: one process's hold on a run, its lock taken and its root trunk ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evo_mtl.archive.snapshot import Archive
from evo_mtl.engines.workbench import BenchPlan, set_threads
from evo_mtl.genome.space import TrunkFacts, check_against_trunk
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.run import progress as tell
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.root import read_root, write_root
from evo_mtl.searching.founders import Founders
from evo_mtl.searching.usage import num_users, uncounted
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import Task
from evo_mtl.training.pricing import Pricing


class Ground:
    """A run that is being searched.

    Args:
        folder: Its files.
        config: What is searched.
        archive: Its journal, opened to be written.
        progress: Hears what happens.
        cache: Folder of kept arrays; the run's own when ``None``.
        cache_bytes: Its bound.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        archive: Archive,
        progress: tell.Progress,
        cache: Path | None,
        cache_bytes: int,
    ) -> None:
        self.folder, self.config, self.archive, self.progress = folder, config, archive, progress
        self.cache, self.cache_bytes = cache, cache_bytes
        self.store = folder.store()
        self.state = archive.state
        self.founders = Founders()
        self.layout, self.facts = self._root()
        self.shared = SharedRoutes(Modules(self.store.read, device=config.device))

    def commit(self, kind: str, **payload: Any) -> None:
        """Writes an event and takes it in; what is not in the journal has not happened."""
        self.archive.append(kind, **payload)
        self.state = self.archive.state

    def _root(self) -> tuple[TrunkLayout, TrunkFacts]:
        set_threads(self.config.threads)
        payload = self.state.root
        if payload is None:
            payload = write_root(self.config.space.trunk, self.store)
            check_against_trunk(self.config.space, read_root(payload)[1], self.config.space.name)
            self.commit("root", **payload)
        return read_root(payload)

    def pricing(self, task: Task, pass_: int) -> Pricing:
        """Prices genomes for a task, its own route not counted among the users."""
        return Pricing(
            layout=self.layout,
            num_train=len(task.train),
            num_validation=len(task.validation),
            num_classes=len(task.classes),
            users=num_users(self.state, without=task.name),
            image_size=int(self.config.space.default("image_size")),
            validations=self.config.space.validations,
            uncounted=uncounted(self.config.space, self.facts),
            folds=self.config.space.folds(len(task.validation), pass_),
        )

    def plan(self, config: TaskConfig, task: Task, pass_: int) -> BenchPlan:
        """What workers are told about a task."""
        cache = self.cache or self.folder.cache
        return BenchPlan(
            folder=str(self.folder.path.absolute()),
            cache=str(cache.expanduser().absolute()),
            cache_bytes=self.cache_bytes,
            seed=self.config.seed,
            layout=self.layout,
            task=config,
            digest=task.digest,
            validations=self.config.space.validations,
            sizes=self.config.space.image_sizes,
            threads=self.config.threads,
            device=self.config.device,
            folds=self.config.space.folds(len(task.validation), pass_),
        )
