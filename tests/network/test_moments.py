"""Sums that heads are solved from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from evo_mtl.errors import CandidateError
from evo_mtl.network.closed_form import standardise
from evo_mtl.network.moments import Moments, coarse, solve_positive

LABELS = torch.arange(60) % 4


def rows() -> torch.Tensor:
    x = torch.randn(60, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7) + 1000
    x[:, 2] = 0.1
    return x


def summed(x: torch.Tensor) -> Moments:
    moments = Moments(6, 5, least=16)
    for part in torch.arange(60).split(16):
        moments.add(x[part], LABELS[part])
    return moments


def test_means_scales_and_products_are_those_of_the_rows() -> None:
    x = rows()
    sums = summed(x).sums_of()
    mean, scale = standardise(x)
    assert_close(sums.mean, mean, rtol=1e-12, atol=0)
    assert_close(sums.scale, scale, rtol=1e-8, atol=0)
    assert sums.scale[2] == 1
    z = (x - mean) / scale
    assert_close(sums.gram, z.T @ z, rtol=0, atol=1e-6)
    for k in range(4):
        assert_close(sums.means[k], z[k == LABELS].mean(0), rtol=0, atol=1e-8)
    assert not sums.means[4].any()


def test_plain_sums_keep_the_scale_of_the_rows() -> None:
    x = rows()
    sums = replace(summed(x).sums_of(), plain=True)
    centred = x.double() - x.double().mean(0)
    assert_close(sums.gram, centred.T @ centred, rtol=1e-9, atol=1e-6)


def test_some_columns_in_any_order_are_a_part_of_the_whole() -> None:
    columns = torch.tensor([4, 0, 3])
    moments = summed(rows())
    whole, part = moments.sums_of(), moments.sums_of(columns)
    assert_close(part.gram, whole.gram[columns][:, columns])
    assert_close(part.means, whole.means[:, columns])
    moments.narrow(columns)
    assert_close(moments.sums_of().gram, part.gram)


def test_without_some_classes_the_matrix_stands_for_the_examples_of_the_others() -> None:
    sums = summed(rows()).sums_of()
    fewer = sums.of_classes(torch.tensor([True, True, True, False, True]))
    assert fewer.count == 45
    assert not fewer.means[3].any()
    others = [0, 1, 3, 4, 5]
    assert_close(fewer.gram.diagonal()[others], torch.full((5,), 45.0, dtype=torch.float64))
    assert torch.linalg.eigvalsh(fewer.gram).min() > -1e-6


def test_of_few_examples_a_system_is_solved_without_the_whole_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(150, 700, generator=generator).relu()
    right = torch.randn(700, 2, generator=generator, dtype=torch.float64)
    moments = Moments(700, 4, least=16)
    for part in torch.arange(150).split(50):
        moments.add(x[part], part % 4)
    for columns in (None, torch.arange(699, 40, -1)):
        sums = moments.sums_of(columns)
        assert sums.thin
        of = right[: sums.width]
        solved = sums.solve(3.0, of)
        assert "gram" not in vars(sums)
        assert_close(sums.gram.double() @ solved + 3 * solved, of, rtol=0, atol=1e-4)
        assert_close(solved, solve_positive(sums.gram, 3.0, of), rtol=0, atol=1e-4)
        some = sums.of_classes(torch.tensor([True, False, True, True]))
        assert_close(some.solve(3.0, of), solve_positive(some.gram, 3.0, of), rtol=0, atol=1e-4)
    moments.add(x, torch.arange(150) % 4, 1)
    assert not moments.sums_of().thin


def test_a_coarse_mean_is_near_and_says_little() -> None:
    mean, deviation = torch.tensor([0.3, -1000.7, 0.0, 5.0]), torch.tensor([1.0, 3.0, 0.0, 0.0])
    rough = coarse(mean, deviation)
    assert ((rough - mean).abs() <= torch.tensor([1.0, 16.0, 0.0, 0.1])).all()
    assert torch.equal(rough, coarse(mean * 1.001, deviation))


def test_a_system_is_solved_in_double_precision_where_single_is_not_enough() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 40, generator=generator)
    gram, right = x.T @ x, torch.randn(40, 2, generator=generator, dtype=torch.float64)
    for diagonal in (10.0, 3e-5):
        solved = solve_positive(gram, diagonal, right)
        system = gram.double() + diagonal * torch.eye(40, dtype=torch.float64)
        assert_close(system @ solved, right, rtol=0, atol=1e-3)
    with pytest.raises(CandidateError, match="no head can be solved"):
        solve_positive(-gram, 1.0, right)
