"""How a search begins: everything checked before anything is written, then the first lines of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evo_mtl.documents import parse_yaml
from evo_mtl.engines.workbench import set_threads
from evo_mtl.errors import DataError, InputError, RunError, TrunkError
from evo_mtl.files import digest, write_atomic
from evo_mtl.network.trunks import trunk_name
from evo_mtl.run.config import RunConfig, check_private, grown, to_yaml
from evo_mtl.run.events import Begun, Data
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.opened import Opened, read_opened, write_opened
from evo_mtl.run.snapshot import Archive
from evo_mtl.run.state import ArchiveState, Stored
from evo_mtl.searching.checks import check_device, check_images, check_root
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.index import Index
from evo_mtl.streams.raw import Form
from evo_mtl.streams.stamps import stamp
from evo_mtl.streams.task import Task, open_indexed, open_task, refuse_untrusted


@dataclass(frozen=True)
class Planned:
    """A task of the stream, its data checked.

    Attributes:
        config: As the stream has it.
        digest: Of its data.
        stamp: Of its files while they were read; ``None`` where it does not vouch for them.
        index: By which it may be opened again; ``None`` where it was not opened.
        opened: The task, where it was kept open.
        form: Of its examples; ``None`` where they were not opened.
    """

    config: TaskConfig
    digest: str
    stamp: str | None
    index: Index | None = None
    opened: Task | None = None
    form: Form | None = None

    def open(self, trust_python: bool) -> Task:
        """The task. Raises ``DataError`` when its data are no longer what was checked."""
        task = self.opened or (self.index and open_indexed(self.config, self.index))
        task = task or open_task(self.config, trust_python)
        if task.digest != self.digest:
            raise DataError("the data changed while the search was running", f"task {task.name}")
        return task


def checked(
    folder: RunFolder, config: RunConfig, research: bool, trust_python: bool = False
) -> list[Planned]:
    """The tasks, when all that can be checked before a search has been; writes nothing.

    A task that has a route is not opened again while its files are as they were when it was opened last.
    Of the others one stays open, the first: data may be large, and their turns come one after another.

    Args:
        folder: Where the run is, or will be.
        config: What is asked for.
        research: Whether a task whose data changed is to be searched again.
        trust_python: Whether code that the tasks' sources name may be run.

    Raises:
        InputError: Whatever is wrong, in one line.
    """
    state, stamps = ArchiveState(), read_opened(folder.opened).stamps
    if folder.exists():
        state = folder.read_state()
        config = continued(folder.read_config(), config, state, folder)
    if config.passes > 1 and (follows := [one.name for one in config.spaces if one.stages.own_from]):
        # By then what a task's stages follow has moved on, and what is known of its route with it.
        said = f"{config.passes} passes with search space {follows[0]}, by which stages follow (stages: own_from)"
        raise InputError(said, "--passes")
    check_private(config.space, (task for task in config.stream.tasks if task.name not in state.tasks))
    refuse_untrusted(config.stream.tasks, trust_python)
    check_device(config.device)
    tasks: list[Planned] = []
    first = True
    for task in config.stream.tasks:
        planned = _planned(task, state, stamps, research, folder, trust_python)
        done = _digest(state.answered, task.name) == planned.digest
        tasks.append(planned if first and not done else replace(planned, opened=None))
        first = first and done
    _check_roots(config, tasks, state)
    return tasks


def _check_roots(config: RunConfig, tasks: Sequence[Planned], state: ArchiveState) -> None:
    """Raises ``InputError`` where a task to be searched cannot stand on the space's trunk."""
    known = {(rooted.space, rooted.layout.name) for rooted in state.roots.values()}
    for planned in tasks:
        before = _digest(state.tasks, planned.config.name)
        if planned.form is None or before == planned.digest:
            continue
        try:
            name = trunk_name(config.space.trunk.name, planned.form)
        except TrunkError as error:
            raise TrunkError(error.message, f"task {planned.config.name}") from None
        if (config.space.digest(), name) not in known:
            set_threads(config.threads)
            check_root(config.space, planned.form)
            known.add((config.space.digest(), name))


