"""What a journal says: its events folded into the state of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from evo_mtl.archive.journal import Cursor, Event
from evo_mtl.archive.lines import Line, Lines, line_of
from evo_mtl.errors import CorruptionError
from evo_mtl.genome.genome import line_name
from evo_mtl.plain import Count, Digest
from evo_mtl.run.events import (
    Answer,
    Arrived,
    Begun,
    Chosen,
    Data,
    Found,
    Generation,
    GenerationHead,
    Happened,
    Kept,
    Looked,
    Lost,
    Offered,
    Rooted,
    Round,
    RoundHead,
    Standings,
    Stopped,
    Told,
    read_event,
    read_head,
)

B = TypeVar("B")


@dataclass(frozen=True)
class Stored(Generic[B]):
    """A record that stays in the journal until it is asked for.

    Attributes:
        line: Where it lies.
        brief: What is asked for of every such record, held in memory.
        lines: Where it is read.
    """

    line: Line
    brief: B
    lines: Lines[Happened] = field(repr=False, compare=False)

    def read(self) -> Any:
        """The record.

        Raises:
            CorruptionError: The line is not, or no longer, what was written; names ``file:line``.
        """
        return self.lines.read(self.line)


@dataclass(frozen=True)
class Position:
    """How far an online stream was read.

    Attributes:
        rounds: Committed.
        batches: Read until the last of them.
        over: Tasks that give no further examples, and whose route is not archived yet.
        stopped: Whether the clock ended it.
        detector: What is known of where tasks end, where that is to be found.
    """

    rounds: Count = 0
    batches: Count = 0
    over: tuple[str, ...] = ()
    stopped: bool = False
    detector: Digest | None = None


@dataclass(frozen=True)
class ArchiveState:
    """A run as its journal tells it.

    Args:
        run: How it began; ``None`` before the first event.
        roots: Root trunks by digest, in order of arrival.
        tasks: Tasks by name, in order of arrival, as they are now; each says on which root it is searched.
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
        lines: Versions of each line that stages follow, by its name, the oldest first.
        rounds: Rounds of the race of each task that is not over, the first one first.
        position: How far an online stream was read.
        replaced: How many routes took the place of an older one of their task.
    """

    run: Begun | None = None
    roots: Mapping[str, Rooted] = field(default_factory=dict)
    tasks: Mapping[str, Stored[Data]] = field(default_factory=dict)
    looks: Mapping[str, Stored[None]] = field(default_factory=dict)
    descriptors: Mapping[str, str] = field(default_factory=dict)
    generations: Mapping[str, tuple[Stored[None], ...]] = field(default_factory=dict)
    routes: Mapping[str, Stored[Told]] = field(default_factory=dict)
    answered: Mapping[str, Stored[Data]] = field(default_factory=dict)
    passes: Mapping[str, int] = field(default_factory=dict)
    offers: Mapping[str, int] = field(default_factory=dict)
    arrived: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    stopped: Mapping[str, int] = field(default_factory=dict)
    users: Mapping[str, int] = field(default_factory=dict)
    choosable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rounds: Mapping[str, tuple[Stored[None], ...]] = field(default_factory=dict)
    position: Position = field(default_factory=lambda: Position())
    replaced: int = 0

    @property
    def root_components(self) -> frozenset[str]:
        """Components of every root."""
        return frozenset(component for rooted in self.roots.values() for component in rooted.components)

    def answer(self, task: str) -> Answer:
        """The archived route of a task."""
        found: Answer = self.routes[task].read().answer
        return found

    def newest(self, root: str) -> dict[int, str]:
        """Of a root trunk's stages that have a line of versions, the newest."""
        named = {stage: line_name(root, stage) for stage in range(len(self.roots[root].components))}
        return {stage: self.lines[name][-1] for stage, name in named.items() if name in self.lines}

    def versions_behind(self, task: str) -> int:
        """How many versions came since a task was archived of what follows in its route; 0 where nothing does."""
        versions = self.answer(task).versions.items()
        behind = (len(self.lines[name]) - 1 - self.lines[name].index(version) for name, version in versions)
        return max(behind, default=0)

    def classes(self, task: str) -> tuple[str, ...]:
        """Names of an archived task's classes, in the order of its logits."""
        found: Arrived = self.answered[task].read()
        return found.classes

    def looked(self, task: str) -> Looked:
        """What was seen of a task whose turn is not over."""
        found: Looked = self.looks[task].read()
        return found

    def turn(self, task: str) -> tuple[Generation, ...]:
        """Committed generations of a task's turn that is not over; none where none has begun."""
        return tuple(stored.read() for stored in self.generations.get(task, ()))

    def race(self, task: str) -> tuple[Standings, ...]:
        """The rounds of a task's race that is not over; none where none has begun."""
        return tuple(_of_task(task, stored.read()) for stored in self.rounds.get(task, ()))

    def standings(self, task: str) -> Standings:
        """The last round of a task's race that is not over."""
        return _of_task(task, self.rounds[task][-1].read())


