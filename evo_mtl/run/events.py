"""What happens in a run: a record for each kind of event, and the one codec between records and journal lines.

Everything is written; what a journal holds is checked when it is read, and what is wrong is told with file,
line and key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, Field

from evo_mtl.archive.journal import Event, read_journal
from evo_mtl.errors import CorruptionError
from evo_mtl.evolution.candidate import Candidate, Cost, Evaluation, OfTask, OfTurn, Visit
from evo_mtl.evolution.looks import Look
from evo_mtl.evolution.optimism import Corrected
from evo_mtl.evolution.outcome import Pooled, Temperature
from evo_mtl.evolution.race import Duel, Tally
from evo_mtl.genome.checks import CheckedGenome
from evo_mtl.genome.genome import line_name
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import Route, check_closed
from evo_mtl.plain import Count, Digest, Share, plain, restore

ClosedRoute = Annotated[Route, AfterValidator(check_closed)]
Number = Annotated[int, Field(ge=1, le=2**62)]


@dataclass(frozen=True)
class Begun:
    """The run begins.

    Attributes:
        configuration: Digest of all that may not change in it.
        seed: Of every draw.
    """

    configuration: Digest
    seed: Count


@dataclass(frozen=True)
class Rooted:
    """A root trunk is in the store.

    Attributes:
        root: How genomes name it.
        space: Digest of the search space by which its tasks are searched.
        layout: Its facts that need no weights.
        components: Its stages in depth order.
        weights: Where they came from.
    """

    root: Digest
    space: str
    layout: TrunkLayout
    components: tuple[Digest, ...]
    weights: str

    def __post_init__(self) -> None:
        if len(self.components) != len(self.layout.channels):
            raise ValueError(f"{len(self.layout.channels)} stages, but {len(self.components)} components")


@dataclass(frozen=True)
class Data:
    """What is asked for of every task.

    Attributes:
        root: What the task is searched on.
        digest: Names the data.
        metric: Of the task.
        num_classes, num_train, num_validation: How many.
        private: Whether other tasks may not start from its route.
    """

    root: Digest
    digest: Digest
    metric: Annotated[str, Field(pattern="^(balanced_)?accuracy$")]
    num_classes: Number
    num_train: Count
    num_validation: Count
    private: bool


@dataclass(frozen=True)
class Arrived:
    """A task comes to the run, or comes again with other data.

    Attributes:
        task: Its name.
        data: Of the task.
        classes: Names, in the order of the logits.
    """

    task: str
    data: Data
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) != self.data.num_classes:
            raise ValueError(f"{self.data.num_classes} classes, but {len(self.classes)} names")


@dataclass(frozen=True)
class Looked:
    """What cheap looks said of a task in a pass, before anything was trained for it there.

    Attributes:
        descriptor: Text that describes the task; ``None`` where it has none or is private.
    """

    task: str
    pass_: Visit
    looks: tuple[Look, ...]
    descriptor: Annotated[str, Field(pattern="^[A-Za-z0-9+/]*=*$")] | None


@dataclass(frozen=True)
class Generation:
    """A generation of a task's turn, tried and decided on; number 0 are the seed candidates."""

    task: str
    pass_: Visit
    number: Count
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True)
class GenerationHead:
    """Which generation it is, of a line that is not read to its end."""

    task: str
    pass_: Visit
    number: Count


@dataclass(frozen=True)
class Told:
    """What is told of a candidate that is, or could be, a route.

    Attributes:
        pass_: Which visit of its task it is of.
        candidate: Which it is there.
        quality, score, cost: What it reached, and what it is charged.
    """

    pass_: Visit
    candidate: OfTurn
    quality: Share
    score: float
    cost: Cost


@dataclass(frozen=True)
class Way:
    """All that a candidate's route needs to answer and to be a parent.

    Attributes:
        genome: With the weights that it has after training.
        route: Its components pinned.
        temperature: Of its logits; its head has it already.
        pooled: What its quality was pooled over, where labels are few.
    """

    genome: CheckedGenome
    route: ClosedRoute
    temperature: Temperature
    pooled: Pooled | None


@dataclass(frozen=True)
class Member:
    """A candidate on the front of a search; ``way`` where it is kept, so that it may be chosen."""

    told: Told
    way: Way | None