def _planned(
    config: TaskConfig,
    state: ArchiveState,
    stamps: Mapping[str, tuple[str, str]],
    research: bool,
    folder: RunFolder,
    trust_python: bool,
) -> Planned:
    """One task, opened unless it is known to be as it was."""
    before = stamp(config)
    answered = _digest(state.answered, config.name)
    # Data without files (from a package or a function) are opened again: nothing else can vouch for them.
    if before is not None and before.has_files and stamps.get(config.name) == (before.digest, answered):
        return Planned(config, str(answered), before.digest)
    task = open_task(config, trust_python)
    known = _digest(state.tasks, config.name)
    if task.digest not in (known, answered):
        if known is not None and not research:
            raise RunError(
                f"the data of task {task.name!r} changed after it came to this run; "
                "put the data back, or search it again with --research",
                folder.path,
            )
        check_images(task)
    assert task.index is not None  # it was opened whole
    return Planned(config, task.digest, task.index.stamp, task.index, task, task.form)


def _digest(tasks: Mapping[str, Stored[Data]], name: str) -> str | None:
    """Of a task's data, where it is among some."""
    return tasks[name].brief.digest if name in tasks else None


def continued(old: RunConfig, new: RunConfig, state: ArchiveState, folder: RunFolder) -> RunConfig:
    """The configuration the run goes on with; raises ``RunError`` when ``new`` is another one.

    A run may gain tasks, and search spaces whose trunk it does not have yet.
    """
    if old.identity() != new.identity():
        raise RunError(f"a run of another configuration: {_first(old.fixed(), new.fixed())}", folder.path)
    if state.run is not None and state.run.configuration != new.identity():
        raise RunError("run.yaml is not the configuration that the journal was begun with", folder.config)
    spaces = {space.digest(): space for space in old.spaces}
    if not {root.space for root in state.roots.values()} <= set(spaces):
        raise RunError("run.yaml lacks a search space that the journal names", folder.config)
    for space in new.spaces:
        before = next((one for one in old.spaces if one.trunk == space.trunk), space)
        if before != space:
            was, now = before.model_dump(mode="json"), space.model_dump(mode="json")
            raise RunError(f"a run of another configuration: space.{_first(was, now)}", folder.path)
        spaces.pop(space.digest(), None)
        spaces[space.digest()] = space  # the last is that of new tasks
    stream = grown(old.stream, new.stream, state.tasks, new.stream_file)
    return new.model_copy(update={"stream": stream, "spaces": tuple(spaces.values())})


def begin(folder: RunFolder, config: RunConfig, tasks: Sequence[Planned] = ()) -> Archive:
    """The archive of a run whose configuration is this one, its first events written.

    Args:
        folder: The run's; its lock is held.
        config: What is asked for.
        tasks: From :func:`checked`; what it found out is written down for the next time.
    """
    old = folder.read_config() if folder.config.exists() else None
    if old is None:
        write_atomic(folder.config, to_yaml(config))
    archive = Archive(folder.journal)
    try:
        if old is not None:
            config = continued(old, config, archive.state, folder)
            if any(getattr(config, key) != getattr(old, key) for key in _GROWS):
                write_atomic(folder.config, to_yaml(config))
        _remember(folder, config, tasks)
        if not archive.journal.count:
            archive.append(Begun(config.identity(), config.seed))
    except BaseException:
        archive.close()
        raise
    return archive


def _remember(folder: RunFolder, config: RunConfig, tasks: Sequence[Planned]) -> None:
    """Writes down what was found out, if it is new."""
    known, raw = read_opened(folder.opened), folder.config.read_bytes()
    if known.config_digest == digest(raw):
        data = known.config
    else:
        data = config.model_dump(mode="json")
        data = data if parse_yaml(raw, str(folder.config)).data == data else None
    stamps = {task.config.name: (task.stamp, task.digest) for task in tasks if task.stamp is not None}
    news = Opened(digest(raw), data, stamps)
    if news != known:
        write_opened(folder.opened, news)


_GROWS = ("stream", "stream_file", "spaces", "passes")
"""What a run may gain."""


def _first(was: Any, now: Any, path: str = "") -> str:
    """The first key in which two documents differ, and both values."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in [*was, *(k for k in now if k not in was)]:
            if was.get(key) != now.get(key):
                return _first(was.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    return f"{path} is {was!r} there, {now!r} here"
