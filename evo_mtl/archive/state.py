"""What a journal says: its events folded into the state of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from evo_mtl.archive.journal import Event
from evo_mtl.archive.records import Lines, record_of
from evo_mtl.errors import CorruptionError
from evo_mtl.names import JOURNAL


@dataclass(frozen=True)
class ArchiveState:
    """A run as its journal tells it; all payloads are plain JSON values.

    Args:
        run: The run's configuration digest and seed; empty before the first event.
        roots: Root trunks by digest, in order of arrival.
        tasks: Tasks by name, in order of arrival; each says on which root it is searched.
        looks: What cheap looks said of tasks whose turn is not over.
        descriptors: Text that describes a task, of those that were looked at and are not private.
        generations: Committed generations, number 0 first, of tasks whose turn is not over.
        routes: The archived route of each finished task, in order of first arrival.
        answered: Tasks as they were when their route was found: whose classes its logits number.
        passes: How often each task was visited to the end, on the data that it has now.
        offers: How many offers each task has had.
        arrived: Place in the journal of the event that brought each route.
        seen: Place in the journal up to which each task knew the other routes when its own was last decided on.
        stopped: Tasks whose search a limit by the clock ended, and in which pass last.
        users: Component to the number of routes that name it.
        choosable: Components of the candidates that may be chosen in the place of each task's route.
        replaced: How many routes took the place of an older one of their task.
    """

    run: Mapping = field(default_factory=dict)
    roots: Mapping[str, Mapping] = field(default_factory=dict)
    tasks: Mapping[str, Mapping] = field(default_factory=dict)
    looks: Mapping[str, Mapping] = field(default_factory=dict)
    descriptors: Mapping[str, str] = field(default_factory=dict)
    generations: Mapping[str, tuple[Mapping, ...]] = field(default_factory=dict)
    routes: Mapping[str, Mapping] = field(default_factory=dict)
    answered: Mapping[str, Mapping] = field(default_factory=dict)
    passes: Mapping[str, int] = field(default_factory=dict)
    offers: Mapping[str, int] = field(default_factory=dict)
    arrived: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    stopped: Mapping[str, int] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    choosable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    replaced: int = 0

    @property
    def root_components(self) -> frozenset[str]:
        """Components of every root."""
        return frozenset(component for root in self.roots.values() for component in root["components"])


def replay(
    events: Iterable[Event], place: object = JOURNAL, state: ArchiveState | None = None
) -> ArchiveState:
    """The state after some events; any prefix of a journal has one.

    Args:
        events: From :func:`read_journal`.
        place: The file they are from, for messages.
        state: What the events before them gave; nothing when left out.

    Raises:
        CorruptionError: An event of an unknown kind, or out of order; names ``file:line``.
    """
    fold = Fold(place, state)
    for event in events:
        fold.take(event)
    return fold.state()


class Fold:
    """A state in the making: taking an event costs the same however many were taken before.

    Args:
        place: The file the events are from, for messages.
        state: Where to start; left as it is.
        lines: Where payloads are read again, so that they need not be held; they are held without it.
    """

    def __init__(self, place: object, state: ArchiveState | None = None, lines: Lines | None = None) -> None:
        start = state or ArchiveState()
        self.place, self.lines = place, lines
        self.run, self.roots, self.replaced = start.run, dict(start.roots), start.replaced
        self.tasks, self.routes, self.answered = dict(start.tasks), dict(start.routes), dict(start.answered)
        self.looks, self.descriptors = dict(start.looks), dict(start.descriptors)
        self.offers = dict(start.offers)
        self.arrived, self.seen = dict(start.arrived), dict(start.seen)
        self.generations = {name: list(done) for name, done in start.generations.items()}
        self.passes, self.stopped, self.users = dict(start.passes), dict(start.stopped), Counter(start.users)
        self.choosable = dict(start.choosable)

    def take(self, event: Event) -> None:
        """Folds in the next event.

        Raises:
            CorruptionError: It is of an unknown kind, or out of order; names ``file:line``.
        """
        try:
            if event.kind not in _STEPS:
                raise ValueError(f"unknown kind of event {event.kind!r}; known: {', '.join(_STEPS)}")
            if (event.kind == "run") != (event.index == 0):
                raise ValueError(f"a {event.kind!r} event here; 'run' comes first, and once")
            _STEPS[event.kind](self, event)
        except ValueError as error:
            raise CorruptionError(f"{self.place}:{event.index + 1}: {error}") from None

    def state(self) -> ArchiveState:
        """The state now; what is taken later does not change it."""
        return ArchiveState(
            run=self.run,
            roots=dict(self.roots),
            tasks=dict(self.tasks),
            looks=dict(self.looks),
            descriptors=dict(self.descriptors),
            generations={name: tuple(done) for name, done in self.generations.items()},
            routes=dict(self.routes),
            answered=dict(self.answered),
            passes=dict(self.passes),
            offers=dict(self.offers),
            arrived=dict(self.arrived),
            seen=dict(self.seen),
            stopped=dict(self.stopped),
            users=dict(self.users),
            choosable=dict(self.choosable),
            replaced=self.replaced,
        )


def _run(fold: Fold, event: Event) -> None:
    fold.run = event.payload


def _root(fold: Fold, event: Event) -> None:
    """A trunk that tasks may be searched on from now on."""
    if (name := _text(event.payload, "root")) in fold.roots:
        raise ValueError(f"root {name[:8]} a second time")
    fold.roots[name] = event.payload


def _task(fold: Fold, event: Event) -> None:
    """A task arrives, or arrives again with other data; what was being searched for it starts over."""
    name = _text(event.payload, "name")
    if (root := _text(event.payload, "root")) not in fold.roots:
        raise ValueError(f"task {name!r} on root {root[:8]}, which was never announced")
    fold.tasks[name] = record_of(event, fold.lines)
    fold.looks.pop(name, None)
    fold.generations.pop(name, None)
    fold.passes.pop(name, None)
    fold.stopped.pop(name, None)


def _looks(fold: Fold, event: Event) -> None:
    """What was seen of a task before anything was trained for it in this pass."""
    name, _ = _turn(fold, event.payload)
    if name in fold.looks or name in fold.generations:
        raise ValueError(f"looks at task {name!r}, whose search has begun")
    fold.looks[name] = record_of(event, fold.lines)
    fold.descriptors.pop(name, None)
    if "descriptor" in event.payload:
        fold.descriptors[name] = _text(event.payload, "descriptor")


def _generation(fold: Fold, event: Event) -> None:
    name, _ = _turn(fold, event.payload)
    count = len(fold.generations.get(name, ()))
    if event.payload.get("number") != count:
        raise ValueError(f"generation {event.payload.get('number')!r} of task {name!r}; {count} is next")
    fold.generations.setdefault(name, []).append(record_of(event, fold.lines))


def _route(fold: Fold, event: Event) -> None:
    """A task's turn is over: this route counts from now on."""
    name, _ = _turn(fold, event.payload)
    _answer(fold, name, event)
    fold.answered[name] = fold.tasks[name]
    _kept(fold, event)


