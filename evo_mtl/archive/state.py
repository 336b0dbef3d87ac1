"""What a journal says: its events folded into the state of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from evo_mtl.archive.journal import Event
from evo_mtl.errors import CorruptionError

T = TypeVar("T")


@dataclass(frozen=True)
class ArchiveState:
    """A run as its journal tells it; all payloads are plain JSON values.

    Args:
        run: The run's configuration digest and seed; empty before the first event.
        root: Components of the root trunk.
        tasks: Tasks by name, in order of arrival.
        generations: Committed generations, number 0 first, of tasks that have no route for them yet.
        routes: The archived route of each finished task, in order of first arrival.
        answered: Tasks as they were when their route was found: whose classes its logits number.
        stopped: Tasks whose search a limit by the clock ended, with the number of generations they had.
    """

    run: Mapping = field(default_factory=dict)
    root: Mapping | None = None
    tasks: Mapping[str, Mapping] = field(default_factory=dict)
    generations: Mapping[str, tuple[Mapping, ...]] = field(default_factory=dict)
    routes: Mapping[str, Mapping] = field(default_factory=dict)
    answered: Mapping[str, Mapping] = field(default_factory=dict)
    stopped: Mapping[str, int] = field(default_factory=dict)


def replay(
    events: Iterable[Event], place: object = "journal.jsonl", state: ArchiveState | None = None
) -> ArchiveState:
    """The state after some events; any prefix of a journal has one.

    Args:
        events: From :func:`read_journal`, or a journal's own.
        place: The file they are from, for messages.
        state: What the events before them gave; nothing when left out.

    Raises:
        CorruptionError: An event of an unknown kind, or out of order; names ``file:line``.
    """
    state = state or ArchiveState()
    for event in events:
        try:
            if event.kind not in _STEPS:
                raise ValueError(f"unknown kind of event {event.kind!r}; known: {', '.join(_STEPS)}")
            if (event.kind == "run") != (event.index == 0):
                raise ValueError(f"a {event.kind!r} event here; 'run' comes first, and once")
            state = _STEPS[event.kind](state, event.payload)
        except ValueError as error:
            raise CorruptionError(f"{place}:{event.index + 1}: {error}") from None
    return state


def _run(state: ArchiveState, payload: Mapping) -> ArchiveState:
    return replace(state, run=payload)


def _root(state: ArchiveState, payload: Mapping) -> ArchiveState:
    if state.root is not None:
        raise ValueError("a second root")
    return replace(state, root=payload)


def _task(state: ArchiveState, payload: Mapping) -> ArchiveState:
    """A task arrives, or arrives again with other data; what was being searched for it starts over."""
    name = _text(payload, "name")
    return replace(
        state,
        tasks={**state.tasks, name: payload},
        generations=_without(state.generations, name),
        stopped=_without(state.stopped, name),
    )


def _generation(state: ArchiveState, payload: Mapping) -> ArchiveState:
    name = _known_task(state, payload)
    done = state.generations.get(name, ())
    if payload.get("number") != len(done):
        raise ValueError(f"generation {payload.get('number')!r} of task {name!r}; {len(done)} is next")
    return replace(state, generations={**state.generations, name: (*done, payload)})


def _route(state: ArchiveState, payload: Mapping) -> ArchiveState:
    """A task's search is over: its route counts, its generations are history."""
    name = _known_task(state, payload)
    return replace(
        state,
        routes={**state.routes, name: payload},
        answered={**state.answered, name: state.tasks[name]},
        generations=_without(state.generations, name),
    )


def _clock(state: ArchiveState, payload: Mapping) -> ArchiveState:
    """A decision by the clock: this task gets no further generation."""
    name = _known_task(state, payload)
    if payload.get("number") != len(state.generations.get(name, ())):
        raise ValueError(f"task {name!r} was stopped at a generation it did not have")
    return replace(state, stopped={**state.stopped, name: payload["number"]})


_STEPS: Mapping[str, Callable[[ArchiveState, Mapping], ArchiveState]] = MappingProxyType(
    {"run": _run, "root": _root, "task": _task, "generation": _generation, "route": _route, "clock": _clock}
)


def _known_task(state: ArchiveState, payload: Mapping) -> str:
    name = _text(payload, "task")
    if name not in state.tasks:
        raise ValueError(f"task {name!r} was never announced")
    return name


def _text(payload: Mapping, key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str):
        raise ValueError(f"expected a text under {key!r}, met {value!r}")
    return value


def _without(table: Mapping[str, T], name: str) -> dict[str, T]:
    return {key: value for key, value in table.items() if key != name}
