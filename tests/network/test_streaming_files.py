"""What is written of sums over a stream, and going on from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from evo_mtl.errors import CandidateError
from evo_mtl.network import streaming
from evo_mtl.network.kinds.kind import Streaming, head_kind, new
from evo_mtl.network.moments import Sums
from evo_mtl.network.streaming import MomentsPool, Solution
from evo_mtl.testing.contracts.kinds import a_genome_with

CLASSES, LEAST, SIZE = 6, 8, 24
WIDTHS = {"a": 6, "b": 4, "c": 5}
SHARES = np.array([0.45, 0.25, 0.15, 0.1, 0.04, 0.01])
"""Of the classes: from one that every batch shows often to one that hardly comes."""


def batches(count: int, seed: int = 0) -> Iterator[tuple[int, dict[str, Tensor], Tensor]]:
    """Number, taps and labels; the numbers have gaps, as where a task's examples are not in every batch."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CLASSES, 15))
    for i in range(count):
        labels = rng.choice(CLASSES, SIZE, p=SHARES)
        x = torch.from_numpy((centres[labels] + rng.normal(size=(SIZE, 15)) + 3).astype(np.float32))
        yield 2 * i, dict(zip(WIDTHS, x.split((6, 4, 5), 1), strict=True)), torch.from_numpy(labels)


def joined(pool: MomentsPool, kind: str, nodes: str) -> Solution:
    widths = [WIDTHS[node] for node in nodes]
    genome = a_genome_with(kind)
    head = new(head_kind(kind).describe(genome, widths, CLASSES, 5), torch.Generator())
    return pool.join(head, genome, list(nodes), widths)


@dataclass
class Learner:
    """A pool with heads that come and go at given batches, and files that are written at others."""

    forget: bool
    pool: MomentsPool = field(default_factory=lambda: MomentsPool(CLASSES, LEAST))
    heads: list[tuple[str, str]] = field(default_factory=list)
    answers: list[Tensor] = field(default_factory=list)
    files: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    heads_at: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    JOINS = {0: [("ridge", "ab"), ("slda", "ba")], 8: [("ridge", "abc"), ("projected_ridge", "c")]}
    LATER = {14: [("nearest_mean", "bc"), ("projected_ridge", "ab")], 15: [("slda", "c")]}
    LEAVES = (18, 22)
    WRITES = (5, 11, 13, 19)

    def show(self, number: int, taps: dict[str, Tensor], labels: Tensor) -> None:
        i = number // 2
        for kind, nodes in {**self.JOINS, **self.LATER}.get(i, []):
            joined(self.pool, kind, nodes)
            self.heads.append((kind, nodes))
        if i in self.LEAVES:
            self.pool.leave(self.pool.solutions[2 if i == 18 else 0])
            del self.heads[2 if i == 18 else 0]
        if self.pool.solutions:
            self.answers += [
                one.head(torch.cat([taps[node] for node in one.nodes], 1)).detach()
                for one in self.pool.solutions
            ]
        self.pool.add(taps, labels, number)
        for one in self.pool.solutions:
            one.refresh()
        if i in self.WRITES:
            written = self.pool.checkpoint(self.forget)
            self.files[i] = {name: tensor.clone() for name, tensor in written.items()}
            self.heads_at[i] = list(self.heads)


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("at", Learner.WRITES)
def test_sums_that_were_written_and_read_go_on_bit_for_bit(
    forget: bool, wide: bool, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wide:
        monkeypatch.setattr(streaming, "NARROW", 5)
        monkeypatch.setattr(streaming, "WIDE", 10)
    unbroken = Learner(forget)
    shown_at = 0
    for batch in batches(26):
        unbroken.show(*batch)
        if batch[0] // 2 == at:
            shown_at = len(unbroken.answers)
    resumed = Learner(forget)
    for kind, nodes in unbroken.heads_at[at]:
        joined(resumed.pool, kind, nodes)
    resumed.heads = list(unbroken.heads_at[at])
    since = resumed.pool.load(unbroken.files[at])
    assert (since > 2 * at) == forget
    for number, taps, labels in batches(at + 1):
        if number >= since:
            resumed.pool.replay(taps, labels, number)
    for one in resumed.pool.solutions:
        assert one.refresh()
    for batch in batches(26):
        if batch[0] > 2 * at:
            resumed.show(*batch)
    rest = unbroken.answers[shown_at:]
    assert len(rest) == len(resumed.answers) > 0
    assert all(torch.equal(one, other) for one, other in zip(rest, resumed.answers, strict=True))
    for i, written in resumed.files.items():
        assert written.keys() == unbroken.files[i].keys()
        assert all(torch.equal(tensor, unbroken.files[i][name]) for name, tensor in written.items()), i
    assert [one.strength for one in resumed.pool.solutions] == [
        one.strength for one in unbroken.pool.solutions
    ]


def atoms(sets: list[Tensor]) -> list[int]:
    """Sizes of the smallest sets of examples that unions and differences of some sets of examples can give."""
    patterns = torch.stack(sets, 1)
    patterns = patterns[patterns.any(1)]
    return torch.unique(patterns, dim=0, return_counts=True)[1].tolist()


@pytest.mark.parametrize("forget", [False, True])
def test_no_sum_or_difference_of_what_all_files_hold_is_one_of_few_examples(forget: bool) -> None:
    """Each example is a unit vector here, so a sum shows whose it is."""
    count = 20 * SIZE
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.choice(CLASSES, count, p=SHARES))
    pool = MomentsPool(CLASSES, LEAST)
    labelled: list[Tensor] = []
    squared: list[Tensor] = []
    rows = torch.eye(count)
    joins = {
        0: "x",
        3: "xy",
        10: "xyz",
        11: "xz",
        17: "xw",
    }  # after a few examples since a file, and after many
    for i in range(20):
        if nodes := joins.get(i):
            genome, widths = a_genome_with("ridge"), [count, 1, 1][: len(nodes)]
            head = new(head_kind("ridge").describe(genome, widths, CLASSES, 5), torch.Generator())
            pool.join(head, genome, list(nodes), widths)
        now = torch.arange(i * SIZE, (i + 1) * SIZE) if i != 9 else torch.arange(i * SIZE, i * SIZE + 3)
        other = torch.zeros(len(now), 1)
        pool.add({"x": rows[now], "y": other, "z": other, "w": other}, labels[now])
        if i in (2, 4, 8, 12, 17, 19):
            written = pool.checkpoint(forget)
            for name in (name.removesuffix("counts") for name in written if name.endswith("counts")):
                assert not written[name + "origin"][:count].any()
                labelled += list(written[name + "sums"][:, :count] != 0)
                squared.append(written[name + "second"].diagonal()[:count] != 0)
                counts = written[name + "counts"]
                assert bool(((counts == 0) | (counts >= LEAST)).all())
                assert torch.equal(counts, written[name + "sums"][:, :count].sum(1))
    assert len({one.tobytes() for one in (tensor.numpy() for tensor in labelled)}) > 8
    assert min(atoms(labelled)) >= LEAST
    assert min(atoms(squared)) >= LEAST
    assert {name for name in written if "/" in name} == {
        f"shared/{i}/{name}"
        for i in range(4)
        for name in ("counts", "sums", "second", "origin", "settled_with", "asleep")
    }


