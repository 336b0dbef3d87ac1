"""Members that are given up while they train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.evolution.outcome import Ended, rejected
from evo_mtl.training.pricing import Pricing
from evo_mtl.training.trial import try_candidate, try_group
from tests.training.worlds import Workshop, candidate

HIGH = (0.0, 2.0, 2.0)
"""Bars that nobody reaches at the first validation."""


def test_a_candidate_below_its_bar_ends_there_and_writes_nothing(workshop: Workshop, tmp_path: Path) -> None:
    bench = workshop.bench(tmp_path)
    written: list[object] = []
    watched = replace(bench, write=lambda tensors, spec: written.append(spec) or bench.write(tensors, spec))  # type: ignore[func-returns-value]
    one = candidate(workshop.genome(3, 3, epochs=4))
    whole = try_candidate(one, watched)
    assert len(written) == len(whole.trained) > 0
    outcome = try_candidate(one, watched, HIGH)
    assert outcome.status == rejected("below 2.0000 at validation 1")
    assert outcome.curve == whole.curve[:2]
    assert outcome.quality == max(outcome.curve)
    assert outcome.trained == {}
    assert len(written) == len(whole.trained)


@pytest.mark.parametrize("bars", [(), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 2.0)])
def test_bars_that_ask_for_nothing_change_no_bit_of_a_trial(
    bars: tuple[float, ...], workshop: Workshop, tmp_path: Path
) -> None:
    one, bench = candidate(workshop.genome(3, 3, epochs=4)), workshop.bench(tmp_path)
    assert try_candidate(one, bench, bars) == try_candidate(one, bench)


def test_a_best_so_far_equal_to_the_bar_goes_on(workshop: Workshop, tmp_path: Path) -> None:
    one, bench = candidate(workshop.genome(3, 3, epochs=4)), workshop.bench(tmp_path)
    whole = try_candidate(one, bench)
    bar = max(whole.curve[:2])
    assert try_candidate(one, bench, (0.0, bar, 0.0)) == whole


@pytest.mark.parametrize("adapters", [(), (2,)])
def test_a_member_given_up_in_a_group_leaves_the_others_as_they_are_to_the_bit(
    adapters: tuple[int, ...], workshop: Workshop, tmp_path: Path
) -> None:
    bench = workshop.bench(tmp_path)
    group = [
        candidate(workshop.genome(3, 3, adapters=adapters, epochs=4, learning_rate=rate), i)
        for i, rate in enumerate((0.01, 0.02, 0.05))
    ]
    whole = try_group(group, bench)
    found = try_group(group, bench, [(), HIGH, ()])
    assert [one.status.ended for one in found] == [Ended.OK, Ended.REJECTED, Ended.OK]
    assert (found[0], found[2]) == (whole[0], whole[2])
    assert found[1].curve == whole[1].curve[:2]


def test_a_candidate_of_fewer_steps_than_validations_is_never_given_up(
    workshop: Workshop, tmp_path: Path
) -> None:
    one, bench = candidate(workshop.genome(3, 3, epochs=1, batch_size=64)), workshop.bench(tmp_path)
    assert try_candidate(one, bench, (2.0, 2.0)).status.ok


def test_what_is_given_up_is_charged_for_what_it_was_shown(workshop: Workshop) -> None:
    pricing = Pricing(workshop.layout, 100, 20, 3, {}, 32, 4)
    genome = workshop.genome(5, 3, epochs=6)
    costs = [pricing.cost(genome, until) for until in (1, 2, 3, 4)]
    assert costs[-1] == pricing.cost(genome)
    looked = 100
    assert [cost.images for cost in costs] == [
        looked + 600 * until // 4 + 20 * (until + 1) for until in (1, 2, 3, 4)
    ]
    work = [cost.multiply_adds for cost in costs]
    assert work == sorted(set(work))
    assert len({cost.added_parameters for cost in costs}) == 1
