"""Matrices of second moments of fewer examples than they have columns: a thin factor says all, and is cheap to have.

References:
    Harbrecht 2012, On the low-rank approximation by the pivoted Cholesky decomposition; here some pivots at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evo_mtl.errors import CandidateError

_PIVOTS = 128
"""Columns that are looked at together."""

_NOTHING = 1e-11
"""What is less than this share of the largest number on the diagonal is rounding."""


def factor(columns: Callable[[Tensor], Tensor], diagonal: Tensor, rank: int) -> Tensor:
    """``L`` of shape ``(D, R)`` with ``L @ L.T`` the matrix, to within rounding.

    Takes about ``D * R**2`` multiply-adds, and reads no more than the columns it needs.

    Args:
        columns: Some columns of the matrix, ``(D, P)`` float64 for ``(P,)`` places.
        diagonal: Of the matrix, ``(D,)`` float64.
        rank: That the matrix has at most.
    """
    left = diagonal.clone()
    floor = _NOTHING * float(left.max())
    result = torch.empty((len(left), rank), dtype=torch.float64)
    done = 0
    while done < rank and float(left.max()) > floor:
        pivots = torch.sort(left, descending=True, stable=True).indices[: min(_PIVOTS, rank - done)]
        known = result[:, :done]
        block = torch.addmm(columns(pivots), known, known[pivots].T, alpha=-1)
        values, basis = torch.linalg.eigh(block[pivots])
        kept = values > max(floor, _NOTHING * float(values.max()))
        new = block @ (basis[:, kept] / values[kept].sqrt())
        result[:, done : done + new.shape[1]] = new
        done += new.shape[1]
        left = (left - new.square().sum(1)).clamp_min_(0)
        left[pivots] = 0  # what is still there is rounding
    return result[:, :done]


def solve_factored(thin: Tensor, inner: Tensor, diagonal: float, right: Tensor) -> Tensor:
    """``x`` with ``(thin @ thin.T + diagonal * I) x = right``, all float64.

    Args:
        thin: ``(D, R)``.
        inner: ``thin.T @ thin``.
        diagonal: Above 0.
        right: ``(D, K)``.

    Raises:
        CandidateError: There is no solution.
    """
    system = inner.clone()
    system.diagonal().add_(diagonal)
    lower, failed = torch.linalg.cholesky_ex(system)
    if int(failed):
        raise CandidateError("no head can be solved: its sums are not those of finite numbers")
    return torch.addmm(right, thin, torch.cholesky_solve(thin.T @ right, lower), alpha=-1) / diagonal
