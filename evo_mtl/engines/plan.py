"""What is said of a task to whoever does its jobs, and where a machine has what that names.

A plan is the same on every machine: it names data and components by the digest of their content, and no path.
A site is one machine's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from evo_mtl.network.layout import TrunkLayout
from evo_mtl.streams.config import TaskConfig


@dataclass(frozen=True)
class BenchPlan:
    """Everything that decides what a task's jobs give; plain data.

    Attributes:
        seed: The run's seed.
        layout: The root trunk.
        task: The task's name.
        metric: What it is judged by.
        digest: Of the task's data as the coordinator saw it.
        validations: Validations while a child trains.
        sizes: Image sizes that genomes may have.
        threads: Torch threads; weights differ between 1 and 2, so every trial of a run has the same.
        device: ``"cpu"`` or ``"cuda"``.
        keeping: Whether activations of frozen stages are kept; if not (for comparison), every batch
            runs the whole route.
        folds: Parts of the training images that are left out in turn; 0 where candidates are not cross-validated.
        work_price: Nats of likelihood that a multiply-add of an answer has to bring, where a trial chooses.
        validation: Indices of the validation examples that trials may see; all when ``None``.
    """

    seed: int
    layout: TrunkLayout
    task: str
    metric: str
    digest: str
    validations: int
    sizes: tuple[int, ...]
    threads: int
    device: str
    keeping: bool = True
    folds: int = 0
    work_price: float = 0.0
    validation: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Site:
    """One machine's side of a run: where it has what plans name. It decides nothing that a job gives.

    Attributes:
        folder: Where components are: the run folder.
        cache: Folder of kept arrays.
        cache_bytes: Its bound.
        trust_python: Whether code that the tasks' sources name may be run.
        tasks: Where data are, by their digest; grows as tasks arrive.
    """

    folder: Path
    cache: Path
    cache_bytes: int
    trust_python: bool = False
    tasks: dict[str, TaskConfig] = field(default_factory=dict)

    def add(self, digest: str, task: TaskConfig) -> None:
        """Says where data of a digest are; the latest word counts."""
        self.tasks[digest] = task

    def copy(self) -> Site:
        """As it is now, which what arrives later does not change."""
        return replace(self, tasks=dict(self.tasks))
