"""What a task's trials need around them, made from a plan and a site, in whatever process they run."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch
from torch.utils import deterministic

from evo_mtl.archive.store import ComponentStore
from evo_mtl.engines.allocator import keep_freed_memory
from evo_mtl.engines.jobs import Job, do
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.errors import DataError
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.streams.index import index_from_array, index_key
from evo_mtl.streams.task import Task, open_indexed, open_task, with_validation
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.images import TaskImages
from evo_mtl.training.spent import Spent
from evo_mtl.training.trial import Bench


class Workbench:
    """Does jobs of one task after another in this process, keeping frozen modules loaded.

    Args:
        site: Where this machine has what plans name.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._plan: BenchPlan | None = None
        self._bench: Bench | None = None

    def prepare(self, plan: BenchPlan) -> Bench:
        """The bench of a plan; the former one is kept where the plan is the same."""
        if self._bench is None or plan != self._plan:
            set_threads(plan.threads)
            self._bench, self._plan = make_bench(plan, self._site), plan
        return self._bench

    def do(self, plan: BenchPlan, job: Job) -> dict[str, Any]:
        """A job, from and to plain data: what it gives under ``"result"``, seconds by kind under ``"spent"``."""
        bench = self.prepare(plan)
        with bench.spent.on("other"):
            result = do(job, bench)
        return {"result": result, "spent": bench.spent.take()}


def make_bench(plan: BenchPlan, site: Site) -> Bench:
    """Opens the task and the component store of a plan, where a site has them.

    Raises:
        DataError: The task's data is not here, or not what the coordinator saw.
    """
    store = ComponentStore(site.folder)
    cache = ArrayCache(site.cache, site.cache_bytes)
    task = _task(plan, site, cache)
    if plan.validation is not None:
        task = with_validation(task, plan.validation)
    spent = Spent()
    modules = Modules(store.read, device=plan.device)
    return Bench(
        seed=plan.seed,
        layout=plan.layout,
        shared=SharedRoutes(modules),
        write=lambda tensors, spec: store.write({k: v.cpu() for k, v in tensors.items()}, spec),
        images=TaskImages(task, plan.seed, cache, plan.sizes, spent),
        cache=cache,
        validations=plan.validations,
        keeping=plan.keeping,
        folds=plan.folds,
        work_price=plan.work_price,
        spent=spent,
    )


def _task(plan: BenchPlan, site: Site, cache: ArrayCache) -> Task:
    """The task by its index, where the coordinator kept one; read whole where not."""
    config = site.tasks.get(plan.digest)
    if config is None:
        raise DataError(f"no data with the digest {plan.digest[:12]} are known here", f"task {plan.task}")
    kept = cache.find(index_key(plan.digest))
    index = None if kept is None else index_from_array(kept)
    task = None if index is None else open_indexed(config, index)
    task = task or open_task(config, site.trust_python)
    if task.digest != plan.digest:
        raise DataError("the data changed while the search was running", f"task {plan.task}")
    return replace(task, name=plan.task, metric=plan.metric)  # another task may have the same data


def set_threads(threads: int) -> None:
    """Sets the threads of this process, before CUDA starts; results on a CPU depend on their number."""
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products vary on CUDA
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # would cost nine tenths of the speed and bring nothing here
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