@dataclass(frozen=True)
class EarlyEnd:
    """The stop rule ended a search after a generation; the gain was expected for a pass of the root trunk."""

    generation: Count
    expected_gain: float


@dataclass(frozen=True)
class Streamed:
    """How a route came about in an online stream.

    Attributes:
        prequential: Share of the task's examples that the leader, chosen before each batch, answered rightly before
            anybody had learned from them.
        origins: Examples by the task of the stream file that they were of: more than one where boundaries are found. No
            search reads it.
    """

    prequential: Share
    origins: Mapping[str, Count]


@dataclass(frozen=True)
class Answer:
    """A task's route, and how it was found.

    Attributes:
        told: What it reached.
        way: The route.
        fingerprint: Digest of its logits on probe images.
        corrected: Its quality less the luck of the choice, where that is known.
        front: Of the search that found it, the best quality first.
        early_end: Where the stop rule ended that search.
        streamed: How it came about in an online stream; ``None`` for a search offline.
    """

    told: Told
    way: Way
    fingerprint: Digest
    corrected: Corrected | None
    front: tuple[Member, ...]
    early_end: EarlyEnd | None
    streamed: Streamed | None = None

    @property
    def components(self) -> frozenset[str]:
        """Of the route."""
        return frozenset(self.way.route.components)

    @property
    def versions(self) -> Mapping[str, str]:
        """What the task has added to lines of versions: name of the line to component."""
        root = self.way.genome.root
        return {
            line_name(root, node.stage): node.component
            for node in self.way.route.nodes
            if node.follows and node.component is not None
        }

    @property
    def choosable(self) -> frozenset[str]:
        """Of every candidate that may be chosen in its place."""
        ways = (member.way for member in self.front)
        return frozenset[str]().union(*(way.route.components for way in ways if way is not None))


@dataclass(frozen=True)
class Found:
    """A task's turn is over: this is its route from now on."""

    task: str
    pass_: Visit
    answer: Answer


@dataclass(frozen=True)
class Kept:
    """A later pass is over and found nothing better: the task keeps its route, which scores so much now."""

    task: str
    pass_: Visit
    score: float
    early_end: EarlyEnd | None


@dataclass(frozen=True)
class Chosen:
    """Another candidate of a front is its task's route from now on."""

    task: str
    answer: Answer


@dataclass(frozen=True)
class Proof:
    """A route through newer components held against the one that its task has.

    Attributes:
        line: Whose stages it stands on.
        old, new: The task's metric on the images held back.
        num_examples: Those images.
        won, lost: Images that only the new, only the old route answers rightly.
        p: Of the one-sided test.
    """

    line: OfTask
    old: Share
    new: Share
    num_examples: Count
    won: Count
    lost: Count
    p: Share


@dataclass(frozen=True)
class Offered:
    """An archived task was offered a route through newer components.

    Attributes:
        number: Of its offers, from 1.
        level: Of the test.
        looks, evaluations: What was seen and tried.
        proof: ``None`` where nothing could be offered.
        answer: Its route from now on, if that was taken.
    """

    task: str
    number: Number
    level: Share
    looks: tuple[Look, ...]
    evaluations: tuple[Evaluation, ...]
    proof: Proof | None
    answer: Answer | None


@dataclass(frozen=True)
class Stopped:
    """A decision by the clock: the task gets no generation of this number in this pass, and none after it."""

    task: str
    pass_: Visit
    number: Count


@dataclass(frozen=True)
class Standings:
    """A task's race at the end of a round.

    Attributes:
        task: Whose examples are raced on.
        examples: Of the task, read so far.
        origins: The same by task of the stream file; see :class:`Streamed`.
        right: Of them, those that the leader answered rightly; it was chosen before each batch.
        leader: Who leads into the next round, or is the task's answer.
        evaluations: Of all who raced in the round, in the order of their birth.
        tallies: How each of those who stay has answered.
        duels: Of every two of them.
        left: Who made room.
        born: Who joins them.
        states: What each of those who stay needs to go on, by name.
        sums: What solved heads share; ``None`` where nobody has one.
        over: Whether the task gives no further examples.
    """

    task: str
    examples: Count
    origins: Mapping[str, Count]
    right: Count
    leader: OfTurn
    evaluations: tuple[Evaluation, ...]
    tallies: tuple[Tally, ...]
    duels: tuple[Duel, ...]
    left: tuple[OfTurn, ...]
    born: tuple[Candidate, ...]
    states: Mapping[str, Digest]
    sums: Digest | None
    over: bool

    @property
    def components(self) -> frozenset[str]:
        """That are needed to go on: weights, what they were born with, and states."""
        found = {*self.states.values(), *([self.sums] if self.sums else [])}
        staying = [one for one in self.evaluations if one.candidate.id not in self.left]
        for evaluation in staying:
            found |= {*evaluation.trained.values(), *evaluation.candidate.genome.components}
        return frozenset(found.union(*(one.genome.components for one in self.born)))


