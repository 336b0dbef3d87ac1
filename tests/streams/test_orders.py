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


def test_a_blurry_stream_exchanges_the_stated_share_of_each_task() -> None:
    counts = (400, 300, 500)
    order = orders.blurry(NAMES, counts, 8, 0, overlap=0.1)
    assert sorted(pairs(order)) == [(task, place) for task, n in enumerate(counts) for place in range(n)]
    segment = np.repeat(np.arange(3), counts)
    for task, count in enumerate(counts):
        strangers = order.tasks[segment == task] != task
        elsewhere = order.tasks[segment != task] == task
        assert strangers.sum() == elsewhere.sum() == round(0.1 * count)
    met = {(int(s), int(t)) for s, t in zip(segment, order.tasks, strict=True) if s != t}
    assert met == {(s, t) for s in range(3) for t in range(3) if s != t}


def test_a_task_that_is_larger_than_all_others_exchanges_what_they_can() -> None:
    order = orders.blurry(("a", "b"), (900, 100), 8, 0, overlap=0.5)
    segment = np.repeat(np.arange(2), (900, 100))
    assert (order.tasks[segment == 1] == 0).sum() == (order.tasks[segment == 0] == 1).sum() == 50


def cut(labels: np.ndarray, num_sessions: int, disjoint: float, blurriness: float) -> Order:
    return orders.sessions("a", labels, 10, 3, num_sessions, disjoint, blurriness)


def test_a_task_cut_into_sessions_has_the_published_shares() -> None:
    labels = np.repeat(np.arange(20), 50)
    order = cut(labels, 5, 0.5, 0.1)
    assert sorted(order.places.tolist()) == list(range(1000))
    assert (np.diff(order.cuts) == 10).all()
    session = np.repeat(np.arange(5), 200)
    counts = np.zeros((5, 20), dtype=int)
    np.add.at(counts, (session, labels[order.places]), 1)
    disjoint = [label for label in range(20) if (counts[:, label] > 0).sum() == 1]
    assert len(disjoint) == 10
    assert sorted(counts[:, disjoint].argmax(0).tolist()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    blurry = [label for label in range(20) if label not in disjoint]
    home = counts[:, blurry].argmax(0)
    assert sorted(home.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    for number in range(5):
        mine = counts[number, blurry]
        assert mine.sum() == 100
        assert mine[home != number].sum() == 10  # a tenth of them is of other sessions' classes


def test_classes_that_do_not_divide_are_dealt_as_evenly_as_can_be() -> None:
    labels = np.repeat(np.arange(7), 10)
    order = cut(labels, 3, 0.6, 0.0)
    assert sorted(order.places.tolist()) == list(range(70))
    per_session = [
        len(set(labels[order.places[at]].tolist())) for at in (slice(0, 30), slice(30, 50), slice(50, 70))
    ]
    assert per_session == [3, 2, 2]


@pytest.mark.parametrize(("disjoint", "blurriness"), [(1.0, 0.5), (0.0, 0.9), (0.0, 0.0)])
def test_all_classes_may_be_disjoint_or_blurry(disjoint: float, blurriness: float) -> None:
    order = cut(np.repeat(np.arange(4), 25), 2, disjoint, blurriness)
    assert sorted(order.places.tolist()) == list(range(100))
