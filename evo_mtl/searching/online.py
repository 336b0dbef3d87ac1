"""The online regime: one pass over a stream whose examples are gone after their batch.

Every task has a race; after so many batches of the stream all races end a round, what they need to go on is
written, and one line of the journal commits it. A search that was killed goes on from that line: where the source can
give its batches again, to the same journal, byte for byte.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evo_mtl.archive.timings import append_timing
from evo_mtl.errors import CandidateError, InputError, RunError
from evo_mtl.evolution.population import Population
from evo_mtl.run import progress as tell
from evo_mtl.run.config import RunConfig, check_private
from evo_mtl.run.events import Arrived, Data, Found, Lost, Round, Standings, Streamed
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.snapshot import MOST_UNCOVERED
from evo_mtl.run.state import ArchiveState
from evo_mtl.searching.beginning import continued
from evo_mtl.searching.boundaries import Finder, found_task
from evo_mtl.searching.checks import check_device, check_root
from evo_mtl.searching.front import told_front
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.races import TaskRace
from evo_mtl.searching.turns import Place, found_route, tell_done
from evo_mtl.searching.usage import in_use
from evo_mtl.streams.experience import Batch, Experience, Incoming, open_experience

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_stream(folder: RunFolder, config: RunConfig, options: Options) -> None:
    """Makes sure of all that can be known before the first batch; writes nothing.

    Raises:
        InputError: Whatever is wrong, in one line.
    """
    if options.optuna_storage is not None:
        raise InputError("candidates that race have no trials to be shown", "--optuna-storage")
    if options.minutes_per_task is not None:
        raise InputError("a task of a stream lasts as long as its examples come", "--per-task")
    if config.passes > 1:
        raise InputError(f"{config.passes} passes over a stream that gives each example once", "--passes")
    state = ArchiveState()
    if folder.exists():
        state = folder.read_state()
        config = continued(folder.read_config(), config, state, folder)
    check_device(config.device)
    check_private(config.space, (task for task in config.stream.tasks if task.name not in state.tasks))
    roots: set[object] = set()
    opened = open_experience(config.stream, config.seed, trust_python=options.trust_python)
    for incoming in opened.tasks:
        known = state.tasks.get(incoming.name)
        if known is not None and known.brief.digest != incoming.digest:
            raise RunError(
                f"the data of task {incoming.name!r} changed after it came to this run", folder.path
            )
        if incoming.form not in roots:
            check_root(config.space, incoming.form)
            roots.add(incoming.form)


def learn_stream(ground: Ground, options: Options, deadline: float | None) -> None:
    """Reads an online stream from where the journal is to its end, and archives a route for every task.

    Args:
        ground: The run, its lock held.
        options: How.
        deadline: By the monotonic clock: the stream ends with the first round after it; ``None`` for no limit.

    Raises:
        CandidateError: No candidate of a task can answer.
    """
    _Pass(ground, options, deadline).run()


class _Pass:
    def __init__(self, ground: Ground, options: Options, deadline: float | None) -> None:
        self._ground, self._options, self._deadline = ground, options, deadline
        self._experience = self._opened(ground.state.position.batches)
        self._incoming = {one.name: one for one in self._experience.tasks}
        self._finds = ground.config.stream.boundaries == "found"
        self._finder: Finder | None = None
        self._races: dict[str, TaskRace] = {}
        # Tasks that follow and are learned side by side train the same modules.
        together = ground.config.stream.order != "sequential"
        self._commons: dict[str, nn.Module] | None = {} if together else None
        self._begun = time.monotonic()
        self._first: dict[str, float] = {}  # when each race was begun, or gone on with, by the same clock

    def run(self) -> None:
        ground = self._ground
        for name in ground.state.routes:
            self._tell_done(name, 0.0, skipped=True)
        for name in ground.state.position.over:  # a crash came between a round and its routes
            self._archive(name, ground.state.standings(name))
        position = ground.state.position
        if position.stopped:
            return
        if position.rounds and not self._experience.replayable:
            ground.commit(Lost(position.batches))
        for name in ground.state.rounds:
            self._races[name] = self._race(self._known(name))
        for batch in self._again(position.batches):
            self._read(batch)
        every = ground.config.space.race.every
        count, committed, over = position.batches, position.batches, set[str]()
        for batch in self._experience:
            if self._finds and self._boundary(batch):
                committed = batch.number
            self._see(batch)
            count = batch.number + 1
            over |= set() if self._finds else set(batch.last_of)
            late = self._deadline is not None and time.monotonic() > self._deadline
            # With several tasks at once a batch holds fewer examples of each.
            due = late or bool(over) or count - committed >= every * len(self._races)
            if due and all(race.writable for name, race in self._races.items() if name not in over):
                self._round(count, set(self._races) if late else over, late)
                committed, over = count, set()
                if late:
                    return
        if self._races:  # a source that did not say when it would end
            self._round(count, set(self._races), False)

    def _opened(self, start: int) -> Experience:
        config = self._ground.config
        return open_experience(config.stream, config.seed, start, self._options.trust_python)

    def _again(self, position: int) -> Iterator[Batch]:
        """Batches before a position of which sums were not written whole; then every race begins."""
        since = [race.since for race in self._races.values() if race.since is not None]
        if self._experience.replayable and since and min(since) < position:
            for batch in self._opened(min(since)):
                if batch.number == position:
                    break
                yield batch
        self._races = {name: race.begin() for name, race in self._races.items()}

    def _read(self, batch: Batch) -> None:
        for part in batch.parts:
            for name in self._races if self._finds else {part.task} & set(self._races):
                self._races[name].replay(part, batch.number)

    def _boundary(self, batch: Batch) -> bool:
        """Whether a task ends before this batch, as far as can be seen; its race is over then."""
        part, ground = batch.parts[0], self._ground
        if self._finder is None:
            root, known = ground.root_for(self._known(part.task)), ground.state.position.detector
            self._finder = Finder(
                root,
                ground.shared,
                ground.config.space.image_size,
                ground.config.stream.least_aggregate,
                ground.config.seed,
                None if known is None else ground.store.read(known)[0],
            )
        before = self._finder.tensors()
        if not self._finder.see(part) or not self._races:
            return False
        self._round(batch.number, set(self._races), False, before)
        return True

    def _known(self, name: str) -> Incoming:
        """What is known of a task; where boundaries are found, of the one that is being learned or comes next."""
        if not self._finds:
            return self._incoming[name]
        return found_task(len(self._ground.state.routes) + 1, self._experience.tasks)

    def _race(self, incoming: Incoming) -> TaskRace:
        self._first[incoming.name] = time.monotonic()
        past = self._ground.state.race(incoming.name) if incoming.name in self._ground.state.rounds else ()
        return TaskRace(self._ground, incoming, past, self._options.workers, commons=self._commons)

    def _see(self, batch: Batch) -> None:
        for part in batch.parts:
            incoming = self._known(part.task)
            if incoming.name not in self._races:
                self._races[incoming.name] = self._begin(incoming)
            self._races[incoming.name].see(part, batch.number)

    def _begin(self, incoming: Incoming) -> TaskRace:
        ground, count = self._ground, incoming.num_examples or 0
        if incoming.name not in ground.state.tasks:
            root = ground.root_for(incoming)
            data = Data(
                root.digest,
                incoming.digest,
                incoming.metric,
                len(incoming.classes),
                count,
                0,
                incoming.config.private,
            )
            ground.commit(Arrived(incoming.name, data, tuple(incoming.classes)))
        place = self._place(incoming.name)
        ground.progress(
            tell.TaskStarted(
                incoming.name,
                place.number,
                place.num_turns,
                count,
                0,
                len(incoming.classes),
                0,
            )
        )
        return self._race(incoming).begin()

    def _round(
        self, batches: int, over: set[str], stopped: bool, detector: Mapping[str, Tensor] | None = None
    ) -> None:
        """Commits where every race is, and archives the routes of tasks that are over.

        Args:
            batches: Read so far.
            over: Tasks that give no further examples.
            stopped: Whether the clock says so.
            detector: What was known of boundaries then; what is known now when ``None``.
        """
        ground = self._ground
        if self._finder is not None and detector is None:
            detector = self._finder.tensors()
        former = ground.state.position.detector
        before = {former} if former else set[str]()
        for name in ground.state.rounds:
            before |= ground.state.standings(name).components
        races = [race.standings(name in over) for name, race in self._races.items()]
        number = ground.state.position.rounds
        known = (
            None if detector is None else ground.store.write(detector, {"kind": "state", "of": "detector"})
        )
        ground.commit(Round(number, batches, tuple(races), stopped, known))
        seconds = time.monotonic() - self._begun
        append_timing(ground.folder.timings, round=number, batches=batches, seconds=round(seconds, 3))
        written = {digest for race in races for one in race.evaluations for digest in one.trained.values()}
        for race in races:
            self._tell(race, seconds)
        for race in races:
            if race.over:
                self._archive(race.task, race)
                del self._races[race.task]
        if self._commons is not None:
            self._commons.clear()  # they go on from what was written, as after a crash
        for race in races:
            if not race.over:
                self._races[race.task] = self._races[race.task].after(race)
        gone = (before | written | {state for race in races for state in _states(race)}) - in_use(
            ground.state
        )
        ground.store.remove(sorted(gone))
        ground.archive.snapshot(MOST_UNCOVERED)
        self._begun = time.monotonic()

    def _archive(self, name: str, race: Standings) -> None:
        """The leader's route becomes the task's."""
        ground = self._ground
        staying = [one for one in race.evaluations if one.candidate.id not in race.left]
        best = next(one for one in staying if one.candidate.id == race.leader)
        if not best.ok:
            raise CandidateError(f"task {name}: no candidate can answer ({best.status})")
        population = Population(tuple(staying))
        keep = ground.space_of(name).objective.keep_front
        front = told_front(population, ground.root_of(name).layout, keep)
        streamed = Streamed(race.right / race.examples, race.origins)
        answer = replace(found_route(ground, best), front=front, streamed=streamed)
        ground.commit(Found(name, 1, answer))
        now = time.monotonic()
        self._tell_done(name, now - self._first.get(name, now), skipped=False)

    def _tell(self, race: Standings, seconds: float) -> None:
        leader = next(one for one in race.evaluations if one.candidate.id == race.leader)
        self._ground.progress(
            tell.RoundDone(
                race.task,
                race.examples,
                race.right / race.examples,
                str(leader.candidate.origin),
                leader.quality,
                len(race.left),
                len(race.born),
                seconds,
            )
        )

    def _tell_done(self, name: str, seconds: float, skipped: bool) -> None:
        tell_done(self._ground, self._place(name), name, seconds, skipped=skipped)

    def _place(self, name: str) -> Place:
        """Where in the stream a task is; of those that are found, among those found so far."""
        known = list(self._ground.state.tasks) if self._finds else list(self._incoming)
        return Place(known.index(name), len(known))


def _states(race: Standings) -> Sequence[str]:
    return [*race.states.values(), *([race.sums] if race.sums else [])]
