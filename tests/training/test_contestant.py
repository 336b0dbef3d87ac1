"""Contestants: what each gene of online learning does, and what a contestant is when it is read again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from evo_mtl.archive.store import ComponentStore
from evo_mtl.documents import parse, parse_yaml
from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate, How, Origin
from evo_mtl.genome.genome import Genome, HeadGene, settle
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.space import SearchSpace
from evo_mtl.network.closed_form import standardise
from evo_mtl.network.streaming import MomentsPool
from evo_mtl.streams.task import Rows
from evo_mtl.testing.worlds import ONLINE_SPACE, a_trunk, coloured, shared_routes
from evo_mtl.training.arena import Arena
from evo_mtl.training.contestant import Contestant, Contestants, hold, one_by_one
from evo_mtl.training.standardisation import Standardisation

CLASSES = 3


@dataclass(frozen=True)
class Pictures:
    """A batch of them."""

    images: np.ndarray
    labels: np.ndarray

    def rows(self, rows: Rows) -> np.ndarray:
        return np.stack([rows.row(image) for image in self.images])


def batch(number: int, classes: tuple[int, ...] = (0, 1, 2), size: int = 12) -> Pictures:
    images, labels = coloured(60, CLASSES, 0)
    kept = np.flatnonzero(np.isin(labels, classes))
    order = np.random.default_rng(number).permutation(kept)[:size]
    return Pictures(images[order], labels[order])


@dataclass(frozen=True)
class World:
    store: ComponentStore
    arena: Arena
    tune: Genome
    ridge: Genome

    def fresh(self) -> Arena:
        return replace(self.arena, pool=MomentsPool(CLASSES, 2))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    store, layout, facts = a_trunk(tmp_path_factory.mktemp("trunk"))
    space = parse(SearchSpace, parse_yaml(ONLINE_SPACE.encode(), "space").data, "space")
    ridge, tune = (seed_genome(seed, space, facts) for seed in space.seeds)
    arena = Arena(0, layout, shared_routes(store, layout), store.write, CLASSES, MomentsPool(CLASSES, 2))
    return World(store, arena, tune, ridge)


def candidate(genome: Genome, child: int = 0) -> Candidate:
    return Candidate("a", 0, child, None, Origin(How.SEED, "it"), genome)


def learn(arena: Arena, *members: Contestant, batches: range = range(4)) -> list[list[np.ndarray]]:
    everybody = Contestants(members, arena, one_by_one)
    return [everybody.see(batch(number), number) for number in batches]


def logits(one: Contestant, number: int = 99) -> np.ndarray:
    held = hold([one.route], batch(number), one._arena.shared)[0]
    one.answer(held)
    return one._logits.copy()


def test_both_kinds_of_learning_answer_before_they_learn_and_get_better(world: World) -> None:
    arena = world.fresh()
    members = [Contestant(candidate(world.ridge), arena), Contestant(candidate(world.tune, 1), arena)]
    right = learn(arena, *members, batches=range(12))
    for i in range(2):
        assert right[0][i].mean() < 0.5  # nothing was learned yet
        assert np.mean([one[i].mean() for one in right[-6:]]) > 0.55
    assert np.mean([one[0].mean() for one in right[-3:]]) > 0.8


def test_what_is_written_and_read_again_learns_on_to_the_bit(world: World) -> None:
    for values in ({}, {"average": 0.9, "optimizer": "adamw"}, {"repeats": 2, "momentum": 0.0}):
        arena = world.fresh()
        one = Contestant(candidate(world.tune.with_values(values)), arena)
        learn(arena, one)
        trained, state = one.written(over=False)
        genome = settle(one.candidate.genome, trained)
        again = Contestant(candidate(genome), world.fresh(), world.store.read(state)[0])
        learn(arena, one, batches=range(4, 6))
        learn(again._arena, again, batches=range(4, 6))
        assert one.written(over=False) == again.written(over=False)


def test_more_passes_over_a_batch_are_more_steps(world: World) -> None:
    steps = []
    for repeats in (1, 3):
        arena = world.fresh()
        one = Contestant(candidate(world.tune.with_values({"repeats": repeats, "batch_size": 4})), arena)
        learn(arena, one, batches=range(2))
        steps.append(int(one._way.state()["steps"]))
    assert steps == [6, 18]


def test_only_classes_of_the_batch_compete_where_that_is_asked(world: World) -> None:
    changed = []
    for masked in (False, True):
        arena = world.fresh()
        one = Contestant(candidate(world.tune.with_values({"mask_classes": masked})), arena)
        Contestants([one], arena, one_by_one).see(batch(0, classes=(0, 1)), 0)
        changed.append(bool(one.part.own["head"].linear.weight[2].abs().sum() > 0))  # type: ignore[union-attr, index]
    assert changed == [True, False]


def test_an_averaged_copy_answers_and_follows(world: World) -> None:
    arena = world.fresh()
    one = Contestant(candidate(world.tune.with_values({"average": 0.99})), arena)
    learn(arena, one, batches=range(3))
    answering = one._way.settled(over=False)["head"]
    fast = one.part.own["head"]
    slow_weight, fast_weight = answering.linear.weight, fast.linear.weight  # type: ignore[union-attr]
    assert answering is not fast
    assert not torch.equal(slow_weight, fast_weight)  # type: ignore[arg-type]
    assert 0 < slow_weight.detach().norm() < fast_weight.detach().norm()  # type: ignore[operator, union-attr]


def test_a_newborn_starts_from_the_ridge_solution_of_what_is_summed(world: World) -> None:
    arena = world.fresh()
    solved = Contestant(candidate(world.ridge), arena)
    learn(arena, solved, batches=range(6))
    opened = replace(
        world.ridge,
        boundary=3,
        stages=tuple(replace(gene, open=i >= 3) for i, gene in enumerate(world.ridge.stages)),
        head=HeadGene("linear"),
    )
    newborn = Contestant(candidate(opened.with_values({"head_start": "ridge"}), 1), arena)
    plain = Contestant(candidate(opened.with_values({"head_start": "zero"}), 2), arena)
    assert (logits(newborn).argmax(1) == logits(solved).argmax(1)).mean() > 0.9
    assert not logits(plain).any()
    alone = Contestant(candidate(opened.with_values({"head_start": "ridge"}), 1), world.fresh())
    assert not logits(alone).any()  # nobody sums what it reads


def test_one_that_diverges_fails_alone(world: World) -> None:
    arena = world.fresh()
    wild = Contestant(candidate(world.tune.with_values({"learning_rate": 1e30, "clip_norm": 0.0})), arena)
    calm = Contestant(candidate(world.tune, 1), arena)
    right = learn(arena, wild, calm, batches=range(6))
    assert isinstance(wild.failed, CandidateError)
    assert calm.failed is None
    assert not right[-1][0].any()


def test_standardisation_is_that_of_everything_so_far() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(3, 5, (40, 6)).astype(np.float32))
    rows[:, 2] = 7.0
    mean, scale = torch.zeros(6), torch.ones(6)
    one = Standardisation(mean, scale)
    for part in rows.split([1, 7, 12, 20]):
        one.see(part)
    expected = standardise(rows)
    torch.testing.assert_close(mean, expected[0].float())
    torch.testing.assert_close(scale, expected[1].float())
    other = Standardisation(torch.zeros(6), torch.ones(6), one.tensors())
    assert all(
        torch.equal(a, b) for a, b in zip(one.tensors().values(), other.tensors().values(), strict=True)
    )
