"""What a task's trials need around them, made from plain data, in whatever process they run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils import deterministic

from evo_mtl.archive.store import ComponentStore
from evo_mtl.engines.allocator import keep_freed_memory
from evo_mtl.engines.jobs import Job, do
from evo_mtl.errors import DataError
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.plain import plain, restore
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.index import index_from_array, index_key
from evo_mtl.streams.task import Task, open_indexed, open_task, with_validation
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.images import TaskImages
from evo_mtl.training.spent import Spent
from evo_mtl.training.trial import Bench


@dataclass(frozen=True)
class BenchPlan:
    """Everything a worker is told about a task; plain data.

    Attributes:
        folder: The run folder.
        cache: Folder of kept arrays, and its bound in bytes.
        seed: The run's seed.
        layout: The root trunk.
        task: The task's configuration.
        digest: Of the task's data as the coordinator saw it.
        validations: Validations while a child trains.
        sizes: Image sizes that genomes may have.
        threads: Torch threads; weights differ between 1 and 2, so every trial of a run has the same.
        device: ``"cpu"`` or ``"cuda"``.
        keeping: Whether activations of frozen stages are kept; if not (for comparison), every batch
            runs the whole route.
        folds: Parts of the training images that are left out in turn; 0 where candidates are not cross-validated.
        validation: Places of the validation images that trials may see; all when ``None``.
        trust_python: Whether code that the task's source names may be run.
    """

    folder: str
    cache: str
    cache_bytes: int
    seed: int
    layout: TrunkLayout
    task: TaskConfig
    digest: str
    validations: int
    sizes: tuple[int, ...]
    threads: int
    device: str
    keeping: bool = True
    folds: int = 0
    validation: tuple[int, ...] | None = None
    trust_python: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data; :func:`plan_from_json` reads it back."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "layout": plain(self.layout),
            "task": self.task.model_dump(mode="json"),
        }


def plan_from_json(data: Mapping[str, Any]) -> BenchPlan:
    """Reads what :meth:`BenchPlan.to_json` wrote."""
    changes = {
        "layout": restore(TrunkLayout, data["layout"]),
        "task": TaskConfig.model_validate(data["task"], strict=False),
        "sizes": tuple(data["sizes"]),
        "validation": None if data["validation"] is None else tuple(data["validation"]),
    }
    return BenchPlan(**{**data, **changes})


class Workbench:
    """Does jobs of one task after another in this process, keeping frozen modules loaded."""

    def __init__(self) -> None:
        self._plan: BenchPlan | None = None
        self._bench: Bench | None = None

    def prepare(self, plan: BenchPlan) -> Bench:
        """The bench of a plan; the former one is kept where the plan is the same."""
        if self._bench is None or plan != self._plan:
            set_threads(plan.threads)
            self._bench, self._plan = make_bench(plan), plan
        return self._bench

    def do(self, plan: BenchPlan, job: Job) -> dict[str, Any]:
        """A job, from and to plain data: what it gives under ``"result"``, seconds by kind under ``"spent"``."""
        bench = self.prepare(plan)
        with bench.spent.on("other"):
            result = do(job, bench)
        return {"result": result, "spent": bench.spent.take()}


def make_bench(plan: BenchPlan) -> Bench:
    """Opens the task and the component store of a plan.

    Raises:
        DataError: The task's data is not what the coordinator saw.
    """
    store = ComponentStore(Path(plan.folder))
    cache = ArrayCache(Path(plan.cache), plan.cache_bytes)
    task = _task(plan, cache)
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
        spent=spent,
    )


def _task(plan: BenchPlan, cache: ArrayCache) -> Task:
    """The task by its index, where the coordinator kept one; read whole where not."""
    kept = cache.find(index_key(plan.digest))
    index = None if kept is None else index_from_array(kept)
    task = None if index is None else open_indexed(plan.task, index)
    task = task or open_task(plan.task, plan.trust_python)
    if task.digest != plan.digest:
        raise DataError("the data changed while the search was running", f"task {task.name}")
    return task


def set_threads(threads: int) -> None:
    """Sets the threads of this process, before CUDA starts; results on a CPU depend on their number."""
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products vary on CUDA
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # would cost nine tenths of the speed and bring nothing here
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
