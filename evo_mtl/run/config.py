"""Everything that decides a run's result, resolved: what ``run.yaml`` holds."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from evo_mtl.documents import Section, dump_yaml, parse, parse_yaml, read_yaml, validate
from evo_mtl.errors import ConfigError, RunError
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.one_pass import unfit_offline, unfit_online
from evo_mtl.genome.space import SearchSpace, read_space
from evo_mtl.streams.config import StreamConfig, TaskConfig, read_stream

RECORDED = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "safetensors",
    "scikit-learn",
    "deap",
    "optuna",
)


FORMAT: Literal[2] = 2
"""Of ``run.yaml``; the first had no number."""


class RunConfig(Section):
    """A run's configuration.

    Args:
        format: Of the file.
        stream: The tasks, paths resolved.
        stream_file: Where the stream was read, so that ``resume`` sees a grown one.
        spaces: Search spaces, overrides applied; no two have the same trunk. Tasks that are new are searched by the last,
            the others by the one they were begun with.
        seed: Of every draw.
        threads: Torch threads of a trial; results on CPU depend on their number.
        device: Where trials run.
        passes: How often each task is visited; may be raised later, for that changes nothing that was found.
        versions: Of Python and the libraries that results depend on.
    """

    format: Literal[2] = FORMAT
    stream: StreamConfig
    stream_file: str
    spaces: tuple[SearchSpace, ...] = Field(min_length=1)
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    device: Literal["cpu", "cuda"] = "cpu"
    passes: Annotated[int, Field(ge=1)] = 1
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def space(self) -> SearchSpace:
        """The space by which tasks that are new are searched."""
        return self.spaces[-1]

    def space_of(self, digest: str) -> SearchSpace | None:
        """The space of that digest, if the run has it."""
        return next((space for space in self.spaces if space.digest() == digest), None)

    def fixed(self) -> dict[str, Any]:
        """What may not change in a run: the seed, the threads, the device, and of the stream what it fixes."""
        return self.model_dump(mode="json", include={"seed", "threads", "device"}) | self.stream.fixed()

    def identity(self) -> str:
        """Digest of what may not change in a run."""
        return digest(canonical_json(self.fixed()))


def make_config(
    tasks: str | Path,
    space: str = "small",
    *,
    seed: int = 0,
    algorithm: str | None = None,
    overrides: Sequence[str] = (),
    threads: int = 1,
    device: str = "cpu",
    passes: int = 1,
) -> RunConfig:
    """Resolves what a user asked for.

    Args:
        tasks: The stream file.
        space: Name or file of a search space.
        seed: Of every draw.
        algorithm: Instead of the space's.
        overrides: ``"budget.children=2"``: keys of the space and their values.
        threads: Torch threads of a trial.
        device: ``"cpu"`` or ``"cuda"``.
        passes: How often each task is visited.

    Raises:
        ConfigError: Something in the files or the overrides is wrong; names it.
    """
    stream = read_stream(tasks)
    chosen = override(read_space(space), [*overrides, *([f"algorithm={algorithm}"] if algorithm else [])])
    algorithms.get(chosen.algorithm, "algorithm")
    wrong = unfit_online(chosen, stream.order) if stream.regime == "online" else unfit_offline(chosen)
    if wrong is not None:
        hint = "; the space online is made for streams" if stream.regime == "online" else ""
        raise ConfigError(f"{wrong}{hint}", f"search space {chosen.name}")
    return RunConfig(
        stream=stream,
        stream_file=str(Path(tasks).expanduser().absolute()),
        spaces=(chosen,),
        seed=seed,
        threads=threads,
        device=device,  # type: ignore[arg-type]
        passes=passes,
        versions=versions(),
    )


def check_private(space: SearchSpace, tasks: Iterable[TaskConfig]) -> None:
    """Raises ``ConfigError`` where others would go on from what a private task trained.

    Args:
        space: By which the tasks are searched.
        tasks: Of which the search has not begun.
    """
    private = next((task.name for task in tasks if task.private), None)
    if private is not None and space.stages.own_from:
        raise ConfigError(
            f"by search space {space.name} stages follow (stages: own_from), so others would go on from what this task "
            "trained",
            f"task {private}: private",
        )


def override(space: SearchSpace, settings: Sequence[str]) -> SearchSpace:
    """A search space with some keys set, as ``--set key=value`` says them.

    Raises:
        ConfigError: A key that does not exist, or a value it cannot have.
    """
    data: dict[str, Any] = space.model_dump(mode="json")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"expected key=value, met {setting!r}", "--set")
        *path, last = key.strip().split(".")
        target = data
        if path and path[0] in SearchSpace.model_fields and data[path[0]] is None:
            data[path[0]] = {}
        for part in path:
            target = target.get(part) if isinstance(target, dict) else None  # type: ignore[assignment]
        if not isinstance(target, dict):
            raise ConfigError(f"no such key {key!r} in search space {space.name}", "--set")
        target[last] = parse_yaml(text.encode(), f"--set {key}").data
    return parse(SearchSpace, data, "--set") if settings else space


def versions() -> dict[str, str]:
    """Versions that results depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("evo-mtl", *RECORDED):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def to_yaml(config: RunConfig) -> bytes:
    """What ``run.yaml`` holds."""
    text = dump_yaml(config.model_dump(mode="json"))
    return f"# Written by evo-mtl; to change a run, start another one.\n{text}".encode()


def read_config(path: Path) -> RunConfig:
    """Reads ``run.yaml``.

    Raises:
        ConfigError: It is not what a run is made of; names file, line and key.
        RunError: Another version of the program wrote it.
    """
    document = read_yaml(path)
    met = document.data.get("format") if isinstance(document.data, dict) else FORMAT
    if met is None:
        raise RunError("this run was written by evo-mtl 0.1; this version does not read it", path)
    if met != FORMAT:
        raise RunError(f"run format {met!r}; this version reads format {FORMAT}", path)
    return validate(RunConfig, document)


def grown(old: StreamConfig, new: StreamConfig, begun: Mapping[str, Any], place: object) -> StreamConfig:
    """The stream a run goes on with: tasks may be added behind those whose search has begun.

    Raises:
        ConfigError: A task that was begun is missing, changed, or not where it was; or there is another one beside
            it in an order in which every batch depends on all of them.
    """
    settled = [task for task in old.tasks if task.name in begun]
    if settled and old.order != "sequential":
        if len(new.tasks) > len(old.tasks):
            more = new.tasks[len(old.tasks)].name
            raise ConfigError(
                f"no task can be added to a {old.order} stream that was begun ({more!r} is new)", place
            )
        settled = list(old.tasks)
    for place_, task in enumerate(settled):
        now = new.tasks[place_] if place_ < len(new.tasks) else None
        if now != task:
            found = "nothing" if now is None else f"{now.name!r}"
            if now is not None and now.name == task.name:
                key = next(k for k in type(task).model_fields if getattr(now, k) != getattr(task, k))
                found = f"{key} {getattr(now, key)!r} instead of {getattr(task, key)!r}"
            message = f"task {task.name!r} is task {place_ + 1} of this run; the stream has {found} there"
            raise ConfigError(message, place)
    return new
