"""What every task's turn stands on: one process's hold on a run, its lock taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.engines.workbench import set_threads
from evo_mtl.evolution.fitness import work_price
from evo_mtl.genome.space import SearchSpace, check_against_trunk
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.inputs import plain_input
from evo_mtl.run import progress as tell
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Happened
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.root import Root, read_root, write_root
from evo_mtl.run.snapshot import Archive
from evo_mtl.searching.founders import Founders
from evo_mtl.searching.usage import num_users, uncounted
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.experience import Incoming
from evo_mtl.streams.index import index_key
from evo_mtl.streams.task import Task
from evo_mtl.training.arrays import ArrayCache
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
        trust_python: Whether code that the tasks' sources name may be run.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        archive: Archive,
        progress: tell.Progress,
        cache: Path | None,
        cache_bytes: int,
        trust_python: bool,
    ) -> None:
        self.folder, self.config, self.archive, self.progress = folder, config, archive, progress
        self.cache = cache
        here = (cache or folder.cache).expanduser().absolute()
        self.site = Site(folder.path.absolute(), here, cache_bytes, trust_python)
        self.store = folder.store()
        self.state = archive.state
        self.founders = Founders()
        self._roots: dict[str, Root] = {}
        set_threads(config.threads)
        self.shared = SharedRoutes(Modules(self.store.read, device=config.device))

    def commit(self, happened: Happened) -> None:
        """Writes what happened and takes it in; what is not in the journal has not happened."""
        self.archive.append(happened)
        self.state = self.archive.state

    def root_for(self, task: Task | Incoming) -> Root:
        """The root that a task stands on as it arrives, or comes again with other data: its own where it has one.

        Otherwise it is the root of the run's latest space for examples of the task's form; written now, where there
        is none yet.
        """
        if task.name in self.state.tasks and self._fits(self.root_of(task.name), task):
            return self.root_of(task.name)
        space = self.config.space
        for name, known in self.state.roots.items():
            if known.space == space.digest() and self._fits(self._root(name), task):
                return self._root(name)
        rooted = write_root(space.trunk, self.store, space.digest(), task.form)
        check_against_trunk(space, read_root(rooted).facts, space.name)
        self.commit(rooted)
        return self._root(rooted.root)

    def _fits(self, root: Root, task: Task | Incoming) -> bool:
        """Whether a root reads a task's examples."""
        form = plain_input(task.form)
        return (root.layout.input.kind, root.layout.input.at(0).shape) == (form.kind, form.at(0).shape)

    def root_of(self, task: str) -> Root:
        """What a task that has arrived is searched on."""
        return self._root(self.state.tasks[task].brief.root)

    def facts_of(self, task: str) -> TrunkFacts:
        """What genomes of a task that has arrived need to know of its root, as lines of versions are now."""
        facts = self.root_of(task).facts
        newest = self.state.newest(facts.root)
        return replace(
            facts, newest=tuple(newest.get(i, component) for i, component in enumerate(facts.components))
        )

    def space_of(self, task: str) -> SearchSpace:
        """The space by which a task that has arrived is searched."""
        space = self.config.space_of(self.root_of(task).space)
        assert space is not None  # no run that lacks one is opened for a search
        return space

    def _root(self, name: str) -> Root:
        if name not in self._roots:
            self._roots[name] = read_root(self.state.roots[name])
        return self._roots[name]

    def pricing(self, task: Task, pass_: int) -> Pricing:
        """Prices genomes for a task, its own route not counted among the users."""
        root, space = self.root_of(task.name), self.space_of(task.name)
        return Pricing(
            layout=root.layout,
            num_train=len(task.train),
            num_validation=len(task.validation),
            num_classes=len(task.classes),
            users=num_users(self.state, without=task.name),
            image_size=space.image_size,
            validations=space.validations,
            uncounted=uncounted(space, root.facts),
            folds=space.folds(len(task.validation), pass_),
        )

    def pricing_online(self, incoming: Incoming) -> Pricing:
        """Prices genomes for a task whose examples come once."""
        root, space = self.root_of(incoming.name), self.space_of(incoming.name)
        return Pricing(
            layout=root.layout,
            num_train=incoming.num_examples or 0,
            num_validation=0,
            num_classes=len(incoming.classes),
            users=num_users(self.state, without=incoming.name),
            image_size=space.image_size,
            validations=space.validations,
            uncounted=uncounted(space, root.facts),
            online=True,
        )

    def plan(self, config: TaskConfig, task: Task, pass_: int) -> BenchPlan:
        """What workers are told about a task; the site knows from now on where its data are."""
        site, space = self.site, self.space_of(task.name)
        site.add(task.digest, config)
        if task.index is not None and task.index.stamp is not None:  # so that no worker reads all of it again
            ArrayCache(site.cache, site.cache_bytes).keep(index_key(task.digest), task.index.to_array())
        return BenchPlan(
            seed=self.config.seed,
            layout=self.root_of(task.name).layout,
            task=task.name,
            metric=task.metric,
            digest=task.digest,
            validations=space.validations,
            sizes=space.image_sizes,
            threads=self.config.threads,
            device=self.config.device,
            folds=space.folds(len(task.validation), pass_),
            work_price=work_price(space.objective, self.pricing(task, pass_).root()[1]),
        )
