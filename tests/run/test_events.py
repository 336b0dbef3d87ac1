"""Every record of an event comes back equal from the line that holds it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evo_mtl.evolution.candidate import Cost, Evaluation, OfTask, OfTurn
from evo_mtl.evolution.looks import Look
from evo_mtl.evolution.optimism import Corrected
from evo_mtl.evolution.outcome import Ended, Notes, Pooled, Right, Status
from evo_mtl.evolution.race import Duel, Tally
from evo_mtl.files import canonical_json
from evo_mtl.plain import restore
from evo_mtl.run.events import (
    KINDS,
    Answer,
    Arrived,
    Begun,
    Chosen,
    Data,
    EarlyEnd,
    Found,
    Generation,
    Happened,
    Kept,
    Looked,
    Lost,
    Member,
    Offered,
    Proof,
    Round,
    Standings,
    Stopped,
    Streamed,
    Told,
    written,
)
from evo_mtl.testing.records import evaluations, rooted, way

DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
COUNTS, NUMBERS, SHARES = st.integers(0, 2**40), st.integers(1, 2**40), st.floats(0, 1)
SCORES, WORK = st.floats(-1e6, 1e6), st.floats(0, 1e20)
NAMES, VISITS = st.text(min_size=1, max_size=12), st.integers(1, 9)
SLOTS = st.dictionaries(st.sampled_from(["stage:3", "adapter:5", "head"]), DIGESTS)
TURNS = st.builds(OfTurn, COUNTS, COUNTS)
PARENTS = st.one_of(st.none(), TURNS, st.builds(OfTask, NAMES))
COSTS = st.builds(Cost, COUNTS, WORK, COUNTS, COUNTS, WORK, WORK)
POOLED = st.one_of(st.none(), st.builds(Pooled, COUNTS, COUNTS, SHARES))
RIGHT = st.one_of(st.none(), st.just(Right(9, ("ff80", "0000"))))
TEMPERATURES = st.floats(1e-3, 1e3)
NOTES = st.builds(
    Notes,
    st.one_of(st.none(), TEMPERATURES),
    st.one_of(st.none(), COUNTS),
    st.one_of(st.none(), SCORES),
    st.one_of(st.none(), SCORES),
    RIGHT,
    POOLED,
    st.lists(SLOTS, max_size=2).map(tuple),
    st.lists(COUNTS, max_size=3).map(tuple),
)
STATUSES = st.builds(Status, st.sampled_from(Ended), st.text(max_size=20))
KNOWN = evaluations("here")


@st.composite
def tried(draw: Any) -> Evaluation:
    one = draw(st.sampled_from(KNOWN))
    candidate = dataclasses.replace(
        one.candidate, parent=draw(PARENTS), mate=draw(PARENTS), pass_=draw(VISITS)
    )
    curve = tuple(draw(st.lists(SHARES, max_size=3)))
    score = draw(st.one_of(SCORES, st.just(float("-inf"))))
    return Evaluation(
        candidate,
        draw(STATUSES),
        draw(SHARES),
        score,
        curve,
        draw(SLOTS),
        draw(COSTS),
        draw(st.booleans()),
        draw(NOTES),
    )


@st.composite
def looks(draw: Any) -> Look:
    alone = tuple(draw(st.lists(SHARES, min_size=1, max_size=4)))
    parent = draw(st.one_of(st.none(), st.builds(OfTask, NAMES)))
    stages = tuple(range(len(alone)))
    return Look(
        parent,
        draw(st.integers(1, 1024)),
        stages,
        alone,
        draw(SHARES),
        draw(NUMBERS),
        draw(COUNTS),
        draw(WORK),
    )


TOLD = st.builds(Told, VISITS, TURNS, SHARES, SCORES, COSTS)
WAYS = st.builds(
    lambda t, p: dataclasses.replace(way("a", "h"), temperature=t, pooled=p), TEMPERATURES, POOLED
)
MEMBERS = st.lists(st.builds(Member, TOLD, st.one_of(st.none(), WAYS)), max_size=2).map(tuple)
EARLY = st.one_of(st.none(), st.builds(EarlyEnd, COUNTS, SCORES))
CORRECTED = st.one_of(st.none(), st.builds(Corrected, SHARES, SHARES, SHARES, COUNTS, NAMES))
ORIGINS = st.dictionaries(NAMES, COUNTS, max_size=2)
STREAMED = st.one_of(st.none(), st.builds(Streamed, SHARES, ORIGINS))
ANSWERS = st.builds(Answer, TOLD, WAYS, DIGESTS, CORRECTED, MEMBERS, EARLY, STREAMED)
PROOFS = st.builds(Proof, st.builds(OfTask, NAMES), SHARES, SHARES, COUNTS, COUNTS, COUNTS, SHARES)
LOOKS = st.lists(looks(), max_size=2).map(tuple)
TRIED = st.lists(tried(), max_size=2).map(tuple)
FADED = st.lists(WORK, max_size=3).map(tuple)
STANDINGS = st.builds(
    Standings,
    NAMES,
    COUNTS,
    ORIGINS,
    COUNTS,
    TURNS,
    TRIED,
    st.lists(st.builds(Tally, TURNS, COUNTS, COUNTS, FADED, FADED), max_size=2).map(tuple),
    st.lists(st.builds(Duel, TURNS, TURNS, COUNTS, COUNTS, COUNTS, COUNTS, WORK, SCORES), max_size=2).map(
        tuple
    ),
    st.lists(TURNS, max_size=2).map(tuple),
    st.lists(st.sampled_from(KNOWN).map(lambda one: one.candidate), max_size=2).map(tuple),
    st.dictionaries(NAMES, DIGESTS, max_size=2),
    st.one_of(st.none(), DIGESTS),
    st.booleans(),
)
METRICS = st.sampled_from(["accuracy", "balanced_accuracy"])
EVENTS: dict[type, st.SearchStrategy[Any]] = {
    Begun: st.builds(Begun, DIGESTS, COUNTS),
    type(rooted("a")): st.just(rooted("a", "b")),
    Arrived: st.builds(
        lambda task, digest, metric, sizes, private, classes: Arrived(
            task, Data(digest, digest, metric, len(classes), *sizes, private), classes
        ),
        NAMES,
        DIGESTS,
        METRICS,
        st.tuples(COUNTS, COUNTS),
        st.booleans(),
        st.lists(NAMES, min_size=1, max_size=4).map(tuple),
    ),
    Looked: st.builds(Looked, NAMES, VISITS, LOOKS, st.sampled_from([None, "ab+/", "YWJj"])),
    Generation: st.builds(Generation, NAMES, VISITS, COUNTS, TRIED),
    Found: st.builds(Found, NAMES, VISITS, ANSWERS),
    Kept: st.builds(Kept, NAMES, VISITS, SCORES, EARLY),
    Chosen: st.builds(Chosen, NAMES, ANSWERS),
    Offered: st.builds(
        Offered,
        NAMES,
        NUMBERS,
        SHARES,
        LOOKS,
        TRIED,
        st.one_of(st.none(), PROOFS),
        st.one_of(st.none(), ANSWERS),
    ),
    Stopped: st.builds(Stopped, NAMES, VISITS, COUNTS),
    Round: st.builds(
        Round,
        COUNTS,
        COUNTS,
        st.lists(STANDINGS, max_size=2).map(tuple),
        st.booleans(),
        st.one_of(st.none(), DIGESTS),
    ),
    Lost: st.builds(Lost, COUNTS),
}


def test_every_kind_of_event_is_tried_here() -> None:
    assert set(EVENTS) == set(KINDS.values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(*EVENTS.values()))
def test_what_is_written_is_read_back_equal_and_written_again_the_same(happened: Happened) -> None:
    kind, payload = written(happened)
    line = canonical_json(payload)
    again = restore(KINDS[kind], json.loads(line))
    assert again == happened
    assert canonical_json(written(again)[1]) == line
