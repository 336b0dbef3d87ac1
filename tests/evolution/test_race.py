"""The race: who leads, who is shown to be worse, and how seldom that is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo_mtl.evolution.candidate import OfTurn
from evo_mtl.evolution.race import Duel, Race, Tally, evidence
from evo_mtl.genome.sections import RaceRules

A, B, C = OfTurn(0, 0), OfTurn(0, 1), OfTurn(1, 0)


def a_race(names: tuple[OfTurn, ...] = (A, B), **rules: float) -> Race:
    return Race(RaceRules(**rules), [Tally.new(name, 2) for name in names])


def play(race: Race, chances: dict[OfTurn, float], batches: int, seed: int, size: int = 32) -> int | None:
    """Lets candidates answer by chance; the batch after which somebody was first shown to be worse."""
    rng = np.random.default_rng(seed)
    for number in range(batches):
        labels = rng.integers(0, 2, size)
        race.see(labels, {name: rng.random(size) < chance for name, chance in chances.items()})
        leader = race.leader({name: tally.quality("accuracy") for name, tally in race.tallies.items()})
        if race.losers(leader):
            return number
    return None


@given(st.integers(0, 300), st.integers(0, 300))
def test_what_is_won_and_lost_cannot_both_be_evidence(won: int, lost: int) -> None:
    both = evidence(won, lost), evidence(lost, won)
    assert min(both) <= 1e-12
    assert evidence(won + 1, lost) > evidence(won, lost) > evidence(won, lost + 1)


def test_evidence_is_a_fair_game() -> None:
    """Over all outcomes of ten fair coins, what the gambler owns is 1 on the mean."""
    owned = sum(math.comb(10, k) / 2**10 * math.exp(evidence(k, 10 - k)) for k in range(11))
    assert owned == pytest.approx(1.0)


def test_equals_are_hardly_ever_told_apart_however_often_one_looks() -> None:
    false = 0
    for seed in range(300):
        race = a_race((A, B, C), age=64, level=0.1)
        false += play(race, dict.fromkeys((A, B, C), 0.7), 60, seed) is not None
    # Each of three may be wrongly dropped with 0.1; that it happens to any is at most three times that.
    assert false / 300 < 0.2


def test_the_worse_of_two_is_found_soon() -> None:
    found = [play(a_race(age=64), {A: 0.6, B: 0.85}, 60, seed) for seed in range(20)]
    assert None not in found
    assert float(np.median([one for one in found if one is not None])) < 25


def test_the_leader_is_spared_and_the_worse_named() -> None:
    race = a_race((A, B, C), age=32)
    play(race, {A: 0.9, B: 0.3, C: 0.9}, 8, 0)
    assert B in race.losers(A)
    assert B not in race.losers(B)


def test_the_young_neither_lead_nor_leave() -> None:
    race = a_race(age=100)
    labels = np.zeros(40, dtype=np.int64)
    race.see(labels, {A: np.ones(40, bool), B: np.zeros(40, bool)})
    assert race.losers(A) == ()
    assert race.leader({A: 1.0, B: 0.0}) == A  # all are young
    old = Race(race.rules, [Tally(A, 200, 100, (10.0, 10.0), (5.0, 5.0)), Tally.new(C, 2)])
    assert old.leader({A: 0.5, C: 0.9}) == A


def test_of_equals_the_oldest_leads() -> None:
    assert a_race((A, B, C)).leader({A: 0.5, B: 0.5, C: 0.5}) == A


def test_what_was_lost_long_ago_is_forgotten_in_the_next_segment() -> None:
    duel, rules = Duel(A, B), RaceRules(age=64, window=16)
    for _ in range(4):
        duel = duel.see(won=10, lost=0, examples=16, rules=rules)
    assert (duel.segment, duel.examples, duel.won, duel.lost) == (0, 64, 40, 0)
    after = duel.see(won=0, lost=3, examples=16, rules=rules)
    assert (after.segment, after.examples, after.won, after.lost) == (1, 16, 0, 3)
    assert after.gain == pytest.approx(duel.gain / math.e - 3)


def test_the_young_are_judged_on_what_the_old_have_seen_too() -> None:
    """The stream becomes easier: who came late is no better for that."""
    race = a_race((A,), age=1, window=1000)
    labels = np.zeros(50, dtype=np.int64)
    race.see(labels, {A: np.arange(50) < 10})
    race = Race(race.rules, [race.tallies[A], Tally.new(B, 2)])
    right = np.arange(50) < 45
    race.see(labels, {A: right, B: right})
    assert race.tallies[B].quality("accuracy") == pytest.approx(0.9)
    assert race.quality(B, "accuracy") == pytest.approx(race.quality(A, "accuracy"))
    race.see(labels, {A: right, B: np.ones(50, bool)})
    assert race.quality(B, "accuracy") > race.quality(A, "accuracy") + 0.03
    assert race.quality(B, "balanced_accuracy") == race.tallies[B].quality("balanced_accuracy")
    assert race.quality(A, "accuracy", never=(0,)) == 0.0


def test_later_segments_ask_for_more() -> None:
    won, level = 30, 0.05
    losers = [Duel(A, B, segment, 0, won, 10).loser(level) for segment in range(12)]
    assert losers[0] == B
    assert losers[-1] is None


def test_quality_is_of_recent_examples_and_by_class_where_asked() -> None:
    tally = Tally.new(A, 2)
    labels = np.array([0, 0, 0, 1])
    tally = tally.see(labels, np.array([True, True, True, False]), window=10_000)
    assert tally.quality("accuracy") == pytest.approx(0.75)
    assert tally.quality("balanced_accuracy") == pytest.approx(0.5)
    assert Tally.new(A, 2).quality("accuracy") == 0.0
    for _ in range(20):
        tally = tally.see(labels, np.array([False, False, False, True]), window=8)
    assert tally.quality("accuracy") < 0.3
    assert tally.right / tally.examples == pytest.approx(23 / 84)
