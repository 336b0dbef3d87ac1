"""One task's race, new or resumed: who learns, who leads, who makes room, and who joins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from torch import nn

from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.budget import require_within
from evo_mtl.evolution.candidate import Candidate, Evaluation, OfTurn
from evo_mtl.evolution.fitness import fitness
from evo_mtl.evolution.outcome import OK, Notes, failed
from evo_mtl.evolution.population import Population, settled
from evo_mtl.evolution.race import Race, Tally
from evo_mtl.evolution.turn import World, seed_candidates
from evo_mtl.genome.genome import Genome
from evo_mtl.network.assembly import assemble
from evo_mtl.network.streaming import MomentsPool
from evo_mtl.run.events import Standings
from evo_mtl.searching.ground import Ground
from evo_mtl.streams.experience import Incoming, Part
from evo_mtl.training.arena import Arena, taps_of
from evo_mtl.training.contestant import Contestant, Contestants, one_by_one
from evo_mtl.training.inputs import Held

CURVE = 16
"""Rounds of which the quality of a candidate is told; a stream may be endless."""
REMEMBERED = 256
"""Candidates that are remembered, those who race now and the latest who left."""


class TaskRace:
    """A race over the examples of one task, as it is at the beginning of a round.

    What descends goes on from what the last standings name, whether the search was killed or not; sums, which are large,
    are read again only where it was, and are then shown once more the batches of which not all was written (from a source
    that cannot go back what these told by class is lost).

    Args:
        ground: The run; the task has arrived.
        incoming: The task.
        past: Its standings after each round so far, or after those since the former race's.
        threads: Contestants that learn side by side; it changes nothing that comes of it.
        former: The race of the round before, where it was not killed.
        commons: See :class:`evo_mtl.training.arena.Arena`.
    """

    def __init__(
        self,
        ground: Ground,
        incoming: Incoming,
        past: Iterable[Standings] = (),
        threads: int = 1,
        former: TaskRace | None = None,
        commons: dict[str, nn.Module] | None = None,
    ) -> None:
        self._ground, self.incoming, self._threads = ground, incoming, threads
        name, num_classes = incoming.name, len(incoming.classes)
        self._space, root = ground.space_of(name), ground.root_of(name)
        self._pricing = ground.pricing_online(incoming)
        founders = ground.founders.without(name, ground.state)
        self._world = World(
            name, ground.config.seed, self._space, ground.facts_of(name), founders, self._pricing
        )
        self._tried: dict[OfTurn, Evaluation] = dict(former._tried) if former else {}
        self.num_rounds: int = former.num_rounds if former else 0
        last = None
        for last in past:
            self._tried = _remembered(self._tried, last)
            self.num_rounds += 1
        self.examples, self.right = (last.examples, last.right) if last else (0, 0)
        self._origins: Counter[str] = Counter(last.origins if last else {})
        self._arena: Arena = (
            former._arena
            if former
            else Arena(
                ground.config.seed,
                root.layout,
                ground.shared,
                lambda tensors, spec: ground.store.write({k: v.cpu() for k, v in tensors.items()}, spec),
                num_classes,
                MomentsPool(num_classes, ground.config.stream.least_aggregate),
                commons,
            )
        )
        staying = [one for one in last.evaluations if one.candidate.id not in last.left] if last else []
        kept = {one.candidate.id: one for one in former._all.members if one.solved} if former else {}
        members = [
            kept.get(one.candidate.id)
            or Contestant(
                replace(one.candidate, genome=settled(one)),
                self._arena,
                ground.store.read(last.states[str(one.candidate.id)])[0] if last else None,
            )
            for one in staying
        ]
        self.since: int | None = None
        if last and last.sums and not former:
            self.since = self._arena.pool.load(ground.store.read(last.sums)[0])
        self._candidates = {one.candidate.id: one.candidate for one in staying}
        self._all: Contestants = Contestants(members, self._arena, self._each)
        self._born = last.born if last else self._seeds()
        tallies = [*(last.tallies if last else ()), *(Tally.new(one.id, num_classes) for one in self._born)]
        self._race = Race(self._space.race, tallies, last.duels if last else ())

    def replay(self, part: Part, number: int) -> None:
        """Shows the sums a batch again, from :attr:`since` on."""
        if self.since is not None and number >= self.since:
            self._all.replay(part, number)

    def begin(self) -> TaskRace:
        """Lets the newborn in, when the sums are as they were; the race itself."""
        if self.since is not None:
            for one in self._all.members:
                one.refresh()
        members = [*self._all.members, *(Contestant(one, self._arena) for one in self._born)]
        self._candidates |= {one.id: one for one in self._born}
        self._costs = {name: self._pricing.cost(one.genome) for name, one in self._candidates.items()}
        self._all = Contestants(members, self._arena, self._each)
        self.leader = self._race.leader(self._scores())
        return self

    @property
    def writable(self) -> bool:
        """Whether a round may end here: sums over too few examples are not written."""
        return not self._arena.pool.nodes or self._arena.pool.writable

    def see(self, part: Part, number: int) -> None:
        """Everybody answers a batch of the stream, then learns from it."""
        found = self._all.see(part, number)
        right = dict(zip(self._candidates, found, strict=True))
        self.examples += len(part.labels)
        self._origins[part.task] += len(part.labels)
        self.right += int(right[self.leader].sum())
        self._race.see(part.labels, right)
        self.leader = self._race.leader(self._scores())

    def standings(self, over: bool) -> Standings:
        """Ends a round: everything that is needed to go on is written to the store, and named here.

        Args:
            over: Whether the task gives no further examples; then nobody leaves and nobody joins.
        """
        members = {one.candidate.id: one for one in self._all.members}
        lost = () if over else self._race.losers(self.leader)
        left = tuple(name for name, one in members.items() if one.failed or name in lost)
        staying = [name for name in members if name not in left]
        if not staying:  # then nobody leaves: the next round tells more
            left, staying = (), list(members)
        for name in left:
            members[name].leave()
        pool = self._arena.pool
        sums = pool.checkpoint(forget=False) if pool.nodes and not over else {}
        written = {name: members[name].written(over) for name in staying}
        if over:  # a solved head lacks what it was learned from too few examples of
            self.leader = self._race.leader(self._scores(staying))
        evaluations = [
            self._evaluation(one, written[name][0] if name in written else {}, name in written)
            for name, one in members.items()
        ]
        self._tried |= {one.candidate.id: one for one in evaluations}
        tallies = tuple(self._race.tallies[name] for name in staying)
        duels = tuple(duel for duel in self._race.duels if duel.first in staying and duel.second in staying)
        return Standings(
            task=self.incoming.name,
            examples=self.examples,
            origins=dict(self._origins),
            right=self.right,
            leader=self.leader,
            evaluations=tuple(evaluations),
            tallies=tallies,
            duels=duels,
            left=left,
            born=() if over else self._children(len(staying)),
            states={str(name): state for name, (_, state) in written.items()},
            sums=self._arena.write(sums, {"kind": "state", "of": "sums"}) if sums else None,
            over=over,
        )

    def after(self, standings: Standings) -> TaskRace:
        """The race as it goes on from its new standings."""
        return TaskRace(self._ground, self.incoming, (standings,), self._threads, former=self).begin()

    def _seeds(self) -> tuple[Candidate, ...]:
        made = seed_candidates(self._world)
        require_within(made, self._pricing, self._space.limits, self._space.name)
        return tuple(one for one in made if self._world.legal(one.genome))

    def _children(self, staying: int) -> tuple[Candidate, ...]:
        """Children for the free places, from parents as they are now."""
        free = self._space.race.population - staying
        if free < 1:
            return ()
        budget = self._space.budget.model_copy(update={"children": free})
        world = replace(self._world, space=self._space.model_copy(update={"budget": budget}))
        population = Population(tuple(self._tried.values()))
        made = algorithms.get(self._space.algorithm)(world, population, self.num_rounds + 1)
        return tuple(one for one in made if world.legal(one.genome) and self._can_begin(one.genome))[:free]

    def _can_begin(self, genome: Genome) -> bool:
        """Whether a child's head, if it is solved, reads what is summed, or so little that new sums are cheap."""
        if genome.head.trained:
            return True
        nodes, widths = taps_of(assemble(genome, self._arena.layout), genome, self._arena.layout)
        return self._arena.pool.covers(nodes) or sum(widths) <= self._space.race.widest

    def _evaluation(self, one: Contestant, trained: Mapping[str, str], stays: bool) -> Evaluation:
        name = one.candidate.id
        before, quality = self._tried.get(name), self._quality(name)
        return Evaluation(
            candidate=self._candidates[name],
            status=failed(one.failed) if one.failed else OK,
            quality=quality,
            score=self._scores()[name],
            curve=(*(before.curve if before else ()), quality)[-CURVE:],
            trained=trained,
            cost=self._costs[name],
            admitted=stays and not one.failed,
            notes=Notes(temperature=one.temperatures.best),
        )

    def _quality(self, name: OfTurn) -> float:
        """On recent examples; what is written of a candidate at the end may know fewer classes."""
        never = next(one.never for one in self._all.members if one.candidate.id == name)
        return self._race.quality(name, self.incoming.metric, never)

    def _scores(self, among: Collection[OfTurn] | None = None) -> dict[OfTurn, float]:
        """Of everybody; who is not among those asked for has none."""
        root, objective = self._pricing.root(), self._space.objective
        return {
            name: fitness(self._quality(name), self._costs[name], root, objective)
            if among is None or name in among
            else -math.inf
            for name in self._race.tallies
        }

    def _each(
        self, do: Callable[[Contestant, Held], Any], members: Sequence[Contestant], held: Sequence[Held]
    ) -> list[Any]:
        if self._threads == 1:
            return one_by_one(do, members, held)
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(do, members, held))


def _remembered(tried: Mapping[OfTurn, Evaluation], standings: Standings) -> dict[OfTurn, Evaluation]:
    """What is known of candidates after a further round; the oldest who left are forgotten."""
    found = {**tried, **{one.candidate.id: one for one in standings.evaluations}}
    racing = {one.candidate.id for one in standings.evaluations} - set(standings.left)
    gone = [name for name in found if name not in racing]
    for name in gone[: max(len(found) - REMEMBERED, 0)]:
        del found[name]
    return found
