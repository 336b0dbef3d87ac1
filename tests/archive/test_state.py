import pytest

from evo_mtl.archive import Event, replay
from evo_mtl.errors import CorruptionError


def events(*pairs):
    return [Event(index, kind, payload, "") for index, (kind, payload) in enumerate(pairs)]


RUN = ("run", {"seed": 0})
ROOT = ("root", {"root": "r", "components": ["a"]})
TASK = ("task", {"name": "digits", "root": "r"})
FIRST = ("generation", {"task": "digits", "number": 0, "candidates": []})
SECOND = ("generation", {"task": "digits", "number": 1, "candidates": []})
AGAIN = ("generation", {"task": "digits", "number": 0, "candidates": [], "pass": 2})
ROUTE = ("route", {"task": "digits", "quality": 0.5})


def test_no_events_give_an_empty_state():
    state = replay([])
    assert (dict(state.run), state.roots, state.tasks, state.routes) == ({}, {}, {}, {})


def test_generations_of_an_unfinished_task_are_kept_in_order():
    state = replay(events(RUN, ROOT, TASK, FIRST, SECOND))
    assert state.run == RUN[1]
    assert state.roots == {"r": ROOT[1]}
    assert state.tasks == {"digits": TASK[1]}
    assert state.generations == {"digits": (FIRST[1], SECOND[1])}
    assert state.routes == {}


def test_a_route_ends_the_turn_of_its_task():
    state = replay(events(RUN, ROOT, TASK, FIRST, ROUTE))
    assert state.generations == {}
    assert state.routes == {"digits": ROUTE[1]}


def test_a_later_route_replaces_the_earlier_one_of_its_task():
    better = ("route", {"task": "digits", "quality": 0.75, "pass": 2})
    state = replay(events(RUN, ROOT, TASK, ROUTE, AGAIN, better))
    assert state.routes == {"digits": better[1]}
    assert state.passes == {"digits": 2}


def test_a_task_that_arrives_again_starts_its_generations_over_and_keeps_its_route():
    again = ("task", {"name": "digits", "root": "r", "data": "other"})
    state = replay(events(RUN, ROOT, TASK, FIRST, ROUTE, AGAIN, again))
    assert state.passes == {}
    assert state.tasks == {"digits": again[1]}
    assert state.generations == {}
    assert state.routes == {"digits": ROUTE[1]}


def test_tasks_and_routes_keep_their_order():
    other, end = ("task", {"name": "a", "root": "r"}), ("route", {"task": "a"})
    state = replay(events(RUN, ROOT, TASK, ROUTE, other, end))
    assert list(state.tasks) == list(state.routes) == ["digits", "a"]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([RUN, ("tsk", {})], r"journal\.jsonl:2: unknown kind of event 'tsk'"),
        ([TASK], r"journal\.jsonl:1: .*'run' comes first"),
        ([RUN, RUN], r"journal\.jsonl:2: .*once"),
        ([RUN, ROOT, ROOT], r"journal\.jsonl:3: root r a second time"),
        ([RUN, ROOT, TASK, SECOND], r"journal\.jsonl:4: generation 1 of task 'digits'; 0 is next"),
        ([RUN, ROOT, TASK, FIRST, FIRST], r"journal\.jsonl:5: generation 0 of task 'digits'; 1 is next"),
        ([RUN, FIRST], r"journal\.jsonl:2: task 'digits' was never announced"),
        ([RUN, ROUTE], r"journal\.jsonl:2: task 'digits' was never announced"),
        ([RUN, ROOT, TASK, FIRST, ROUTE, FIRST], r"journal\.jsonl:6: pass 1 of task 'digits'; 2 is next"),
        ([RUN, ROOT, TASK, AGAIN], r"journal\.jsonl:4: pass 2 of task 'digits'; 1 is next"),
        (
            [RUN, ROOT, TASK, ("offer", {"task": "digits", "number": 1})],
            r":4: an offer to task 'digits', which has no",
        ),
        (
            [RUN, ROOT, TASK, ROUTE, ("offer", {"task": "digits", "number": 2})],
            r":5: offer 2 to .*; 1 is next",
        ),
        ([RUN, ROOT, TASK, FIRST, ("kept", {"task": "digits"})], r":5: task 'digits' has no route to keep"),
        ([RUN, TASK], r"journal\.jsonl:2: task 'digits' on root r, which was never announced"),
        ([RUN, ("task", {})], r"journal\.jsonl:2: expected a text under 'name'"),
    ],
)
def test_events_out_of_order_are_refused_and_their_line_is_named(pairs, message):
    with pytest.raises(CorruptionError, match=message):
        replay(events(*pairs))


