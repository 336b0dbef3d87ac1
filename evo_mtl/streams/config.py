"""The stream file: which tasks, in which order, under which regime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from evo_mtl.documents import Document, Key, Section, read_yaml, validate
from evo_mtl.errors import ConfigError, InputError
from evo_mtl.streams.sources import PATH_SCHEMES, find_source


def _class_name(value: object) -> object:
    """``classes: [0, 1]`` are names too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ClassName = Annotated[str, BeforeValidator(_class_name), WithJsonSchema({"type": ["string", "integer"]})]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]


class TaskConfig(Section):
    """One task of a stream."""

    name: Name = Field(description="letters, digits, _ . -; unique in the stream")
    source: str = Field(description="scheme:argument; evo-mtl tasks list names the schemes")
    root: str | None = Field(None, description="folder of a source that keeps files")
    limit: Annotated[int, Field(ge=1)] | None = Field(
        None, description="at most so many training images (validation included), and so many test images"
    )
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.15, description="fraction of the training images that is set aside for validation"
    )
    metric: Literal["accuracy", "balanced_accuracy"] = Field(
        "accuracy", description="what the task is judged by"
    )
    classes: tuple[ClassName, ...] | None = Field(
        None, description="only these classes, numbered in this order; all if left out"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of the splits and of limit")
    private: bool = Field(
        False, description="no other task's route may use this one's weights, and no descriptor of it is kept"
    )
    download: bool = Field(False, description="whether the source may fetch files")

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

    name: Name = Field(description="what default run folders are called after")
    regime: Literal["offline", "online"] = Field(
        "offline",
        description="offline: training images may be read again and again; online: each comes once, and is gone",
    )
    order: Literal["sequential", "mixed", "blurry"] = Field(
        "sequential",
        description="one task after another; online also mixed: batches are drawn from all tasks at once, or blurry: "
        "in order, but some examples come in the places of others",
    )
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="images of a batch of an online stream"
    )
    overlap: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1,
        description="share of each task's examples that a blurry stream of several tasks shows in the places of others",
    )
    sessions: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        None, description="how many sessions a blurry stream of one task is cut into, by classes"
    )
    disjoint: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="share of the classes whose examples are all in one of those sessions; the others are blurry",
    )
    blurriness: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1,
        description="share of a session's examples of blurry classes that it exchanges with other sessions",
    )
    boundaries: Literal["given", "found"] = Field(
        "given",
        description="whether an online stream says which task its examples are of, or that has to be found",
    )
    least_aggregate: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        16, description="online, nothing that sums up fewer examples than these is ever written"
    )
    tasks: Annotated[tuple[TaskConfig, ...], Field(min_length=1)] = Field(
        description="in the order in which they are searched; tasks may be added at the end later"
    )

    def fixed(self) -> dict[str, Any]:
        """What of it may not change while a run goes on, beside the tasks that were begun."""
        online = {"order", *_ONLINE} if self.regime == "online" else set()
        return self.model_dump(mode="json", include={"regime", *online})


_ONLINE = ("batch_size", "overlap", "sessions", "disjoint", "blurriness", "boundaries", "least_aggregate")
_OF_SESSIONS = ("sessions", "disjoint", "blurriness")


def read_stream(path: str | Path) -> StreamConfig:
    """Reads a stream file; paths in it are relative to it.

    Raises:
        ConfigError: Names ``file:line`` and the key; a key too that this regime or order does not read.
    """
    document = read_yaml(path)
    stream = validate(StreamConfig, document)
    for key, wrong in _not_read(stream):
        raise ConfigError(wrong, document.place(*key))
    _refuse_equal_names(stream, document)
    folder = Path(path).expanduser().absolute().parent
    tasks = tuple(_resolved(task, folder) for task in stream.tasks)
    return stream.model_copy(update={"tasks": tasks})


def _not_read(stream: StreamConfig) -> Iterator[tuple[Key, str]]:
    """Keys that are written, but that this regime or order does not read, or that it lacks; and what to do."""
    written = [key for key in _ONLINE if key in stream.model_fields_set]
    if stream.regime == "offline":
        if stream.order != "sequential":
            yield ("order",), f"{stream.order!r} needs regime: online"
        for key in written:
            yield (key,), "is for regime: online"
        return
    for number, task in enumerate(stream.tasks):
        if "validation" in task.model_fields_set:
            yield (
                ("tasks", number, "validation"),
                "is for regime: offline; online, every example is learned from",
            )
    several = len(stream.tasks) > 1
    for key in written:
        if key in ("overlap", *_OF_SESSIONS) and stream.order != "blurry":
            yield (key,), "is for order: blurry"
        elif key == "overlap" and not several:
            yield (key,), "is for several tasks; a blurry stream of one task has sessions"
        elif key in _OF_SESSIONS and several:
            yield (key,), "is for a blurry stream of one task; several tasks have overlap"
    if stream.order == "blurry" and not several and stream.sessions is None:
        yield ("order",), "'blurry' with one task needs sessions: in how many its classes come"
    if stream.boundaries == "found" and stream.order != "sequential":
        yield ("boundaries",), "'found' needs order: sequential"


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
