"""How a search begins: everything checked before anything is written, then the first lines of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evo_mtl.archive.journal import Journal, read_journal
from evo_mtl.archive.state import ArchiveState, replay
from evo_mtl.engines.workbench import set_threads
from evo_mtl.errors import RunError
from evo_mtl.files import write_atomic
from evo_mtl.run.checks import check_device, check_images, draft_root
from evo_mtl.run.config import RunConfig, grown, read_config, to_yaml
from evo_mtl.run.folder import RunFolder
from evo_mtl.streams.config import StreamConfig, TaskConfig
from evo_mtl.streams.task import Task, open_task


def checked(folder: RunFolder, config: RunConfig, research: bool) -> list[tuple[TaskConfig, Task]]:
    """The tasks, opened, when all that can be checked before a search has been; writes nothing.

    Args:
        folder: Where the run is, or will be.
        config: What is asked for.
        research: Whether a task whose data changed is to be searched again.

    Raises:
        InputError: Whatever is wrong, in one line.
    """
    state = ArchiveState()
    if folder.exists():
        state = _state(folder)
        _grown(read_config(folder.config), config, state, folder)
    check_device(config.device)
    tasks = [(task, open_task(task)) for task in config.stream.tasks]
    for _, task in tasks:
        if state.tasks.get(task.name, {}).get("digest") != task.digest:
            if task.name in state.tasks and not research:
                raise RunError(
                    f"the data of task {task.name!r} changed after it came to this run; "
                    "put the data back, or search it again with --research",
                    folder.path,
                )
            check_images(task)
    if state.root is None:
        set_threads(config.threads)
        draft_root(config.space)
    return tasks


def _state(folder: RunFolder) -> ArchiveState:
    events = read_journal(folder.journal) if folder.journal.exists() else ()
    return replay(events, folder.journal)


def _grown(old: RunConfig, new: RunConfig, state: ArchiveState, folder: RunFolder) -> StreamConfig:
    """The stream the run goes on with; raises ``RunError`` when ``new`` is another configuration."""
    if old.identity() != new.identity():
        raise RunError(f"a run of another configuration: {_difference(old, new)}", folder.path)
    if state.run and state.run["configuration"] != new.identity():
        raise RunError("run.yaml is not the configuration that the journal was begun with", folder.config)
    return grown(old.stream, new.stream, state.tasks, new.stream_file)


def begin(folder: RunFolder, config: RunConfig) -> Journal:
    """The journal of a run whose configuration is this one, its first events written."""
    if folder.config.exists():
        old = read_config(folder.config)
        stream = _grown(old, config, _state(folder), folder)
        config = config.model_copy(update={"stream": stream})
        if config.stream != old.stream or config.stream_file != old.stream_file:
            write_atomic(folder.config, to_yaml(config))
    else:
        write_atomic(folder.config, to_yaml(config))
    journal = Journal.open(folder.journal)
    if not journal.events:
        journal.append("run", configuration=config.identity(), seed=config.seed)
    return journal


def _difference(old: RunConfig, new: RunConfig) -> str:
    """The first setting in which two configurations differ, in words."""

    def first(a: Any, b: Any, path: str) -> str:
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            for key in [*a, *(k for k in b if k not in a)]:
                if a.get(key) != b.get(key):
                    return first(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
        return f"{path} is {a!r} there, {b!r} here"

    fields = {"space", "seed", "threads", "device"}
    was, now = old.model_dump(mode="json", include=fields), new.model_dump(mode="json", include=fields)
    return first(was, now, "") if was != now else f"regime is {old.stream.regime!r} there"