def test_a_task_that_arrived_again_is_answered_by_its_old_classes_until_its_new_route():
    again = ("task", {"name": "digits", "root": "r", "classes": ["other"]})
    state = replay(events(RUN, ROOT, TASK, FIRST, ROUTE, again))
    assert state.answered == {"digits": TASK[1]}
    state = replay(events(RUN, ROOT, TASK, FIRST, ROUTE, again, FIRST, ROUTE))
    assert state.answered == {"digits": again[1]}


def test_a_pass_that_found_nothing_better_is_over_and_leaves_the_route():
    kept = ("kept", {"task": "digits", "pass": 2})
    state = replay(events(RUN, ROOT, TASK, FIRST, ROUTE, AGAIN, kept))
    assert state.routes == {"digits": ROUTE[1]}
    assert (state.generations, state.passes) == ({}, {"digits": 2})


def test_an_offer_brings_a_route_only_if_it_was_taken_and_tells_what_was_seen_until_then():
    other, end = ("task", {"name": "a", "root": "r"}), ("route", {"task": "a"})
    refused = ("offer", {"task": "digits", "number": 1, "taken": False})
    state = replay(events(RUN, ROOT, TASK, ROUTE, other, end, refused))
    assert state.routes["digits"] == ROUTE[1]
    assert (state.arrived, state.seen) == ({"digits": 3, "a": 5}, {"digits": 6, "a": 5})
    taken = ("offer", {"task": "digits", "number": 2, "taken": True})
    state = replay(events(RUN, ROOT, TASK, ROUTE, other, end, refused, taken))
    assert state.routes["digits"] == taken[1]
    assert (state.arrived["digits"], state.offers, state.passes["digits"]) == (7, {"digits": 2}, 1)


def test_a_stop_by_the_clock_tells_the_pass_and_must_come_after_the_generations_it_names():
    stop = ("clock", {"task": "digits", "number": 1})
    assert replay(events(RUN, ROOT, TASK, FIRST, stop)).stopped == {"digits": 1}
    later = ("clock", {"task": "digits", "number": 1, "pass": 2})
    assert replay(events(RUN, ROOT, TASK, FIRST, ROUTE, AGAIN, later)).stopped == {"digits": 2}
    with pytest.raises(CorruptionError, match=r":4: .*did not have"):
        replay(events(RUN, ROOT, TASK, stop))


def looks(**more):
    return ("looks", {"task": "digits", "looks": [], **more})


def test_a_descriptor_outlives_the_looks_it_came_with_until_the_task_is_looked_at_again():
    told = [RUN, ROOT, TASK, looks(descriptor="abc"), FIRST, ROUTE]
    assert replay(events(*told)).looks == {}
    assert replay(events(*told)).descriptors == {"digits": "abc"}
    assert replay(events(*told, TASK, looks(descriptor="abd"))).descriptors == {"digits": "abd"}
    assert replay(events(*told, TASK, looks())).descriptors == {}


def test_looks_of_a_journal_that_knew_no_descriptors_leave_none():
    assert replay(events(RUN, ROOT, TASK, looks(), FIRST, ROUTE)).descriptors == {}


def test_a_descriptor_that_is_no_text_is_refused_with_its_line():
    with pytest.raises(CorruptionError, match=r"journal\.jsonl:4: expected a text under 'descriptor', met 3"):
        replay(events(RUN, ROOT, TASK, looks(descriptor=3)))


def node(component):
    return {"nodes": [{"component": component}]}


FRONT = [
    {"candidate": "0/0", "route": node("a")},
    {"candidate": "0/1", "route": node("b")},
    {"candidate": "0/2"},
]
KEPT = ("route", {"task": "digits", "route": node("a"), "front": FRONT})
CHOICE = ("choice", {"task": "digits", "route": node("b"), "front": FRONT})


def test_a_choice_changes_the_route_and_its_users_and_neither_the_pass_nor_what_may_be_chosen():
    before = replay(events(RUN, ROOT, TASK, FIRST, KEPT))
    state = replay(events(RUN, ROOT, TASK, FIRST, KEPT, CHOICE))
    assert before.choosable == state.choosable == {"digits": {"a", "b"}}
    assert (before.users, state.users) == ({"a": 1}, {"b": 1})
    assert state.routes == {"digits": CHOICE[1]}
    assert (state.passes, state.answered, state.replaced) == ({"digits": 1}, {"digits": TASK[1]}, 1)


def test_a_new_route_without_a_kept_front_leaves_nothing_to_choose():
    later = ("route", {"task": "digits", "route": node("c"), "pass": 2})
    assert replay(events(RUN, ROOT, TASK, FIRST, KEPT, later)).choosable == {}


@pytest.mark.parametrize("before", [[RUN, ROOT, TASK], [RUN, ROOT, TASK, FIRST, KEPT, AGAIN]])
def test_a_choice_while_a_task_is_searched_is_refused(before):
    with pytest.raises(CorruptionError, match="a choice for task 'digits', whose search is not over"):
        replay(events(*before, CHOICE))