@dataclass(frozen=True)
class Round:
    """Some batches of an online stream were read; a search that is killed goes on from here.

    Attributes:
        number: From 0.
        batches: Of the stream, read so far.
        races: Of every task that is not over, and of those that ended in this round.
        stopped: Whether the clock ended the stream: nothing is read after it.
        detector: What is known of where tasks end, where that is to be found.
    """

    number: Count
    batches: Count
    races: tuple[Standings, ...]
    stopped: bool
    detector: Digest | None = None


@dataclass(frozen=True)
class Running:
    """A task's race, of a line that is not read to its end."""

    task: str
    over: bool


@dataclass(frozen=True)
class RoundHead:
    """Which round it is, of a line that is not read to its end."""

    number: Count
    batches: Count
    races: tuple[Running, ...]
    stopped: bool
    detector: Digest | None


@dataclass(frozen=True)
class Lost:
    """A search went on with a source that cannot go back: what it gave after so many batches was not learned from.

    Attributes:
        batches: Of the stream, read before.
    """

    batches: Count


Happened = (
    Begun | Rooted | Arrived | Looked | Generation | Found | Kept | Chosen | Offered | Stopped | Round | Lost
)

OfRun = Begun | Rooted | Round | Lost
"""What happened to a run as a whole, and not to one of its tasks."""

KINDS: Mapping[str, type[Happened]] = MappingProxyType(
    {
        "run": Begun,
        "root": Rooted,
        "task": Arrived,
        "looks": Looked,
        "generation": Generation,
        "route": Found,
        "kept": Kept,
        "choice": Chosen,
        "offer": Offered,
        "clock": Stopped,
        "round": Round,
        "lost": Lost,
    }
)
"""How the journal calls each record."""
_WORDS = {record: word for word, record in KINDS.items()}
assert set(_WORDS) == set(get_args(Happened))


def written(record: Happened) -> tuple[str, dict[str, Any]]:
    """Kind and payload of the event that holds a record."""
    return _WORDS[type(record)], plain(record)


def read_event(event: Event, journal: Path) -> Happened:
    """The record that an event holds.

    Raises:
        CorruptionError: It holds none; names ``file:line: key``.
    """
    return _read(event, journal, KINDS)


def history(journal: Path) -> tuple[Happened, ...]:
    """Everything that happened in a run; nothing where there is no journal yet.

    Raises:
        CorruptionError: A line is not what was written; names ``file:line``.
    """
    events = read_journal(journal) if journal.exists() else ()
    return tuple(read_event(event, journal) for event in events)


def read_head(event: Event, journal: Path) -> Happened | GenerationHead | RoundHead:
    """The same, of a generation or a round no more than a state needs: most are history and are never read."""
    if event.kind == "generation":
        payload = {key: value for key, value in event.payload.items() if key != "evaluations"}
        return _read(replace(event, payload=payload), journal, {"generation": GenerationHead})
    if event.kind == "round":
        races = event.payload.get("races")
        if isinstance(races, list) and all(isinstance(race, dict) for race in races):
            races = [{key: race[key] for key in ("task", "over") if key in race} for race in races]
        return _read(replace(event, payload={**event.payload, "races": races}), journal, {"round": RoundHead})
    return _read(event, journal, KINDS)


def _read(event: Event, journal: Path, kinds: Mapping[str, type[Any]]) -> Any:
    place = f"{journal}:{event.index + 1}"
    if event.kind not in kinds:
        raise CorruptionError(f"unknown kind of event {event.kind!r}; known: {', '.join(kinds)}", place)
    try:
        return restore(kinds[event.kind], event.payload)
    except ValueError as error:
        raise CorruptionError(str(error), place) from None