def test_where_labels_are_forgotten_the_head_is_nearly_as_good_for_classes_that_come_often() -> None:
    accuracies = []
    for forget in (False, True):
        pool = MomentsPool(CLASSES, LEAST)
        solution = joined(pool, "ridge", "abc")
        for number, taps, labels in batches(40):
            pool.add(taps, labels, number)
            if number % 8 == 0:
                pool.checkpoint(forget)
        solution.refresh(final=True)
        answers = [
            solution.head(torch.cat(list(taps.values()), 1)).argmax(1)[labels < 3] == labels[labels < 3]
            for _, taps, labels in batches(40)
        ]
        accuracies.append(float(torch.cat(answers).float().mean()))
    assert accuracies[0] > 0.8
    assert accuracies[1] > accuracies[0] - 0.02


@pytest.mark.parametrize("noise", [0.01, 100])
@pytest.mark.parametrize("wide", [False, True])
def test_strengths_move_both_ways_however_often_files_are_written(
    noise: float, wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wide:
        monkeypatch.setattr(streaming, "NARROW", 5)
        monkeypatch.setattr(streaming, "WIDE", 10)
    rng = np.random.default_rng(0)
    centres, pool = rng.normal(size=(CLASSES, 15)), MomentsPool(CLASSES, LEAST)
    solution = joined(pool, "ridge", "abc")
    assert solution.strength == 10.0
    for i in range(40):
        labels = rng.integers(0, CLASSES, SIZE)
        x = centres[labels] + noise * rng.normal(size=(SIZE, 15))
        taps = torch.from_numpy(x.astype(np.float32)).split((6, 4, 5), 1)
        pool.add(dict(zip(WIDTHS, taps, strict=True)), torch.from_numpy(labels))
        solution.refresh()
        if i % 2:
            pool.checkpoint(forget=False)
    assert solution.strength >= 1000.0 if noise > 1 else solution.strength == 1.0


def test_sums_that_grew_by_few_examples_are_not_written() -> None:
    pool = MomentsPool(CLASSES, LEAST)
    joined(pool, "ridge", "a")
    assert pool.writable
    pool.add({"a": torch.randn(3, 6)}, torch.zeros(3, dtype=torch.int64))
    assert not pool.writable
    with pytest.raises(ValueError, match="too few examples since the last file; at least 8"):
        pool.checkpoint()
    pool.add({"a": torch.randn(5, 6)}, torch.zeros(5, dtype=torch.int64))
    assert pool.writable
    pool.checkpoint()


def test_sums_are_read_for_the_heads_that_they_were_written_for() -> None:
    pool = MomentsPool(CLASSES, LEAST)
    joined(pool, "ridge", "a")
    pool.add({"a": torch.randn(30, 6)}, torch.arange(30) % CLASSES)
    written = pool.checkpoint()
    with pytest.raises(ValueError, match="sums of 1 heads; 0 joined"):
        MomentsPool(CLASSES, LEAST).load(written)
    other = MomentsPool(CLASSES, LEAST)
    joined(other, "ridge", "b")
    with pytest.raises(ValueError, match="for a head that reads"):
        other.load(written)


def test_a_head_that_cannot_be_solved_does_not_keep_the_sums_from_being_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsolvable(sums: Sums, strength: float) -> tuple[Tensor, Tensor]:
        raise CandidateError("no head can be solved")

    pool = MomentsPool(CLASSES, LEAST)
    solution, other = joined(pool, "ridge", "a"), joined(pool, "slda", "a")
    pool.add({"a": torch.randn(60, 6)}, torch.arange(60) % CLASSES)
    monkeypatch.setattr(solution, "_streaming", Streaming(unsolvable, (10.0,)))
    monkeypatch.setattr(solution, "strength", 10.0)
    assert bool((pool.checkpoint()["shared/0/counts"] == 10).all())
    assert other.head.linear.weight.any()
    with pytest.raises(CandidateError, match="no head can be solved"):
        solution.refresh()
