"""Thin factors of wide matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from evo_mtl.errors import CandidateError
from evo_mtl.network.low_rank import factor, solve_factored


def second_moments(rows: int, width: int, rank: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    inner = torch.randn(rows, rank, generator=generator, dtype=torch.float64)
    x = inner @ torch.randn(rank, width, generator=generator, dtype=torch.float64)
    x[:, 3] = 0
    x[:, 5] = x[:, 4]
    return x.T @ x


def factored(matrix: Tensor, rank: int) -> tuple[Tensor, list[Tensor]]:
    read: list[Tensor] = []

    def columns(places: Tensor) -> Tensor:
        read.append(places)
        return matrix[:, places]

    return factor(columns, matrix.diagonal(), rank), read


@pytest.mark.parametrize("rank", [1, 20, 150, 300])
def test_a_factor_says_all_of_the_matrix(rank: int) -> None:
    scale = torch.ones(600, dtype=torch.float64)
    scale[7] = 1e3
    matrix = second_moments(300, 600, rank) * scale * scale[:, None]
    thin, read = factored(matrix, 300)
    assert thin.shape[1] <= 300
    assert_close(thin @ thin.T, matrix, rtol=0, atol=1e-9 * float(matrix.max()))
    assert len(torch.cat(read).unique()) == sum(map(len, read)) < 600


def test_a_factor_of_nothing_is_empty() -> None:
    assert factored(torch.zeros((8, 8), dtype=torch.float64), 4)[0].shape == (8, 0)


@pytest.mark.parametrize("diagonal", [1.0, 1e2, 1e4])
def test_a_factored_system_is_solved(diagonal: float) -> None:
    matrix = second_moments(100, 600, 100)
    thin, _ = factored(matrix, 101)
    right = matrix[:, :3] / matrix.max()
    solved = solve_factored(thin, thin.T @ thin, diagonal, right)
    assert_close(matrix @ solved + diagonal * solved, right, rtol=0, atol=1e-6 * float(right.abs().max()))


def test_a_system_that_is_not_one_of_numbers_has_no_solution() -> None:
    thin = torch.full((4, 1), torch.nan, dtype=torch.float64)
    with pytest.raises(CandidateError, match="no head can be solved"):
        solve_factored(thin, thin.T @ thin, 1.0, torch.ones((4, 1), dtype=torch.float64))
