"""The stream file: which tasks, in which order, under which regime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from evo_mtl.documents import Document, Section, read_yaml, validate
from evo_mtl.errors import ConfigError, InputError
from evo_mtl.streams.sources import PATH_SCHEMES, find_source


def _class_name(value: object) -> object:
    """``classes: [0, 1]`` are names too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ClassName = Annotated[str, BeforeValidator(_class_name)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]


class TaskConfig(Section):
    """One task of a stream.

    Args:
        name: Letters, digits, ``_ . -``; unique in the stream.
        source: ``scheme:argument``; see :func:`evo_mtl.streams.check.list_sources`.
        root: Folder for sources that keep files.
        limit: At most so many training images (validation included), and test images.
        validation: Fraction of the training images that is set aside.
        metric: What the task is judged by.
        classes: Only these, numbered in this order.
        seed: Of the splits.
        private: Its route is never a parent for another task.
        download: Whether the source may fetch files.
    """

    name: Name
    source: str
    root: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    metric: Literal["accuracy", "balanced_accuracy"] = "accuracy"
    classes: tuple[ClassName, ...] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    private: bool = False
    download: bool = False

    @field_validator("source")
    @classmethod
    def _source_is_known(cls, value: str) -> str:
        try:
            find_source(value)
        except InputError as error:
            raise ValueError(error.message) from None
        return value

    @field_validator("classes")
    @classmethod
    def _classes_are_two_or_more(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (len(value) < 2 or len(set(value)) < len(value)):
            raise ValueError("expected two or more different classes")
        return value


class StreamConfig(Section):
    """An ordered list of tasks."""

    name: Name
    regime: Literal["offline", "online"] = "offline"
    order: Literal["sequential", "mixed", "blurry"] = "sequential"
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    tasks: Annotated[tuple[TaskConfig, ...], Field(min_length=1)]


def read_stream(path: str | Path) -> StreamConfig:
    """Reads a stream file; paths in it are relative to it.

    Raises:
        ConfigError: Names ``file:line`` and the key.
    """
    document = read_yaml(path)
    stream = validate(StreamConfig, document)
    if stream.order != "sequential" and stream.regime != "online":
        raise ConfigError(f"{stream.order!r} needs regime: online", document.place("order"))
    _refuse_equal_names(stream, document)
    folder = Path(path).expanduser().absolute().parent
    tasks = tuple(_resolved(task, folder) for task in stream.tasks)
    return stream.model_copy(update={"tasks": tasks})


def _refuse_equal_names(stream: StreamConfig, document: Document) -> None:
    first: dict[str, int] = {}
    for i, task in enumerate(stream.tasks):
        if task.name in first:
            line = document.lines[("tasks", first[task.name], "name")]
            raise ConfigError(
                f"a second task of the name {task.name!r} (first in line {line})",
                document.place("tasks", i, "name"),
            )
        first[task.name] = i


def _resolved(task: TaskConfig, folder: Path) -> TaskConfig:
    scheme, argument = task.source.split(":", 1)
    update = {}
    if scheme in PATH_SCHEMES:
        update["source"] = f"{scheme}:{_path(argument, folder)}"
    if task.root is not None:
        update["root"] = _path(task.root, folder)
    return task.model_copy(update=update)


def _path(text: str, folder: Path) -> str:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~name of nobody
        path = Path(text)
    return str(folder / path)
