"""One sweep over each set of pixels serves a generation: planned from genomes alone, each node run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from evo_mtl.network import forward
from evo_mtl.training.spent import Spent
from evo_mtl.training.sweeps import VALIDATION, do_sweep, planned_sweeps
from evo_mtl.training.trial import try_candidate
from tests.training.worlds import Workshop, candidate


def test_each_set_of_pixels_is_passed_once_for_all_who_read_it(workshop: Workshop) -> None:
    shallow, deep = workshop.genome(3, 2, views=2, flip=True), workshop.genome(5, 4, views=1)
    solved, small = workshop.genome(5, 5, head="ridge", views=2), workshop.genome(3, 2, image_size=24)
    generation = [candidate(genome, i) for i, genome in enumerate((shallow, deep, solved, small))]
    found = {(one.view, one.places) for one in planned_sweeps(generation)}
    assert found == {
        (0, (0, 1, 2)),
        (1, (0,)),  # a solved head reads the images as they are
        (VALIDATION, (0, 1, 2)),
        (0, (3,)),
        (VALIDATION, (3,)),
    }
    assert sum(one.share for one in planned_sweeps(generation)) == pytest.approx(1.0)


def test_views_that_are_drawn_otherwise_are_other_pixels_but_view_0_and_validation_are_not(
    workshop: Workshop,
) -> None:
    one, other = (workshop.genome(3, 2, views=2, brightness=b) for b in (0.1, 0.2))
    sweeps = planned_sweeps([candidate(one, 0), candidate(other, 1)])
    assert sorted((p.view, p.places) for p in sweeps) == [(-1, (0, 1)), (0, (0, 1)), (1, (0,)), (1, (1,))]


def test_after_its_sweeps_a_generation_runs_no_frozen_stage_and_ends_as_without_them(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = [
        candidate(workshop.genome(5, 3, views=2), 0),
        candidate(workshop.genome(4, 2), 1),
        candidate(workshop.genome(5, 5, head="ridge"), 2),
    ]
    without = [try_candidate(one, workshop.bench(tmp_path / "a")) for one in generation]
    bench = workshop.bench(tmp_path / "b")
    for one in planned_sweeps(generation):
        do_sweep([generation[place] for place in one.places], one.view, one.share, bench)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a frozen stage was run")

    monkeypatch.setattr(forward.SharedRoutes, "outputs", never)
    assert [try_candidate(one, bench) for one in generation] == without


def test_a_sweep_starts_from_the_deepest_activations_that_are_kept(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = workshop.bench(tmp_path / "cache")
    do_sweep([candidate(workshop.genome(4, 3))], 0, 0.5, bench)
    run: list[str] = []
    apply = forward.apply

    def counted(node, *arguments):  # type: ignore[no-untyped-def]
        run.append(node.slot)
        return apply(node, *arguments)

    monkeypatch.setattr(forward, "apply", counted)
    do_sweep([candidate(workshop.genome(5, 4))], 0, 0.5, bench)
    assert set(run) == {"stage:3"}


def test_what_does_not_fit_into_a_sweep_is_left_out_and_changes_no_outcome(
    workshop: Workshop, tmp_path: Path
) -> None:
    one = candidate(workshop.genome(4, 2))
    bench = workshop.bench(tmp_path / "cache")
    bench.images.train(one.genome, 0)
    pixels = [*(tmp_path / "cache").rglob("*.npy")]
    do_sweep([one], 0, 0.0, bench)
    assert [*(tmp_path / "cache").rglob("*.npy")] == pixels
    assert try_candidate(one, bench) == try_candidate(one, workshop.bench(tmp_path / "other"))


def test_seconds_inside_a_block_count_for_the_inner_kind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    spent = Spent()  # 0
    with spent.on("open"), spent.on("validation"):  # 1, then 3: two seconds open
        pass  # 6: three of validation; 10: four more open
    assert spent.take() == {"open": 6.0, "validation": 3.0}
    assert spent.take() == {}
