"""One session for first visits, later passes and offers; what differs between them is data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evo_mtl.engines.local import SerialEngine
from evo_mtl.evolution.candidate import OWN_ROUTE
from evo_mtl.evolution.optimism import unpack
from evo_mtl.evolution.turn import seed_candidates
from evo_mtl.files import lock
from evo_mtl.run.events import Arrived, Generation, Looked, Offered, history
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.progress import silent
from evo_mtl.searching.beginning import begin
from evo_mtl.searching.first_looks import look
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.offers import offer
from evo_mtl.searching.session import Brief, Session
from evo_mtl.searching.turns import Place, take_turn
from evo_mtl.streams.task import open_task
from tests.searching.test_offers import OWN
from tests.worlds import config, events, journal, search

NAMES = ("one", "three")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world; its folder is written to by one test after another."""
    return tmp_path_factory.mktemp("world")


@pytest.fixture
def ground(home: Path, tmp_path: Path) -> Iterator[Ground]:
    """A run in which the first task has arrived and nothing else has happened."""
    made, folder = config(home, *NAMES), RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with lock(folder.lock), begin(folder, made) as archive:
        held = Ground(folder, made, archive, silent, None, 2**28, trust_python=False)
        task = open_task(made.stream.tasks[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evo_mtl.searching.turns.look", stop)
            with pytest.raises(KeyboardInterrupt):
                take_turn(held, Place(0, 1), made.stream.tasks[0], task, SerialEngine(held.site))
        assert [type(one) for one in events(folder.path, Arrived)] == [Arrived]
        yield held


def stop(*_: object) -> Any:
    raise KeyboardInterrupt


def session(ground: Ground, shown: tuple[int, ...] | None = None) -> Session:
    source = ground.config.stream.tasks[0]
    brief = Brief(1, (), shown)
    return Session(ground, SerialEngine(ground.site), source, open_task(source), brief)


def record(evaluations: Any) -> Generation:
    return Generation("one", 1, 0, tuple(evaluations))


def test_visits_passes_and_offers_try_and_commit_by_the_same_code(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, through = tmp_path / "run", []
    generation = Session.generation

    def heard(self: Session, *asked: Any, **more: Any) -> Any:
        through.append(generation(self, *asked, **more))
        return through[-1]

    monkeypatch.setattr(Session, "generation", heard)
    made = config(home, *NAMES, overrides=(*OWN, "budget.generations=1"))
    search(run, made)
    offer(run)
    search(run, made.model_copy(update={"passes": 2}))
    committed = [
        one
        for one in history(RunFolder(run).journal)
        if isinstance(one, Generation | Offered) and one.evaluations[0].candidate.origin != OWN_ROUTE
    ]
    assert through == committed
    kinds = {(one.pass_, one.number) if isinstance(one, Generation) else "offer" for one in committed}
    assert kinds == {(1, 0), (1, 1), "offer", (2, 1)}


def test_looks_are_a_step_committed_by_itself_and_not_taken_twice(ground: Ground) -> None:
    run, given = ground.folder.path, session(ground)
    looks = look(given)
    (event,) = events(run, Looked)
    assert (event.task, event.looks) == ("one", looks.all)
    assert looks.of_root
    assert not events(run, Generation)
    before = journal(run)
    del given.trials  # nothing is asked of anybody
    assert look(given) == looks
    assert journal(run) == before


def test_a_session_shows_its_trials_no_more_validation_examples_than_its_brief_says(ground: Ground) -> None:
    for shown, seen in ((None, 15), ((0, 3, 4, 8), 4)):
        given = session(ground, shown)
        assert given.pricing.num_validation == seen
        candidates = seed_candidates(given.world)[:1]
        outcomes = given.trials.generation(candidates, lambda one, seconds: None)
        assert unpack(outcomes[0].notes.right).shape[-1] == seen


def test_what_a_session_wrote_stays_while_its_turn_may_build_on_it(ground: Ground) -> None:
    given, held = session(ground), set(ground.store.digests())
    done = given.generation(0, seed_candidates(given.world), record)
    trained = {component for one in done.evaluations for component in one.trained.values()}
    assert trained
    given.clear([done])
    assert set(ground.store.digests()) == held | trained
