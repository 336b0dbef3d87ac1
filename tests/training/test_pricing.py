"""Prices: re-derived by hand, and consistent with what a trial runs and writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.genome.genome import Genome, HeadGene, TapGene, as_founder, settle
from evo_mtl.genome.mutation import with_depth
from evo_mtl.network.closed_form import ridge_multiply_adds
from evo_mtl.network.components import load_module
from evo_mtl.network.cost import adapter_parameters, line_multiply_adds, stage_parameters
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.network.pooling import pooled_size
from evo_mtl.testing.genomes import a_space, bottleneck
from evo_mtl.training.pricing import Pricing
from evo_mtl.training.trial import try_candidate
from tests.training.worlds import Workshop, candidate


def pricing(workshop: Workshop, **users: int) -> Pricing:
    known = dict.fromkeys(workshop.facts.components, 1) | users
    return Pricing(workshop.layout, 45, 15, 3, known, image_size=32, validations=2)


def stages(workshop: Workshop) -> tuple[int, ...]:
    return stage_parameters(workshop.layout.name, workshop.layout.cut)


def test_the_root_is_the_whole_trunk_at_the_default_size(workshop: Workshop) -> None:
    parameters, work = pricing(workshop).root()
    assert parameters == sum(stages(workshop))
    assert work == sum(line_multiply_adds(workshop.layout, 9, (), 32))


def test_a_frozen_route_adds_its_head_and_shares_the_rest_with_the_root(workshop: Workshop) -> None:
    cost = pricing(workshop).cost(workshop.genome(4, 4, "ridge"))
    trunk, head = sum(stages(workshop)[:4]), workshop.layout.channels[3] * 3 + 3
    assert cost.added_parameters == head
    assert cost.active_parameters == trunk + head
    assert cost.accounted_parameters == trunk / 2 + head
    assert cost.images == 45 + 15


def test_open_parts_are_paid_in_full_and_shared_ones_by_all_who_use_them(workshop: Workshop) -> None:
    genome = replace(
        workshop.genome(4, 3),
        adapters=(bottleneck(1, 4, "a" * 64, open=False), bottleneck(3, 4)),
    )
    cost = pricing(workshop, **{"a" * 64: 2}).cost(genome)
    count, channels = stages(workshop), workshop.layout.channels
    foreign, own = (adapter_parameters(workshop.layout, bottleneck(i, 4)) for i in (1, 3))
    head = channels[3] * 3 + 3
    assert cost.added_parameters == count[3] + own + head
    assert cost.accounted_parameters == pytest.approx(
        sum(count[:3]) / 2 + count[3] + foreign / 3 + own + head
    )
    assert cost.active_parameters == sum(count[:4]) + foreign + own + head


def test_training_is_charged_thrice_a_step_and_frozen_stages_once_an_image_and_view(
    workshop: Workshop,
) -> None:
    genome = workshop.genome(4, 2, epochs=3, views=2)
    cost = pricing(workshop).cost(genome)
    work = line_multiply_adds(workshop.layout, 4, (), 32)
    head = workshop.layout.channels[3] * 3
    forward = 45 + 15 * (2 + 1)
    assert cost.images == 45 * 3 + forward
    assert cost.multiply_adds == sum(work[:2]) * (45 * 2 + 15) + (sum(work[2:]) + head) * (
        3 * 45 * 3 + forward
    )
    assert cost.inference == sum(work) + head


def test_an_inherited_head_is_not_looked_for_again(workshop: Workshop) -> None:
    genome = workshop.genome(4, 3)
    inherited = replace(genome, head=HeadGene("linear", "a" * 64))
    new, old = (pricing(workshop).cost(one) for one in (genome, inherited))
    assert new.images - old.images == 45


def test_a_projection_costs_work_and_its_output_parameters(workshop: Workshop) -> None:
    plain, projected = (
        pricing(workshop).cost(workshop.genome(4, 4, kind, projection_width=50))
        for kind in ("ridge", "projected_ridge")
    )
    width = workshop.layout.channels[3]
    assert projected.added_parameters == 50 * 3 + 3
    assert projected.inference - plain.inference == width * 50 + 50 * 3 - width * 3


def test_finer_taps_and_more_of_them_make_a_larger_head(workshop: Workshop) -> None:
    genome = replace(workshop.genome(4, 4, "ridge"), taps=(TapGene(1, 2), TapGene(3)))
    channels = workshop.layout.channels
    assert pricing(workshop).cost(genome).added_parameters == (channels[1] * 4 + channels[3]) * 3 + 3


def test_under_a_solved_head_a_stage_said_to_be_open_is_shared_all_the_same(workshop: Workshop) -> None:
    open_, closed = (workshop.genome(4, boundary, "ridge") for boundary in (2, 4))
    assert open_.stages != closed.stages
    assert pricing(workshop).cost(open_) == pricing(workshop).cost(closed)


def priced_and_written(workshop: Workshop, genome: Genome, cache: Path) -> tuple[int, int]:
    outcome = try_candidate(candidate(genome), workshop.bench(cache))
    modules = [load_module(workshop.store.read, name) for name in set(outcome.trained.values())]
    return pricing(workshop).cost(genome).added_parameters, sum(num_parameters(m) for m in modules)


@pytest.mark.parametrize("head", ["linear", "projected_ridge"])
def test_what_a_trial_writes_has_as_many_parameters_as_its_price_says(
    head: str, workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 2 if head == "linear" else 4, head, grids=(1, 2), projection_width=20)
    if head == "linear":
        genome = replace(genome, adapters=(bottleneck(1, 4), bottleneck(3, 8)))
    added, written = priced_and_written(workshop, genome, tmp_path)
    assert added == written


@pytest.mark.parametrize("root_shares", [True, False])
def test_shares_of_all_routes_and_the_root_sum_to_all_live_parameters(
    root_shares: bool, workshop: Workshop
) -> None:
    """Two routes and the root; the second stands on what the first trained, and goes deeper.

    Where the root pays nothing, the routes' shares sum to the parameters of all that they use.
    """
    uncounted = frozenset(() if root_shares else workshop.facts.components)
    first = settle(workshop.genome(4, 2), {f"stage:{i}": letter * 64 for i, letter in ((2, "a"), (3, "b"))})
    second = as_founder(with_depth(first, 5, a_space(), workshop.facts))
    count = stages(workshop)
    size = {gene.component: count[i] for one in (first, second) for i, gene in enumerate(one.stages)}
    size |= dict(zip(workshop.facts.components, count))
    root = Counter(workshop.facts.components)
    routes = [Counter(gene.component for gene in one.stages) for one in (first, second)]
    users = root + routes[0] + routes[1]

    def price(place: int, genome: Genome) -> float:
        others = users - routes[place]
        known = replace(pricing(workshop), users=others, uncounted=uncounted)
        return known.cost(as_founder(genome)).accounted_parameters

    shares = price(0, first) + price(1, second)
    shares += sum(size[c] / users[c] for c in workshop.facts.components if root_shares)
    live = users if root_shares else routes[0] + routes[1]
    channels = workshop.layout.channels
    heads = (channels[3] * 3 + 3) + ((channels[3] + channels[4]) * 3 + 3)
    assert shares == pytest.approx(sum(size[component] for component in live) + heads)


def test_copies_without_a_part_are_charged_as_fits_and_every_left_out_image_as_an_answer(
    workshop: Workshop,
) -> None:
    genome = workshop.genome(4, 2, epochs=3, views=2)
    crossed = replace(pricing(workshop), folds=3).cost(genome)
    whole = pricing(workshop).cost(genome)
    work = line_multiply_adds(workshop.layout, 4, (), 32)
    head = workshop.layout.channels[3] * 3
    # Three copies on two thirds each: as much again as two fits on all; all images answered at three validations.
    trained, forward = 2 * 45 * 3, 2 * 45 + 45 * (2 + 1)
    assert crossed.images - whole.images == trained + forward
    assert crossed.multiply_adds - whole.multiply_adds == (sum(work[2:]) + head) * (3 * trained + forward)
    kept = ("active_parameters", "added_parameters", "accounted_parameters", "inference")
    assert all(getattr(crossed, name) == getattr(whole, name) for name in kept)


def test_every_copys_solution_is_charged(workshop: Workshop) -> None:
    solved, free = workshop.genome(4, 4, head="ridge"), workshop.genome(4, 4, head="nearest_mean")
    prices = replace(pricing(workshop), folds=3)
    width = workshop.layout.channels[3]
    price = ridge_multiply_adds(45, width) + 3 * ridge_multiply_adds(30, width)
    assert prices.cost(solved).multiply_adds - prices.cost(free).multiply_adds == pytest.approx(price)


def test_a_head_in_closed_form_is_charged_its_solution(workshop: Workshop) -> None:
    solved = workshop.genome(4, 4, head="ridge")
    started = workshop.genome(4, 4, head_start="ridge")
    plain, free = workshop.genome(4, 4), workshop.genome(4, 4, head="nearest_mean")
    prices = pricing(workshop)
    width = sum(pooled_size(workshop.layout.channels[tap.stage], tap.grid) for tap in solved.taps)
    price = ridge_multiply_adds(prices.num_train, width)
    solving = prices.cost(solved).multiply_adds - prices.cost(free).multiply_adds
    starting = prices.cost(started).multiply_adds - prices.cost(plain).multiply_adds
    assert (solving, starting) == (pytest.approx(price), pytest.approx(price))


def test_every_view_of_an_image_is_charged(workshop: Workshop) -> None:
    genome = workshop.genome(4, 3)
    one, most = (
        pricing(workshop).cost(genome),
        pricing(workshop).cost(genome.with_values({"answer_views": 4})),
    )
    assert most.inference == 4 * one.inference
    assert most.images == one.images + 3 * 15
    assert most.multiply_adds == pytest.approx(one.multiply_adds + 3 * 15 * one.inference)
    assert most.added_parameters == one.added_parameters
    chosen = pricing(workshop).cost(genome.with_values({"answer_views": 4}), views=2)
    assert chosen.inference == 2 * one.inference
    assert chosen.multiply_adds == most.multiply_adds
