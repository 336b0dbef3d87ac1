"""Boundaries found in streams of rows: at once where sets are apart, none where nothing changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from evo_mtl.training.boundaries import BoundaryDetector

WIDTHS = (24, 40)
LEAST = 16


class Source:
    """Rows of classes with means apart, heavy-tailed and correlated as features of images are."""

    def __init__(self, num_classes: int, seed: int, shift: float = 0.0) -> None:
        self.rng = np.random.default_rng(seed)
        fixed = np.random.default_rng(7)
        self.mixing = fixed.normal(size=(64, 64)) / 8
        self.means = 2 * fixed.normal(size=(100, 64))[:num_classes] + shift
        self.num_classes = num_classes

    def batch(self, size: int = 32, label: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        labels = self.rng.integers(0, self.num_classes, size) if label is None else np.full(size, label)
        rows = self.rng.standard_t(5, size=(size, 64)) @ self.mixing + self.means[labels]
        return rows.astype(np.float32), labels

    def batches(self, count: int, size: int = 32) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self.batch(size) for _ in range(count))


def boundaries(detector: BoundaryDetector, batches: Iterator[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    return [i for i, batch in enumerate(batches) if detector.see(*batch)]


@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_plain_boundary_is_found_at_its_first_batch(size: int) -> None:
    detector = BoundaryDetector(WIDTHS)
    assert boundaries(detector, Source(10, 0).batches(20, size)) == []
    assert boundaries(detector, Source(10, 1, shift=2.0).batches(20, size)) == [0]
    assert boundaries(detector, Source(10, 2).batches(20, size)) == [0]


def test_a_boundary_too_faint_for_one_batch_is_found_in_a_few() -> None:
    detector = BoundaryDetector(WIDTHS)
    assert boundaries(detector, Source(10, 0).batches(40)) == []
    (found,) = boundaries(detector, Source(10, 1, shift=0.2).batches(40))
    assert 0 < found <= 4


@pytest.mark.parametrize("num_classes", [3, 10, 60])
def test_a_long_stream_of_one_task_has_no_boundary(num_classes: int) -> None:
    assert boundaries(BoundaryDetector(WIDTHS), Source(num_classes, 0).batches(1500)) == []


def test_false_alarms_come_as_often_as_the_level_says() -> None:
    found = boundaries(BoundaryDetector(WIDTHS, level=0.02), Source(10, 0).batches(1500))
    assert 5 <= len(found) <= 60  # 30 are expected; two splits share many of theirs


def test_a_new_class_is_no_boundary_but_a_label_that_means_something_else_is() -> None:
    detector = BoundaryDetector(WIDTHS)
    source = Source(8, 0)
    by_class = [source.batch(label=label) for label in range(8) for _ in range(6)]
    assert boundaries(detector, iter(by_class)) == []
    other = Source(8, 1, shift=2.0)
    assert boundaries(detector, iter([other.batch(label=label) for label in range(8) for _ in range(6)])) == [
        0
    ]


@pytest.mark.parametrize(("before", "after"), [(3, 80), (80, 3)])
def test_boundaries_between_few_and_many_classes_are_found(before: int, after: int) -> None:
    detector = BoundaryDetector(WIDTHS)
    assert boundaries(detector, Source(before, 0).batches(20)) == []
    assert boundaries(detector, Source(after, 1, shift=2.0).batches(20)) == [0]


def test_the_numbers_of_labels_alone_make_no_boundary() -> None:
    source, detector = Source(1, 0), BoundaryDetector(WIDTHS)
    batches = [(source.batch()[0], np.full(32, label)) for label in (0, 5, 2, 9, 0, 5)]
    assert boundaries(detector, iter(batches)) == []


def test_classes_of_a_sorted_stream_are_told_from_a_boundary_after_going_on_from_tensors() -> None:
    first, second, source = BoundaryDetector(WIDTHS), BoundaryDetector(WIDTHS), Source(4, 0)
    assert boundaries(first, iter([source.batch(label=label) for label in (2, 0, 3)])) == []
    second.load(first.tensors())
    again = [source.batch(label=label) for label in (0, 1, 2)]
    assert boundaries(first, iter(again)) == boundaries(second, iter(again)) == []
    swapped = [(source.batch(label=3)[0], np.zeros(32, np.int64))]
    assert boundaries(first, iter(swapped)) == boundaries(second, iter(swapped)) == [0]


@pytest.mark.parametrize("num_classes", [3, 10, 60])
def test_a_detector_goes_on_from_its_tensors_bit_for_bit(num_classes: int) -> None:
    first, second = BoundaryDetector(WIDTHS), BoundaryDetector(WIDTHS)
    boundaries(first, Source(num_classes, 0).batches(7))
    second.load(first.tensors())
    later = list(Source(num_classes, 1, shift=2.0).batches(9))
    assert boundaries(first, iter(later)) == boundaries(second, iter(later)) == [0]
    kept, taken = first.tensors(), second.tensors()
    assert kept.keys() == taken.keys()
    assert all(torch.equal(kept[name], taken[name]) for name in kept)


def test_an_empty_detector_can_be_written_too() -> None:
    first, second = BoundaryDetector(WIDTHS), BoundaryDetector(WIDTHS)
    second.load(first.tensors())
    assert not second.see(*Source(3, 0).batch())


def test_sums_over_few_examples_are_not_kept() -> None:
    """In a stream sorted by class the few of a class at a batch's end leave no trace of their own."""
    held = []
    for value in (0.0, 900.0):
        detector, source = BoundaryDetector(WIDTHS, least=LEAST), Source(3, 0)
        for label in range(3):
            rows, labels = source.batch(label=label)
            labels[-7:], rows[-7:] = label + 1, value
            detector.see(rows, labels)
        held.append(detector.tensors())
        assert held[-1]["labels"].tolist() == [0, 1, 2]
        for name in ("all_counts", "recent_counts", "by_label_counts"):
            assert held[-1][name].min() >= LEAST
    for name in ("by_label_counts", "by_label_totals", "by_label_scatter"):
        assert torch.equal(held[0][name], held[1][name])


