"""What events make of a run's state, and which order of events cannot have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from evo_mtl.archive.journal import Journal
from evo_mtl.errors import CorruptionError
from evo_mtl.genome.genome import line_name
from evo_mtl.run.events import Chosen, Found, Happened, Kept, Member, Offered, Stopped, written
from evo_mtl.run.state import ArchiveState, replay
from evo_mtl.testing.records import (
    BEGUN,
    answer,
    arrived,
    found,
    generation,
    looked,
    named,
    rooted,
    told,
    way,
)

ROOT = rooted("a", "b")
TASK, FIRST, SECOND = arrived("digits"), generation("digits", 0), generation("digits", 1)
AGAIN = generation("digits", 0, pass_=2)
ROUTE = found("digits")
OTHER = [arrived("other"), found("other")]


def state(tmp_path: Path, *happened: Happened) -> ArchiveState:
    """Of a journal of these events."""
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        for one in happened:
            kind, payload = written(one)
            journal.append(kind, **payload)
    return replay(path)


def offered(number: int, taken: bool = False) -> Offered:
    return Offered("digits", number, 0.05, (), (), None, answer("b", "new") if taken else None)


def followed(task: str, version: str, stage: int = 0) -> Found:
    """A route whose only stage follows."""
    whole = found(task, version, f"head of {task}")
    nodes = whole.answer.way.route.nodes
    first = replace(nodes[0], follows=True, slot=f"stage:{stage}")
    route = replace(whole.answer.way.route, nodes=(first, *nodes[1:]))
    return replace(whole, answer=replace(whole.answer, way=replace(whole.answer.way, route=route)))


def test_each_route_that_follows_gives_its_line_a_version(tmp_path: Path) -> None:
    tasks = [arrived(name) for name in ("one", "two", "three", "four")]
    routes = [followed("one", "v1"), followed("two", "v2"), found("three"), followed("four", "v2")]
    now = state(tmp_path, BEGUN, ROOT, *(event for pair in zip(tasks, routes, strict=True) for event in pair))
    assert now.lines == {line_name(ROOT.root, 0): (named("v1"), named("v2"))}
    assert now.newest(ROOT.root) == {0: named("v2")}
    assert [now.versions_behind(name) for name in ("one", "two", "three", "four")] == [1, 0, 0, 0]
    assert state(tmp_path, BEGUN, ROOT, tasks[2], routes[2]).lines == {}


def test_a_stage_that_the_root_has_not_is_not_followed(tmp_path: Path) -> None:
    with pytest.raises(CorruptionError, match="follows"):
        state(tmp_path, BEGUN, ROOT, TASK, followed("digits", "v", stage=2))


def test_no_events_give_an_empty_state(tmp_path: Path) -> None:
    assert state(tmp_path) == ArchiveState()


def test_generations_of_an_unfinished_task_are_kept_in_order(tmp_path: Path) -> None:
    now = state(tmp_path, BEGUN, ROOT, TASK, FIRST, SECOND)
    assert (now.run, now.roots, now.root_components) == (BEGUN, {ROOT.root: ROOT}, {named("a"), named("b")})
    assert now.tasks["digits"].brief == TASK.data
    assert now.turn("digits") == (FIRST, SECOND)
    assert now.turn("nobody") == ()
    assert now.routes == {}


def test_a_route_ends_the_turn_of_its_task(tmp_path: Path) -> None:
    now = state(tmp_path, BEGUN, ROOT, TASK, FIRST, ROUTE)
    assert now.generations == {}
    assert now.answer("digits") == ROUTE.answer
    assert now.routes["digits"].brief == ROUTE.answer.told
    assert now.classes("digits") == TASK.classes


def test_a_later_route_replaces_the_earlier_one_of_its_task(tmp_path: Path) -> None:
    better = found("digits", "b", "h", 0.75, pass_=2)
    now = state(tmp_path, BEGUN, ROOT, TASK, ROUTE, AGAIN, better)
    assert now.answer("digits") == better.answer
    assert (now.passes, now.replaced) == ({"digits": 2}, 1)
    assert now.users == {named("b"): 1, named("h"): 1}


def test_a_task_that_arrives_again_starts_its_generations_over_and_keeps_its_route(tmp_path: Path) -> None:
    again = arrived("digits", "other data", ("x", "y", "z"))
    now = state(tmp_path, BEGUN, ROOT, TASK, FIRST, ROUTE, AGAIN, again)
    assert (now.passes, now.generations) == ({}, {})
    assert now.tasks["digits"].brief == again.data
    assert now.answer("digits") == ROUTE.answer
    assert now.classes("digits") == TASK.classes
    later = state(tmp_path, BEGUN, ROOT, TASK, FIRST, ROUTE, again, FIRST, ROUTE)
    assert later.classes("digits") == again.classes


def test_tasks_and_routes_keep_their_order(tmp_path: Path) -> None:
    now = state(tmp_path, BEGUN, ROOT, TASK, ROUTE, *OTHER)
    assert list(now.tasks) == list(now.routes) == ["digits", "other"]


@pytest.mark.parametrize(
    ("happened", "message"),
    [
        ([TASK], r"journal\.jsonl:1: .*'run' comes first"),
        ([BEGUN, BEGUN], r"journal\.jsonl:2: .*once"),
        ([BEGUN, ROOT, ROOT], r"journal\.jsonl:3: root .* a second time"),
        ([BEGUN, ROOT, TASK, SECOND], r"journal\.jsonl:4: generation 1 of task 'digits'; 0 is next"),
        ([BEGUN, ROOT, TASK, FIRST, FIRST], r"journal\.jsonl:5: generation 0 of task 'digits'; 1 is next"),
        ([BEGUN, FIRST], r"journal\.jsonl:2: task 'digits' was never announced"),
        ([BEGUN, ROUTE], r"journal\.jsonl:2: task 'digits' was never announced"),
        ([BEGUN, TASK], r"journal\.jsonl:2: task 'digits' on root .*, which was never announced"),
        ([BEGUN, ROOT, TASK, FIRST, ROUTE, FIRST], r"journal\.jsonl:6: pass 1 of task 'digits'; 2 is next"),
        ([BEGUN, ROOT, TASK, AGAIN], r"journal\.jsonl:4: pass 2 of task 'digits'; 1 is next"),
        ([BEGUN, ROOT, TASK, offered(1)], r":4: an offer to task 'digits', which has no"),
        ([BEGUN, ROOT, TASK, ROUTE, offered(2)], r":5: offer 2 to .*; 1 is next"),
        ([BEGUN, ROOT, TASK, FIRST, Kept("digits", 1, 0.5, None)], r":5: task 'digits' has no route to keep"),
        ([BEGUN, ROOT, TASK, Stopped("digits", 1, 1)], r":4: .*did not have"),
        ([BEGUN, ROOT, TASK, FIRST, looked("digits")], r":5: looks at task 'digits', whose search has begun"),
    ],
)
def test_events_out_of_order_are_refused_and_their_line_is_named(
    happened: Sequence[Happened], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CorruptionError, match=message):
        state(tmp_path, *happened)


def test_an_unknown_kind_of_event_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append("tsk")
    with pytest.raises(CorruptionError, match=r"journal\.jsonl:1: unknown kind of event 'tsk'; known: run, "):
        replay(tmp_path / "journal.jsonl")


def test_a_pass_that_found_nothing_better_is_over_and_leaves_the_route(tmp_path: Path) -> None:
    now = state(tmp_path, BEGUN, ROOT, TASK, FIRST, ROUTE, AGAIN, Kept("digits", 2, 0.5, None))
    assert now.answer("digits") == ROUTE.answer
    assert (now.generations, now.passes) == ({}, {"digits": 2})


def test_an_offer_brings_a_route_only_if_it_was_taken_and_tells_what_was_seen_until_then(
    tmp_path: Path,
) -> None:
    told_before = [BEGUN, ROOT, TASK, ROUTE, *OTHER, offered(1)]
    now = state(tmp_path, *told_before)
    assert now.answer("digits") == ROUTE.answer
    assert (now.arrived, now.seen) == ({"digits": 3, "other": 5}, {"digits": 6, "other": 5})
    now = state(tmp_path, *told_before, offered(2, taken=True))
    assert now.answer("digits") == offered(2, taken=True).answer
    assert (now.arrived["digits"], now.offers, now.passes["digits"]) == (7, {"digits": 2}, 1)


def test_a_stop_by_the_clock_tells_the_pass(tmp_path: Path) -> None:
    assert state(tmp_path, BEGUN, ROOT, TASK, FIRST, Stopped("digits", 1, 1)).stopped == {"digits": 1}
    later = [BEGUN, ROOT, TASK, FIRST, ROUTE, AGAIN, Stopped("digits", 2, 1)]
    assert state(tmp_path, *later).stopped == {"digits": 2}


def test_a_descriptor_outlives_the_looks_it_came_with_until_the_task_is_looked_at_again(
    tmp_path: Path,
) -> None:
    before = [BEGUN, ROOT, TASK, looked("digits", "abc"), FIRST, ROUTE]
    assert state(tmp_path, *before[:-2]).looked("digits") == before[3]
    now = state(tmp_path, *before)
    assert (now.looks, now.descriptors) == ({}, {"digits": "abc"})
    assert state(tmp_path, *before, TASK, looked("digits", "abd")).descriptors == {"digits": "abd"}
    assert state(tmp_path, *before, TASK, looked("digits")).descriptors == {}


FRONT = (
    Member(told(0), way("a", "h")),
    Member(told(1), way("b", "h")),
    Member(told(2), None),
)
KEPT = found("digits", "a", "h", front=FRONT)
CHOICE = Chosen("digits", answer("b", "h", front=FRONT))


def test_a_choice_changes_the_route_and_its_users_and_neither_the_pass_nor_what_may_be_chosen(
    tmp_path: Path,
) -> None:
    before = state(tmp_path, BEGUN, ROOT, TASK, FIRST, KEPT)
    now = state(tmp_path, BEGUN, ROOT, TASK, FIRST, KEPT, CHOICE)
    a, b, h = map(named, "abh")
    assert before.choosable == now.choosable == {"digits": {a, b, h}}
    assert (before.users, now.users) == ({a: 1, h: 1}, {b: 1, h: 1})
    assert now.answer("digits") == CHOICE.answer
    assert (now.passes, now.replaced) == ({"digits": 1}, 1)
    assert now.classes("digits") == TASK.classes


def test_a_new_route_without_a_kept_front_leaves_nothing_to_choose(tmp_path: Path) -> None:
    later = found("digits", "b", "h", pass_=2)
    assert state(tmp_path, BEGUN, ROOT, TASK, FIRST, KEPT, later).choosable == {}


@pytest.mark.parametrize("before", [[BEGUN, ROOT, TASK], [BEGUN, ROOT, TASK, FIRST, KEPT, AGAIN]])
def test_a_choice_while_a_task_is_searched_is_refused(before: Sequence[Happened], tmp_path: Path) -> None:
    with pytest.raises(CorruptionError, match="a choice for task 'digits', whose search is not over"):
        state(tmp_path, *before, CHOICE)
