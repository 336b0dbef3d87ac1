"""The Python face of a search: what ``evo_mtl.search`` and ``evo_mtl.resume`` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import Model, load
from evo_mtl.errors import InputError
from evo_mtl.run.config import make_config
from evo_mtl.run.folder import RunFolder, default_folder, reopen
from evo_mtl.run.options import Options
from evo_mtl.run.progress import Progress, silent
from evo_mtl.searching.runner import run_search
from evo_mtl.telling.summary import summarize


@dataclass(frozen=True)
class Run(PathLike[str]):
    """A run on disk; wherever a path of a run is asked for, this is one.

    Attributes:
        path: Its folder.
        trust_python: Whether functions that its ``python:`` tasks name may be called; so for a run whose
            stream file was handed in.
    """

    path: Path
    trust_python: bool = False

    def __fspath__(self) -> str:
        return str(self.path)

    def load(self) -> Model:
        """Its network, ready to answer."""
        return load(self.path)

    def evaluate(self, tasks: Sequence[str] | None = None) -> dict[str, Any]:
        """Its quality on test images: the object that ``evo-mtl evaluate --json`` prints."""
        return evaluate(self.path, tasks, trust_python=self.trust_python)

    def summary(self) -> dict[str, Any]:
        """What is in it: the object that ``evo-mtl show --json`` prints."""
        return summarize(self.path)


def search(
    tasks: str | Path,
    space: str = "small",
    run: str | Path | None = None,
    seed: int = 0,
    algorithm: str | None = None,
    overrides: Sequence[str] = (),
    workers: int = 1,
    engine: str = "local",
    threads: int = 1,
    device: str = "cpu",
    passes: int = 1,
    cache: str | Path | None = None,
    minutes: float | None = None,
    minutes_per_task: float | None = None,
    optuna_storage: str | None = None,
    progress: Progress = silent,
) -> Run:
    """Grows one network over the tasks of a stream; goes on with the run if it has been begun.

    Args:
        tasks: The stream file.
        space: Name or file of a search space.
        run: Folder of the run; ``runs/<stream>-<space>-s<seed>`` when ``None``.
        seed: Of every draw.
        algorithm: Instead of the space's.
        overrides: ``"budget.children=2"``: keys of the space and their values.
        workers: Processes that try candidates. With more than one, a script needs the usual
            ``if __name__ == "__main__":`` around this call.
        engine: What runs them, by name: ``"local"``, ``"serial"``, ``"processes"``.
        threads: Torch threads of a trial.
        device: ``"cpu"`` or ``"cuda"``.
        passes: How often each task is visited: all once, then all again, each starting from its own route.
        cache: Folder of kept activations; the run's own when ``None``.
        minutes: Clock limit for the whole search.
        minutes_per_task: Clock limit for each task; a generation that would pass it is not begun.
        optuna_storage: URL of an Optuna storage in which every committed candidate is shown as a trial:
            ``"sqlite:///FILE"``, ``"journal:FILE"``, or another that Optuna takes.
        progress: Hears what happens.

    Raises:
        InputError: Something handed in is wrong; nothing was written.
    """
    _at_least(0, seed=seed)
    _at_least(1, workers=workers, threads=threads, passes=passes)
    if device not in ("cpu", "cuda"):
        raise InputError(f"expected cpu or cuda, met {device!r}", "device")
    config = make_config(
        tasks,
        space,
        seed=seed,
        algorithm=algorithm,
        overrides=overrides,
        threads=threads,
        device=device,
        passes=passes,
    )
    folder = default_folder(config, algorithm) if run is None else RunFolder(Path(run).expanduser())
    options = Options(
        workers=workers,
        engine=engine,
        cache=None if cache is None else Path(cache),
        minutes=minutes,
        minutes_per_task=minutes_per_task,
        optuna_storage=optuna_storage,
        trust_python=True,
    )
    run_search(folder, config, options, progress)
    return Run(folder.path, trust_python=True)


def resume(
    run: str | Path | Run,
    workers: int = 1,
    engine: str = "local",
    cache: str | Path | None = None,
    minutes: float | None = None,
    minutes_per_task: float | None = None,
    research: bool = False,
    optuna_storage: str | None = None,
    passes: int = 1,
    progress: Progress = silent,
    trust_python: bool = False,
) -> Run:
    """Goes on with a run as it was configured; tasks that its stream file has gained are added.

    Where the stream file is gone, the stream that the run recorded is used.

    Args:
        run: Its folder.
        workers: Processes that try candidates.
        engine: What runs them, by name.
        cache: Folder of kept activations; the run's own when ``None``.
        minutes: Clock limit from now.
        minutes_per_task: Clock limit for each task that is left.
        research: Search tasks again whose data changed.
        optuna_storage: URL of an Optuna storage in which every committed candidate is shown as a trial.
        passes: How often each task is visited, where that is more than the run has recorded.
        progress: Hears what happens.
        trust_python: Whether functions that the run's ``python:`` tasks name may be called: a run that you
            were given says itself which they are.

    Raises:
        InputError: There is no run, or something it needs is wrong.
    """
    _at_least(1, workers=workers, passes=passes)
    folder, config, _ = reopen(Path(run), passes)
    options = Options(
        workers=workers,
        engine=engine,
        cache=None if cache is None else Path(cache),
        minutes=minutes,
        minutes_per_task=minutes_per_task,
        research=research,
        optuna_storage=optuna_storage,
        trust_python=trust_python,
    )
    run_search(folder, config, options, progress)
    return Run(folder.path, trust_python)


def _at_least(least: int, **numbers: object) -> None:
    """Raises ``InputError`` for an argument that is no whole number of at least ``least``."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise InputError(f"expected a whole number of at least {least}, met {number!r}", name)
