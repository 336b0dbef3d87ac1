"""Claims about the order in which an online stream shows its examples."""

from __future__ import annotations

import numpy as np
import pytest

from evo_mtl.streams import orders
from evo_mtl.streams.orders import Order

NAMES, COUNTS = ("a", "b", "c"), (50, 31, 40)


def pairs(order: Order) -> list[tuple[int, int]]:
    return list(zip(order.tasks.tolist(), order.places.tolist(), strict=True))


EVERY = [(task, place) for task, count in enumerate(COUNTS) for place in range(count)]


@pytest.mark.parametrize("make", [orders.sequential, orders.mixed])
def test_every_example_has_one_place_in_the_stream_and_every_batch_its_size(make: object) -> None:
    order = make(NAMES, COUNTS, 8, 0)  # type: ignore[operator]
    assert sorted(pairs(order)) == EVERY
    batches = [order.batch(number) for number in range(len(order))]
    joined = [(task, int(place)) for batch in batches for task, places in batch for place in places]
    assert sorted(joined) == EVERY
    assert all(sum(len(places) for _, places in batch) <= 8 for batch in batches)


def test_in_sequence_no_batch_has_two_tasks_and_only_a_task_s_last_is_short() -> None:
    order = orders.sequential(NAMES, COUNTS, 8, 0)
    sizes = [[(task, len(places)) for task, places in order.batch(number)] for number in range(len(order))]
    wanted = [[(0, 8)]] * 6 + [[(0, 2)]] + [[(1, 8)]] * 3 + [[(1, 7)]] + [[(2, 8)]] * 5
    assert sizes == wanted
    assert order.last() == {6: [0], 10: [1], 15: [2]}


def test_mixed_batches_are_full_and_have_the_tasks_by_their_shares() -> None:
    order = orders.mixed(NAMES, (4000, 1000, 3000), 80, 0)
    assert len(order) == 100
    assert (np.diff(order.cuts) == 80).all()
    half = np.bincount(order.tasks[:4000]) / 4000
    assert np.allclose(half, [0.5, 0.125, 0.375], atol=0.03)
    firsts = order.places[order.tasks == 0][:2000]
    assert abs(float(firsts.mean()) - 2000) < 100


@pytest.mark.parametrize("make", [orders.sequential, orders.mixed])
def test_the_last_batch_of_each_task_is_told(make: object) -> None:
    order = make(NAMES, COUNTS, 8, 0)  # type: ignore[operator]
    met = {task: number for number in range(len(order)) for task, _ in order.batch(number)}
    told = {task: number for number, tasks in order.last().items() for task in tasks}
    assert met == told


def test_a_batch_keeps_the_order_of_the_stream_within_a_task() -> None:
    order = orders.mixed(NAMES, COUNTS, 20, 0)
    for task, places in order.batch(1):
        stream = [place for t, place in pairs(order)[20:40] if t == task]
        assert places.tolist() == stream