def _choice(fold: Fold, event: Event) -> None:
    """Another kept candidate of a task whose turn is over: its route counts from now on."""
    name = _known_task(fold, event.payload)
    if name not in fold.routes or name in fold.looks or name in fold.generations:
        raise ValueError(f"a choice for task {name!r}, whose search is not over")
    _answer(fold, name, event)


def _answer(fold: Fold, name: str, event: Event) -> None:
    """A task's route is the one that this event holds."""
    if name in fold.routes:
        fold.replaced += 1
        fold.users.subtract(components_of(fold.routes[name]))
        fold.users = +fold.users  # without those that nobody uses now
    fold.users.update(components_of(event.payload))
    fold.routes[name] = record_of(event, fold.lines)
    fold.choosable.pop(name, None)
    if kept := frozenset[str]().union(*map(components_of, event.payload.get("front", ()))):
        fold.choosable[name] = kept
    fold.arrived[name] = event.index


def _kept(fold: Fold, event: Event) -> None:
    """A task's turn is over, its generations are history; of a later pass that found nothing better, that is all."""
    name, pass_ = _turn(fold, event.payload)
    if name not in fold.routes:
        raise ValueError(f"task {name!r} has no route to keep")
    fold.passes[name] = pass_
    fold.seen[name] = event.index
    fold.looks.pop(name, None)
    fold.generations.pop(name, None)


def _offer(fold: Fold, event: Event) -> None:
    """An archived task was offered a route through newer components; it stands in the event if it was taken."""
    name, number = _known_task(fold, event.payload), event.payload.get("number")
    if number != (due := fold.offers.get(name, 0) + 1):
        raise ValueError(f"offer {number!r} to task {name!r}; {due} is next")
    if name not in fold.routes:
        raise ValueError(f"an offer to task {name!r}, which has no route")
    if event.payload.get("taken"):
        _answer(fold, name, event)
    fold.offers[name], fold.seen[name] = number, event.index


def _clock(fold: Fold, event: Event) -> None:
    """A decision by the clock: this task gets no further generation in this pass."""
    name, pass_ = _turn(fold, event.payload)
    if event.payload.get("number") != len(fold.generations.get(name, ())):
        raise ValueError(f"task {name!r} was stopped at a generation it did not have")
    fold.stopped[name] = pass_


_STEPS: Mapping[str, Callable[[Fold, Event], None]] = MappingProxyType(
    {
        "run": _run,
        "root": _root,
        "task": _task,
        "looks": _looks,
        "generation": _generation,
        "route": _route,
        "kept": _kept,
        "choice": _choice,
        "offer": _offer,
        "clock": _clock,
    }
)


def components_of(payload: Mapping) -> frozenset[str]:
    """Digests of the components that the route of an event, or of a member of its front, names."""
    nodes = payload.get("route", {}).get("nodes", ())
    return frozenset(node["component"] for node in nodes if node.get("component") is not None)


def _known_task(fold: Fold, payload: Mapping) -> str:
    name = _text(payload, "task")
    if name not in fold.tasks:
        raise ValueError(f"task {name!r} was never announced")
    return name


def _turn(fold: Fold, payload: Mapping) -> tuple[str, int]:
    """Task and pass that an event belongs to; the first pass goes unsaid."""
    name, pass_ = _known_task(fold, payload), payload.get("pass", 1)
    if pass_ != (due := fold.passes.get(name, 0) + 1):
        raise ValueError(f"pass {pass_!r} of task {name!r}; {due} is next")
    return name, pass_


def _text(payload: Mapping, key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str):
        raise ValueError(f"expected a text under {key!r}, met {value!r}")
    return value
