"""Bars: what children must reach while they train, from committed curves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest

from evo_mtl.errors import ConfigError
from evo_mtl.evolution.candidate import Candidate, Evaluation, OfTurn
from evo_mtl.evolution.outcome import OK, failed, rejected
from evo_mtl.evolution.quiet import quiet_optuna
from evo_mtl.evolution.rejection import bars
from evo_mtl.evolution.turn import World, seed_candidates
from evo_mtl.testing.genomes import a_space, a_world, told

VALIDATIONS = 4
RULES = {"percentile": 40.0, "startup": 3, "validation": 1}


def world(algorithm: str = "mu2net", **changes: Any) -> World:
    changes = {"rejection": RULES, **changes}
    return a_world(a_space(algorithm=algorithm, validations=VALIDATIONS, **changes))


def finished(here: World, curve: list[float], seed: int = 1, **cost: float) -> Evaluation:
    """A candidate trained to its end with such a curve."""
    one = told(here, seed_candidates(here)[seed])
    return replace(one, status=OK, quality=max(curve), curve=tuple(curve), cost=replace(one.cost, **cost))


def curves(count: int) -> list[list[float]]:
    """Accuracies on twenty images, so that equals are common."""
    return (np.random.default_rng(count).integers(0, 21, (count, VALIDATIONS + 1)) / 20).tolist()


def child(here: World) -> Candidate:
    return replace(seed_candidates(here)[1], generation=1, child=0, parent=OfTurn(0, 1))


def given_up(bar: tuple[float, ...], curve: list[float], place: int) -> bool:
    return max(curve[: place + 1]) < bar[place]


def pruned_by(pruner: optuna.pruners.BasePruner, done: list[Evaluation], curve: list[float]) -> bool:
    """Whether Optuna gives a trial up after such a curve, having seen those that are finished."""
    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
    for one in done:
        values = dict(enumerate(one.curve))
        study.add_trial(optuna.trial.create_trial(value=one.quality, intermediate_values=values))
    running = optuna.trial.TrialState.RUNNING
    trial = optuna.trial.create_trial(state=running, intermediate_values=dict(enumerate(curve)))
    return pruner.prune(study, trial)


@pytest.mark.parametrize("percentile", [0.0, 25.0, 50.0, 100.0, "median"])
@pytest.mark.parametrize("count", [2, 3, 4, 9, 20])
def test_a_child_is_given_up_exactly_where_optunas_pruner_prunes_it(
    count: int, percentile: float | str
) -> None:
    if percentile == "median":
        percentile = 50.0
        pruner: optuna.pruners.BasePruner = optuna.pruners.MedianPruner(3, 1)
    else:
        pruner = optuna.pruners.PercentilePruner(100 - float(percentile), 3, 1)
    here = world(rejection={**RULES, "percentile": percentile})
    done = [finished(here, curve) for curve in curves(count)]
    found = bars([child(here)], here, done)[0]
    begun = [curve[: place + 1] for curve in curves(20) for place in range(VALIDATIONS)]
    if percentile == 0.0:  # only who is worse than every one of them is given up
        begun += [[0.0] * (place + 1) for place in range(VALIDATIONS)]
    expected = [pruned_by(pruner, done, curve) for curve in begun]
    assert [bool(found) and given_up(found, curve, len(curve) - 1) for curve in begun] == expected
    assert any(expected) == (count >= 3)
    assert not all(expected)


def test_nobody_is_given_up_before_enough_candidates_are_finished_or_without_the_rule() -> None:
    here = world()
    done = [finished(here, curve) for curve in curves(9)]
    assert bars([child(here)], here, done)[0] != ()
    assert bars([child(here)], here, done[:2]) == ((),)
    assert bars([child(here)] * 2, world(rejection=None), done) == ((), ())


def test_failed_given_up_and_shorter_curves_set_no_bar() -> None:
    here = world()
    done = [finished(here, [0.5] * 5) for _ in range(2)]
    others = [
        replace(finished(here, [0.9] * 5), status=failed("so")),
        replace(finished(here, [0.9] * 5), status=rejected("below 0.9 at validation 1")),
        finished(here, [0.9] * 3),
    ]
    assert bars([child(here)], here, [*done, *others]) == ((),)
    found = bars([child(here)], here, [*done, finished(here, [0.5] * 5), *others])[0]
    assert max(found) <= 0.5


def test_the_last_validation_and_those_before_the_first_that_counts_have_no_bar() -> None:
    here = world(rejection={**RULES, "validation": 2})
    found = bars([child(here)], here, [finished(here, [0.5] * 5) for _ in range(3)])[0]
    assert found[:2] == (0.0, 0.0)
    assert min(found[2:]) > 0.49
    assert len(found) == VALIDATIONS


def test_of_two_candidates_the_larger_one_must_see_more_where_size_counts() -> None:
    here = world(objective={"size_factor": 0.8})
    large, small = (replace(child(here), genome=one.genome) for one in seed_candidates(here))
    assert (
        here.costs.cost(small.genome).accounted_parameters
        < here.costs.cost(large.genome).accounted_parameters
    )
    lower, higher = bars([small, large], here, [finished(here, [0.5] * 5) for _ in range(3)])
    assert 0.0 < lower[1] < higher[1]


def test_with_several_objectives_only_what_a_cheaper_candidate_matches_is_given_up() -> None:
    here = world("nsga2")
    cost = here.costs.cost(child(here).genome)
    more = {"added_parameters": cost.added_parameters + 1}
    dearer = [finished(here, [0.8] * 5, **more) for _ in range(4)]
    assert max(bars([child(here)], here, dearer)[0]) == 0.0
    cheaper = finished(here, [0.6] * 5, added_parameters=1)
    found = bars([child(here)], here, [*dearer, cheaper])[0]
    assert given_up(found, [0.6] * 5, 1)
    assert not given_up(found, [0.65] * 5, 1)
    best = finished(here, [0.9] * 5, added_parameters=1)
    held = bars([child(here)], here, [*dearer, best])[0]
    assert given_up(held, [0.75] * 5, 1)
    assert not given_up(held, [0.85] * 5, 1)


def test_bars_do_not_depend_on_the_order_of_the_generation() -> None:
    here = world(objective={"size_factor": 0.8})
    done = [finished(here, curve) for curve in curves(9)]
    first, second = (replace(child(here), genome=one.genome) for one in seed_candidates(here))
    assert bars([first, second], here, done) == bars([second, first], here, done)[::-1]


def test_making_bars_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    here = world()
    bars([child(here)], here, [finished(here, curve) for curve in curves(9)])
    assert capfd.readouterr() == ("", "")


def test_a_rule_that_could_give_nobody_up_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError, match=r"rejection\.validation"):
        world(rejection={**RULES, "validation": VALIDATIONS})
