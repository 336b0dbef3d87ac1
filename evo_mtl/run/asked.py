"""What a command asks of a run, checked before anything heavy is loaded: names of tasks and candidates, limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from evo_mtl.errors import InputError, RunError
from evo_mtl.registry import suggestion
from evo_mtl.run.config import RunConfig
from evo_mtl.run.events import Member
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.state import ArchiveState, replay
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import refuse_untrusted


def check_archived(task: str, state: ArchiveState, config: RunConfig, place: Path) -> None:
    """Raises ``InputError`` for a task that has no route; suggests a near one."""
    if task not in state.routes:
        if task in (waiting := [t.name for t in config.stream.tasks if t.name not in state.routes]):
            raise RunError(f"task {task!r} has not been archived yet", place)
        known = ", ".join(state.routes) or "none yet"
        near = suggestion(task, [*state.routes, *waiting])
        raise InputError(f"unknown task {task!r}{near}; known: {known}", place)


def as_after(task: str, folder: RunFolder, config: RunConfig, state: ArchiveState) -> ArchiveState:
    """The state of a run when a task's route had been archived.

    Raises:
        InputError: No such task.
        RunError: A route was replaced since, so that its parts may be gone.
    """
    check_archived(task, state, config, folder.path)
    found = replay(folder.journal, state.arrived[task] + 1)
    if found.replaced != state.replaced:
        raise RunError(f"routes were replaced after task {task!r} was archived", folder.path)
    return found


def archived(names: Sequence[str] | None, state: ArchiveState, config: RunConfig, place: Path) -> list[str]:
    """The tasks of these names; all that have a route when none is named.

    Raises:
        RunError: No task has a route yet.
        InputError: One that is named has none.
    """
    for name in names or ():
        check_archived(name, state, config, place)
    if not state.routes:
        raise RunError("no task has been archived in this run yet", place)
    return list(names or state.routes)


def to_answer(task: str, state: ArchiveState, config: RunConfig, place: Path) -> list[str]:
    """The tasks that ``--task`` means: one, or ``all``. Raises ``InputError`` where it is none."""
    if task == "auto" and task not in state.routes:
        raise InputError("inferring the task of an image is not available yet; name it or say all", "--task")
    return archived(None if task == "all" else [task], state, config, place)


def ends(names: Sequence[str] | None, state: ArchiveState, config: RunConfig, place: Path) -> dict[str, str]:
    """Which archived task answers for each task of the stream file: itself, where boundaries are given.

    Where they were found, it is the found task that had most of its examples.

    Args:
        names: Of tasks of the stream file; all that are archived, or of which examples were seen, when none is named.
        state: Of the run.
        config: Of the run.
        place: Its folder, for messages.

    Raises:
        InputError: No such task, or nothing of it was learned.
    """
    if config.stream.boundaries == "given":
        return {name: name for name in archived(names, state, config, place)}
    most: dict[str, tuple[int, str]] = {}
    for found in archived(None, state, config, place):
        streamed = state.answer(found).streamed
        for origin, count in (streamed.origins if streamed else {}).items():
            most[origin] = max(most.get(origin, (0, "")), (count, found))
    for name in names or ():
        if name not in most:
            known = ", ".join(most)
            raise InputError(
                f"nothing of a task {name!r} was seen{suggestion(name, most)}; seen: {known}", place
            )
    return {name: most[name][1] for name in names or most}


def with_data(
    names: Sequence[str] | None, state: ArchiveState, config: RunConfig, place: Path, trust_python: bool
) -> list[TaskConfig]:
    """Archived tasks of which data are to be opened; all of them when none is named.

    Args:
        names: Of the tasks.
        state: Of the run.
        config: Of the run.
        place: Its folder, for messages.
        trust_python: Whether functions that the run's ``python:`` tasks name may be called.

    Raises:
        InputError: No such task, no entry for it in the run's stream, or a source that is not trusted.
    """
    names = list(ends(names, state, config, place))
    known = {task.name: task for task in config.stream.tasks}
    for name in names:
        if name not in known:
            near = suggestion(name, known)
            raise RunError(
                f"its stream has no task {name!r}{near}, though it was archived; put its entry back", place
            )
    refuse_untrusted([known[name] for name in names], trust_python)
    return [known[name] for name in names]


def check_task_id(task_id: str) -> None:
    """Raises ``InputError`` unless images come with their task."""
    if task_id != "given":
        raise InputError("inferring the task of an image is not available yet; use given", "--task-id")


def check_level(level: float) -> None:
    """Raises ``InputError`` for what is no level of a test."""
    if not 0 < level < 1:
        raise InputError(f"expected a number between 0 and 1, met {level}", "--level")


def check_offline(config: RunConfig, what: str, place: Path) -> None:
    """Raises ``RunError`` where something is asked of an online run that needs its examples again."""
    if config.stream.regime == "online":
        raise RunError(f"{what} needs examples that stay; this run learned from an online stream", place)


def check_pinned(
    tasks: Iterable[str], state: ArchiveState, config: RunConfig, what: str, place: Path
) -> None:
    """Raises ``RunError`` where something is asked of tasks whose stages may follow, and so changes others' answers."""
    for task in tasks:
        space = config.space_of(state.roots[state.tasks[task].brief.root].space)
        if space is not None and space.stages.own_from:
            raise RunError(f"{what} to task {task!r}, whose stages may follow (stages: own_from)", place)


def check_finished(state: ArchiveState, place: Path) -> None:
    """Raises ``RunError`` while the search of a task is not over."""
    unfinished = next(iter([*state.looks, *state.generations, *state.rounds]), None)
    if unfinished is not None:
        raise RunError(f"the search of task {unfinished!r} is not finished; evo-mtl resume it first", place)


def choosable(state: ArchiveState, config: RunConfig, task: str, candidate: str, place: Path) -> Member:
    """What the journal holds of a candidate that may be its task's route, or is.

    Raises:
        InputError: No such task or candidate, one that was not kept, or a task that is being searched.
    """
    check_archived(task, state, config, place)
    other_data = state.tasks[task].brief.digest != state.answered[task].brief.digest
    if other_data or task in state.looks or task in state.generations:
        raise RunError(f"the search of task {task!r} is not over; resume it first", place)
    route = state.answer(task)
    if candidate == str(route.told.candidate):
        return Member(route.told, route.way)
    members = {str(one.told.candidate): one for one in route.front}
    kept = [name for name, one in members.items() if one.way is not None] or [str(route.told.candidate)]
    if candidate not in kept:
        what = "was not kept" if candidate in members else "is not on the front"
        raise RunError(f"candidate {candidate!r} of task {task!r} {what}; kept: {', '.join(kept)}", place)
    return members[candidate]
