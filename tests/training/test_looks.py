"""A look equals ridge heads fitted by hand, is bounded in images, and leaves its pass for what comes after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evo_mtl.evolution.descriptors import descriptor
from evo_mtl.evolution.looks import LookRequest, root_looks
from evo_mtl.genome.space import read_space
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.assembly import assemble
from evo_mtl.network.closed_form import choose_ridge, ridge_multiply_adds, standardise
from evo_mtl.testing.worlds import write_space
from evo_mtl.training import looks as looks_module
from evo_mtl.training.kept import frontier
from evo_mtl.training.looks import describe, do_look
from evo_mtl.training.trial import Bench
from tests.training.worlds import Workshop


def request(folder: Path, facts: TrunkFacts) -> LookRequest:
    return root_looks(read_space(str(write_space(folder))), facts)[0]


def test_a_look_is_what_ridge_heads_on_each_depth_and_on_all_answer(
    workshop: Workshop, tmp_path: Path
) -> None:
    bench, asked = workshop.bench(tmp_path / "cache"), request(tmp_path, workshop.facts)
    said = do_look(asked, 1000, bench)
    train, validation = taps(bench, asked, train=True), taps(bench, asked, train=False)
    task = bench.images.task

    def quality(chosen: list[int]) -> float:
        x = np.concatenate([train[i] for i in chosen], 1).astype(np.float64)
        mean, scale = (one.numpy() for one in standardise(x))
        head = choose_ridge((x - mean) / scale, task.train.labels)
        z = (np.concatenate([validation[i] for i in chosen], 1) - mean) / scale
        answers = (z @ head.weight.numpy().T + head.bias.numpy()).argmax(1)
        return float(np.mean(answers == task.validation.labels))

    assert said.stages == tuple(tap.stage for tap in asked.genome.taps)
    assert said.alone == tuple(quality([i]) for i in range(len(train)))
    assert said.together == quality(list(range(len(train))))


def taps(bench: Bench, asked: LookRequest, train: bool) -> list[np.ndarray]:
    route = assemble(asked.genome, bench.layout)
    key, pixels = bench.images.train(asked.genome, 0) if train else bench.images.validation(asked.genome)
    rows = frontier(route, pixels, key, bench.shared, bench.cache)[np.arange(len(pixels))]
    return [rows[i].numpy() for i in route.nodes[-2].inputs]


def test_a_look_reads_a_bounded_number_of_training_images_and_charges_those(
    workshop: Workshop, tmp_path: Path
) -> None:
    bench, asked = workshop.bench(tmp_path / "cache"), request(tmp_path, workshop.facts)
    whole, part = do_look(asked, 1000, bench), do_look(asked, 20, bench)
    assert whole.images == len(bench.images.task.train) + len(bench.images.task.validation)
    assert part.images == 20 + len(bench.images.task.validation)
    assert part == do_look(asked, 20, workshop.bench(tmp_path / "other"))
    assert 0 < part.multiply_adds < whole.multiply_adds


def test_a_task_is_described_by_what_its_look_at_the_root_pooled_and_kept(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, asked = workshop.bench(tmp_path / "cache"), request(tmp_path, workshop.facts)
    elsewhere = describe(asked.genome, 1000, workshop.bench(tmp_path / "none", cache_bytes=0))
    do_look(asked, 1000, bench)

    def never(*_: object) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr(type(bench.shared), "outputs", never)
    said = describe(asked.genome, 1000, bench)
    assert said == descriptor(taps(bench, asked, train=True)) == elsewhere


def test_a_task_of_few_images_is_not_described(workshop: Workshop, tmp_path: Path) -> None:
    asked = request(tmp_path, workshop.facts)
    assert describe(asked.genome, 19, workshop.bench(tmp_path / "cache")) is None
    assert describe(asked.genome, 20, workshop.bench(tmp_path / "cache")) is not None


def test_a_look_says_the_same_where_nothing_can_be_kept(workshop: Workshop, tmp_path: Path) -> None:
    asked = request(tmp_path, workshop.facts)
    kept = do_look(asked, 1000, workshop.bench(tmp_path / "cache"))
    assert do_look(asked, 1000, workshop.bench(tmp_path / "none", cache_bytes=0)) == kept


def test_planned_work_counts_the_forward_and_every_solution(workshop: Workshop) -> None:
    space_facts = workshop.facts
    genome = workshop.genome(4, 4, head="ridge", image_size=32)
    images, work = looks_module.look_work(genome, 30, 10, workshop.layout)
    forward = sum(looks_module.line_multiply_adds(workshop.layout, 4, (), 32))
    width = workshop.layout.channels[3]
    assert images == 40
    assert space_facts.num_stages >= 4
    assert work == pytest.approx(40 * forward + 2 * ridge_multiply_adds(30, width))