def test_nothing_is_learnt_of_batches_that_are_too_small() -> None:
    detector = BoundaryDetector(WIDTHS, least=LEAST)
    for batch in Source(2, 0).batches(5, size=LEAST - 1):
        assert not detector.see(*batch)
    tensors = detector.tensors()
    assert not any(tensor.any() for name, tensor in tensors.items() if name != "shuffled")


def test_what_is_kept_does_not_grow() -> None:
    sizes = set()
    detector, source = BoundaryDetector(WIDTHS), Source(10, 0)
    for count in (20, 200):
        boundaries(detector, source.batches(count))
        sizes.add(sum(tensor.nbytes for tensor in detector.tensors().values()))
    assert len(sizes) == 1
    assert max(sizes) < 32_000


def test_features_are_left_as_they_are_and_need_no_scale() -> None:
    detector = BoundaryDetector(WIDTHS)
    rows, labels = Source(10, 0).batch()
    before = rows.copy()
    detector.see(rows, labels)
    np.testing.assert_array_equal(rows, before)
    scale = np.repeat([1e-6, 1e6], WIDTHS)
    scaled = BoundaryDetector(WIDTHS)
    assert boundaries(scaled, ((x * scale, y) for x, y in Source(10, 0).batches(20))) == []
    assert boundaries(scaled, ((x * scale, y) for x, y in Source(10, 1, shift=2.0).batches(20))) == [0]


def test_features_that_never_change_are_no_boundary() -> None:
    detector = BoundaryDetector((5,))
    still = np.ones((32, 5), np.float32), np.zeros(32, np.int64)
    assert boundaries(detector, iter([still] * 6)) == []


def test_arguments_and_features_are_checked() -> None:
    for arguments in (
        {"widths": ()},
        {"widths": (0,)},
        {"widths": (3,), "level": 1.0},
        {"widths": (3,), "least": 1},
    ):
        with pytest.raises(ValueError, match="no detector"):
            BoundaryDetector(**arguments)
    detector = BoundaryDetector((3,))
    with pytest.raises(ValueError, match=r"expected \(B, 3\)"):
        detector.see(np.zeros((4, 2)), np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="not finite"):
        detector.see(np.full((4, 3), np.nan), np.zeros(4, np.int64))
