"""From the options of the command to pieces of work, each with the digest of what decides its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evo_mtl.documents import dump_yaml
from evo_mtl.errors import InputError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.files import canonical_json, digest, make_folder, write_atomic
from evo_mtl.learners.fine_tuning import read_grid
from evo_mtl.registry import suggestion
from evo_mtl.run.config import make_config
from evo_mtl.streams.config import StreamConfig, read_stream
from search.learning import WHOLE
from search.methods import ABLATIONS, CLOCKED, Method, ablated, named
from search.results import BASELINES
from search.work import Learning, Search, Work


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    Attributes:
        tasks: The stream file.
        folder: The benchmark's.
        space: Name or file of the search space, and ``key=value`` for it.
        methods: Without those whose budget is seconds.
        clocked: These.
        size: Image size of the learners.
        grid: Of fine-tuning.
    """

    tasks: Path
    folder: Path
    space: str
    overrides: tuple[str, ...]
    methods: tuple[Method, ...]
    clocked: tuple[Method, ...]
    size: int
    grid: str

    @property
    def stream(self) -> StreamConfig:
        """The tasks as they are without a seed."""
        return read_stream(self.tasks)


def methods(
    space_file: str,
    tasks: Path,
    overrides: Sequence[str],
    main: str,
    searches: str,
    learners: str,
    parts: str,
    seeds: Sequence[int],
) -> tuple[tuple[Method, ...], tuple[str, ...]]:
    """The methods asked for, and parts that this space does not have, so that leaving them out changes nothing.

    Raises:
        InputError: An unknown name.
    """
    found = []
    for name, its in named(searches, seeds, "--algorithms"):
        algorithms.get(name, "--algorithms")
        found.append(Method(name, its, name, tuple(overrides)))
    for name, its in named(learners, seeds, "--baselines"):
        if name not in BASELINES:
            message = f"unknown baseline {name!r}{suggestion(name, BASELINES)}; known: {', '.join(BASELINES)}"
            raise InputError(message, "--baselines")
        found.append(Method(name, its))
    idle = []
    for name, its in _every(named(parts, seeds, "--ablations")):
        left_out = ablated(make_config(tasks, space_file, algorithm=main, overrides=overrides).space, name)
        if left_out:
            found.append(Method(f"without {name}", its, main, (*overrides, *left_out)))
        else:
            idle.append(name)
    return tuple(found), tuple(idle)


def clocked(
    chosen: Sequence[Method], names: Sequence[str], overrides: Sequence[str], generations: int = 1000
) -> tuple[Method, ...]:
    """Those of the searches that get a budget in seconds too: as many generations as it allows, any number of images."""
    free = (f"budget.generations={generations}", "budget.images=null", "budget.multiply_adds=null")
    return tuple(
        Method(method.name + CLOCKED, method.seeds, method.algorithm, (*overrides, *free), clocked=True)
        for method in chosen
        if method.name in names
    )


def work(asked: Asked, chosen: Sequence[Method], seconds: float | None = None) -> list[Work]:
    """Pieces of work, all methods of a seed before the next seed, so that what is there early can be compared."""
    pieces: list[Work] = []
    seeds = sorted({seed for method in chosen for seed in method.seeds})
    for seed in seeds:
        stream = _write_stream(asked, seed)
        for method in chosen:
            if seed in method.seeds:
                pieces += _pieces(asked, method, seed, stream, seconds)
    return pieces


def _pieces(asked: Asked, method: Method, seed: int, stream: Path, seconds: float | None) -> Iterator[Work]:
    tasks = read_stream(stream).tasks
    if method.algorithm:
        config = make_config(
            stream, asked.space, seed=seed, algorithm=method.algorithm, overrides=method.overrides
        )
        limit = seconds if method.clocked else None
        decided = {"run": config.identity(), "seconds": limit, "tasks": _plain(tasks)}
        yield Search(
            method.name,
            seed,
            digest(canonical_json(decided)),
            stream,
            asked.space,
            method.overrides,
            method.algorithm,
            limit,
        )
        return
    trunk = make_config(stream, asked.space, overrides=asked.overrides).space.trunk
    grid = asked.grid if method.name == WHOLE else ""
    decided = {
        "trunk": trunk.model_dump(mode="json"),
        "size": asked.size,
        "grid": grid,
        "tasks": _plain(tasks),
    }
    asked_for = digest(canonical_json(decided))
    # The dear one does its tasks side by side.
    for some in [(task,) for task in tasks] if method.name == WHOLE else [tasks]:
        yield Learning(
            method.name, seed, asked_for, stream, some, trunk.name, trunk.weights, asked.size, asked.grid
        )


def _every(parts: Sequence[tuple[str, tuple[int, ...]]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """``all`` stands for every part."""
    for name, seeds in parts:
        yield from ((each, seeds) for each in ABLATIONS) if name == "all" else ((name, seeds),)


def _write_stream(asked: Asked, seed: int) -> Path:
    """The stream of a seed: the seed is added to that of every task's splits, so that splits vary with it."""
    stream = asked.stream
    tasks = tuple(task.model_copy(update={"seed": task.seed + seed}) for task in stream.tasks)
    data = stream.model_copy(update={"tasks": tasks}).model_dump(mode="json", exclude_unset=True)
    path = asked.folder / "streams" / f"s{seed}.yaml"
    make_folder(path.parent)
    write_atomic(path, dump_yaml(data).encode())
    return path


def _plain(tasks: Sequence[object]) -> list[object]:
    return [task.model_dump(mode="json") for task in tasks]  # type: ignore[attr-defined]


def check_grid(grid: str) -> str:
    """A grid of fine-tuning that can be read."""
    read_grid(grid)
    return grid