def _of_task(task: str, whole: Round) -> Standings:
    return next(race for race in whole.races if race.task == task)


def replay(journal: Path, count: int | None = None) -> ArchiveState:
    """The state after a journal's first so many events, every line of them read; after all when left out.

    Raises:
        CorruptionError: An event is not what can have happened; names ``file:line``.
    """
    fold = Fold(journal)
    for event in Cursor().read(journal):
        if event.index == count:
            break
        fold.take(event)
    return fold.state()


class Fold:
    """A state in the making: taking an event costs the same however many were taken before.

    Args:
        journal: Whose events are taken.
        state: Where to start; left as it is.
        lines: Where records are read again.
    """

    def __init__(
        self, journal: Path, state: ArchiveState | None = None, lines: Lines[Happened] | None = None
    ) -> None:
        start = state or ArchiveState()
        self.journal, self.records = journal, lines or Lines(journal, read_event)
        self.run, self.roots, self.replaced = start.run, dict(start.roots), start.replaced
        self.tasks, self.routes, self.answered = dict(start.tasks), dict(start.routes), dict(start.answered)
        self.looks, self.descriptors = dict(start.looks), dict(start.descriptors)
        self.offers = dict(start.offers)
        self.arrived, self.seen = dict(start.arrived), dict(start.seen)
        self.generations = {name: list(done) for name, done in start.generations.items()}
        self.passes, self.stopped, self.users = dict(start.passes), dict(start.stopped), Counter(start.users)
        self.choosable, self.lines = dict(start.choosable), dict(start.lines)
        self.rounds = {name: list(done) for name, done in start.rounds.items()}
        self.position = start.position

    def take(self, event: Event) -> None:
        """Folds in the next event.

        Raises:
            CorruptionError: It is of an unknown kind, not as it must be, or out of order; names ``file:line``.
        """
        record = read_head(event, self.journal)
        try:
            if isinstance(record, Begun) != (event.index == 0):
                raise ValueError(f"a {event.kind!r} event here; 'run' comes first, and once")
            _STEPS[type(record)](self, record, line_of(event))
        except ValueError as error:
            raise CorruptionError(str(error), f"{self.journal}:{event.index + 1}") from None

    def stored(self, line: Line, brief: B) -> Stored[B]:
        """A record that is on a line."""
        return Stored(line, brief, self.records)

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
            lines=dict(self.lines),
            rounds={name: tuple(done) for name, done in self.rounds.items()},
            position=self.position,
            replaced=self.replaced,
        )


def _run(fold: Fold, begun: Begun, line: Line) -> None:
    fold.run = begun


def _root(fold: Fold, rooted: Rooted, line: Line) -> None:
    """A trunk that tasks may be searched on from now on."""
    if rooted.root in fold.roots:
        raise ValueError(f"root {rooted.root[:8]} a second time")
    fold.roots[rooted.root] = rooted


def _task(fold: Fold, arrived: Arrived, line: Line) -> None:
    """A task arrives, or arrives again with other data; what was being searched for it starts over."""
    name, root = arrived.task, arrived.data.root
    if root not in fold.roots:
        raise ValueError(f"task {name!r} on root {root[:8]}, which was never announced")
    fold.tasks[name] = fold.stored(line, arrived.data)
    fold.looks.pop(name, None)
    fold.generations.pop(name, None)
    fold.rounds.pop(name, None)
    fold.passes.pop(name, None)
    fold.stopped.pop(name, None)


def _looks(fold: Fold, looked: Looked, line: Line) -> None:
    """What was seen of a task before anything was trained for it in this pass."""
    name = looked.task
    _turn(fold, name, looked.pass_)
    if name in fold.looks or name in fold.generations:
        raise ValueError(f"looks at task {name!r}, whose search has begun")
    fold.looks[name] = fold.stored(line, None)
    fold.descriptors.pop(name, None)
    if looked.descriptor is not None:
        fold.descriptors[name] = looked.descriptor


def _generation(fold: Fold, head: GenerationHead, line: Line) -> None:
    name = head.task
    _turn(fold, name, head.pass_)
    count = len(fold.generations.get(name, ()))
    if head.number != count:
        raise ValueError(f"generation {head.number} of task {name!r}; {count} is next")
    fold.generations.setdefault(name, []).append(fold.stored(line, None))


def _found(fold: Fold, found: Found, line: Line) -> None:
    """A task's turn is over: this route counts from now on."""
    _turn(fold, found.task, found.pass_)
    _answer(fold, found.task, found.answer, line)
    fold.answered[found.task] = fold.tasks[found.task]
    _over(fold, found.task, found.pass_, line)


def _kept(fold: Fold, kept: Kept, line: Line) -> None:
    """A later pass is over; the task keeps the route that it has."""
    _turn(fold, kept.task, kept.pass_)
    if kept.task not in fold.routes:
        raise ValueError(f"task {kept.task!r} has no route to keep")
    _over(fold, kept.task, kept.pass_, line)


