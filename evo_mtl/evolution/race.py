"""The race of the online regime: candidates answer the same batches, are compared in pairs, and weak ones make room.

Of two candidates only the examples tell anything that one answers rightly and the other does not. Were they equally
good, each such example would be a fair coin, and a gambler who stakes a fixed share of his money on one of them would
not expect to gain: what he owns is a test martingale (Ville 1939). That it ever reaches ``1 / level`` has a probability
of at most ``level``, however often one looks (Robbins 1970; Waudby-Smith and Ramdas 2024), so that a candidate may be
dropped after any batch. Several stakes are held at once, and their mean is again one.

A slow learner is not to be dropped for what it got wrong long ago: the coins are counted in segments, each twice as long
as the one before, and every segment spends a part of the level of its own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from evo_mtl.evolution.candidate import OfTurn
from evo_mtl.genome.sections import RaceRules
from evo_mtl.plain import Count, Work

STAKES = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
"""Shares of the money that are staked at once; small ones find small differences, large ones find large ones soon."""


def evidence(won: int, lost: int) -> float:
    """Natural logarithm of what the gambler owns who began with 1 and backed the one that won."""
    logs = won * np.log1p(STAKES) + lost * np.log1p(-STAKES)
    most = float(logs.max())
    return most + math.log(float(np.exp(logs - most).mean()))


def _fade(examples: int, window: int) -> float:
    """What older examples count for after so many new ones."""
    return math.exp(-examples / window)


@dataclass(frozen=True)
class Duel:
    """Two candidates, on the examples of a segment that both have answered.

    Attributes:
        first, second: Which two, in the order of their birth.
        segment: Which one it is, from 0.
        examples: Of the segment so far.
        won, lost: Those that only the first, only the second answered rightly.
        recent, gain: All examples that both have answered, and how many more the first answered rightly; older ones
            count for less.
    """

    first: OfTurn
    second: OfTurn
    segment: Count = 0
    examples: Count = 0
    won: Count = 0
    lost: Count = 0
    recent: Work = 0.0
    gain: float = 0.0

    def see(self, won: int, lost: int, examples: int, rules: RaceRules) -> Duel:
        """The duel after a further batch."""
        now, fade = self, _fade(examples, rules.window)
        if self.examples >= rules.age * 2**self.segment:
            now = replace(self, segment=self.segment + 1, examples=0, won=0, lost=0)
        return replace(
            now,
            examples=now.examples + examples,
            won=now.won + won,
            lost=now.lost + lost,
            recent=now.recent * fade + examples,
            gain=now.gain * fade + won - lost,
        )

    def loser(self, level: float) -> OfTurn | None:
        """The one that is worse, at this level over all segments; ``None`` while it may be chance."""
        bar = -math.log(level / ((self.segment + 1) * (self.segment + 2)))  # the parts add up to the level
        if evidence(self.won, self.lost) >= bar:
            return self.second
        return self.first if evidence(self.lost, self.won) >= bar else None


@dataclass(frozen=True)
class Tally:
    """How one candidate has answered, each example before it learned from it.

    Attributes:
        candidate: Which.
        examples: That it has answered.
        right: Those rightly.
        recent, recent_right: The same by class, older ones counting for less.
    """

    candidate: OfTurn
    examples: Count
    right: Count
    recent: tuple[Work, ...]
    recent_right: tuple[Work, ...]

    @classmethod
    def new(cls, candidate: OfTurn, num_classes: int) -> Tally:
        """Of one that has answered nothing."""
        return cls(candidate, 0, 0, (0.0,) * num_classes, (0.0,) * num_classes)

    def see(self, labels: np.ndarray, right: np.ndarray, window: int) -> Tally:
        """The tally after a further batch: labels ``(B,)``, and which were answered rightly ``(B,)``."""
        fade, count = _fade(len(labels), window), len(self.recent)
        seen = np.bincount(labels, minlength=count)
        hit = np.bincount(labels[right], minlength=count)
        return Tally(
            self.candidate,
            self.examples + len(labels),
            self.right + int(right.sum()),
            tuple((np.array(self.recent) * fade + seen).tolist()),
            tuple((np.array(self.recent_right) * fade + hit).tolist()),
        )

    def quality(self, metric: str, never: Collection[int] = ()) -> float:
        """The task's metric on recent examples; 0 before there are any.

        Args:
            metric: Its name.
            never: Classes that are not answered any more.
        """
        seen, right = np.array(self.recent), np.array(self.recent_right)
        right[list(never)] = 0.0
        if not seen.any():
            return 0.0
        if metric == "accuracy":
            return min(float(right.sum() / seen.sum()), 1.0)
        there = seen > 0
        return min(float((right[there] / seen[there]).mean()), 1.0)


class Race:
    """Who has answered what, who leads, and who is to make room.

    Args:
        rules: When a candidate may be dropped.
        tallies: Of all who race, in the order of their birth.
        duels: Of every two of them that have met before.
    """

    def __init__(self, rules: RaceRules, tallies: Sequence[Tally], duels: Sequence[Duel] = ()) -> None:
        self.rules = rules
        self.tallies = {tally.candidate: tally for tally in tallies}
        known = {(duel.first, duel.second): duel for duel in duels}
        self._duels = {
            pair: known.get(pair, Duel(*pair))
            for pair in combinations([tally.candidate for tally in tallies], 2)
        }

    @property
    def duels(self) -> tuple[Duel, ...]:
        """Of every two who race."""
        return tuple(self._duels.values())

    def see(self, labels: np.ndarray, right: Mapping[OfTurn, np.ndarray]) -> None:
        """Takes a batch that everybody has answered.

        Args:
            labels: ``(B,)``.
            right: For each candidate which examples it answered rightly, ``(B,)`` bool.
        """
        for name, tally in self.tallies.items():
            self.tallies[name] = tally.see(labels, right[name], self.rules.window)
        for (first, second), duel in self._duels.items():
            won = int((right[first] & ~right[second]).sum())
            lost = int((right[second] & ~right[first]).sum())
            self._duels[first, second] = duel.see(won, lost, len(labels), self.rules)

    def quality(self, name: OfTurn, metric: str, never: Collection[int] = ()) -> float:
        """The task's metric of a candidate on recent examples.

        The young have seen other examples than the old. So accuracy is that of the oldest, plus by how much more of the
        examples that both have seen this one answered rightly.

        Args:
            name: Whose.
            metric: Its name.
            never: Classes that it does not answer any more.
        """
        tally, oldest = self.tallies[name], next(iter(self.tallies))
        found = tally.quality(metric)
        if metric == "accuracy" and name != oldest and (duel := self._duels[oldest, name]).recent:
            found = self.tallies[oldest].quality(metric) - duel.gain / duel.recent
        return min(max(found - tally.quality(metric) + tally.quality(metric, never), 0.0), 1.0)

    def leader(self, scores: Mapping[OfTurn, float]) -> OfTurn:
        """The best by score of those old enough to be judged, of equals the oldest; of all, while none is."""
        old = [name for name, tally in self.tallies.items() if tally.examples >= self.rules.age]
        return max(
            old or list(self.tallies), key=lambda name: (scores[name], (-name.generation, -name.child))
        )

    def losers(self, spared: OfTurn) -> tuple[OfTurn, ...]:
        """Who is shown to be worse than another one who stays, youngest last.

        Args:
            spared: Who leads; never among them.
        """
        # Each may lose to every other one: the level is shared, so that it holds for a candidate.
        level = self.rules.level / max(len(self.tallies) - 1, 1)
        lost = {
            duel.loser(level)
            for duel in self.duels
            if min(self.tallies[duel.first].examples, self.tallies[duel.second].examples) >= self.rules.age
        }
        return tuple(name for name in self.tallies if name in lost and name != spared)