def _chosen(fold: Fold, chosen: Chosen, line: Line) -> None:
    """Another kept candidate of a task whose turn is over: its route counts from now on."""
    name = chosen.task
    _known(fold, name)
    if name not in fold.routes or name in fold.looks or name in fold.generations:
        raise ValueError(f"a choice for task {name!r}, whose search is not over")
    _answer(fold, name, chosen.answer, line)


def _offered(fold: Fold, offered: Offered, line: Line) -> None:
    """An archived task was offered a route through newer components; it is in the event if it was taken."""
    name = offered.task
    _known(fold, name)
    if offered.number != (due := fold.offers.get(name, 0) + 1):
        raise ValueError(f"offer {offered.number} to task {name!r}; {due} is next")
    if name not in fold.routes:
        raise ValueError(f"an offer to task {name!r}, which has no route")
    if offered.answer is not None:
        _answer(fold, name, offered.answer, line)
    fold.offers[name], fold.seen[name] = offered.number, line.index


def _stopped(fold: Fold, stopped: Stopped, line: Line) -> None:
    """A decision by the clock: this task gets no further generation in this pass."""
    name = stopped.task
    _turn(fold, name, stopped.pass_)
    if stopped.number != len(fold.generations.get(name, ())):
        raise ValueError(f"task {name!r} was stopped at a generation it did not have")
    fold.stopped[name] = stopped.pass_


def _round(fold: Fold, head: RoundHead, line: Line) -> None:
    """Some batches of an online stream were read."""
    now = fold.position
    if head.number != now.rounds or head.batches < now.batches or now.stopped:
        raise ValueError(f"round {head.number} after {head.batches} batches; {now.rounds} is next")
    for race in head.races:
        _turn(fold, race.task, 1)
        fold.rounds.setdefault(race.task, []).append(fold.stored(line, None))
    over = tuple(race.task for race in head.races if race.over)
    fold.position = Position(now.rounds + 1, head.batches, (*now.over, *over), head.stopped, head.detector)


def _lost(fold: Fold, lost: Lost, line: Line) -> None:
    """What a source gave after the last round is gone."""
    if lost.batches != fold.position.batches:
        raise ValueError(f"batches lost after {lost.batches}; {fold.position.batches} were read")


_STEPS: Mapping[type, Callable[[Fold, Any, Line], None]] = MappingProxyType(
    {
        Begun: _run,
        Rooted: _root,
        Arrived: _task,
        Looked: _looks,
        GenerationHead: _generation,
        Found: _found,
        Kept: _kept,
        Chosen: _chosen,
        Offered: _offered,
        Stopped: _stopped,
        RoundHead: _round,
        Lost: _lost,
    }
)


def _answer(fold: Fold, name: str, answer: Answer, line: Line) -> None:
    """A task's route is the one that this event holds."""
    genome, root = answer.way.genome, fold.tasks[name].brief.root
    if genome.root != root:
        raise ValueError(f"a route of task {name!r} on root {genome.root[:8]} instead of {root[:8]}")
    if genome.depth > (stages := len(fold.roots[root].components)):
        raise ValueError(f"a route of {genome.depth} stages; its root trunk has {stages}")
    if name in fold.routes:
        fold.replaced += 1
        former: Answer = fold.routes[name].read().answer
        fold.users.subtract(former.components)
        fold.users = +fold.users  # without those that nobody uses now
    fold.users.update(answer.components)
    fold.routes[name] = fold.stored(line, answer.told)
    fold.choosable.pop(name, None)
    if answer.choosable:
        fold.choosable[name] = answer.choosable
    known = {line_name(root, stage) for stage in range(stages)}
    for followed, version in answer.versions.items():
        if followed not in known:
            raise ValueError(
                f"a route that follows {followed[:8]}{followed[64:]}; its root trunk has {stages} stages"
            )
        versions = fold.lines.get(followed, ())
        if version not in versions:  # with a rate of 0 it is no new one
            fold.lines[followed] = (*versions, version)
    fold.arrived[name] = line.index


def _over(fold: Fold, name: str, pass_: int, line: Line) -> None:
    """A task's turn is over, its generations are history."""
    fold.passes[name] = pass_
    fold.seen[name] = line.index
    fold.looks.pop(name, None)
    fold.generations.pop(name, None)
    fold.rounds.pop(name, None)
    over = tuple(task for task in fold.position.over if task != name)
    fold.position = replace(fold.position, over=over)


def _known(fold: Fold, name: str) -> None:
    if name not in fold.tasks:
        raise ValueError(f"task {name!r} was never announced")


def _turn(fold: Fold, name: str, pass_: int) -> None:
    """Raises ``ValueError`` where an event is not of the pass that the task is in."""
    _known(fold, name)
    if pass_ != (due := fold.passes.get(name, 0) + 1):
        raise ValueError(f"pass {pass_} of task {name!r}; {due} is next")
