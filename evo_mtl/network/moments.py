"""Sums over examples that closed-form heads are solved from, kept while the examples go by.

How many examples each class has, the sum of their numbers, and one matrix of second moments for all classes
together are all that ridge, nearest mean and discriminant analysis need. The sums are in float64, so that the order of
the examples changes them by rounding only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from evo_mtl.errors import CandidateError
from evo_mtl.network.low_rank import factor, solve_factored

NARROW = 512
"""Up to this many numbers an example all is done in float64; beyond, systems are solved in float32 where that is enough."""

_ROWS = 512
"""Rows of the matrix of second moments that are worked on at once."""

_THIN = 4
"""A matrix of so many times as many columns as examples is factored to the examples' number rather than solved whole."""

_WRITTEN = ("counts", "sums", "second", "origin", "settled_with", "asleep")

_SINGLE = 1e-7
"""A system is solved in float32 if what is added to its diagonal is at least this share of its trace; there, with 2,048
numbers, scores were off by a thousandth of their deviation, and half as much at three times the share."""


def coarse(mean: Tensor, deviation: Tensor) -> Tensor:
    """The mean to within half a deviation or so, on a grid of powers of two.

    Where sums are taken about it they lose no digits, and so rough a number tells nothing about any one example.
    """
    step = torch.maximum(deviation, mean.abs() / 64).clamp_min(2.0**-40)
    step = torch.exp2(torch.ceil(torch.log2(step)))
    return (mean / step).round() * step


@dataclass(frozen=True, eq=False)
class Sums:
    """What heads are solved from: sums of some columns at one time.

    Means and scales are those of :func:`~evo_mtl.network.closed_form.standardise` for the same examples. The matrix may count more
    examples than the classes do (those whose labels were forgotten); it then stands for as many as they do.

    Attributes:
        counts: Examples of each class, ``(K,)``, float64.
        sums: Their numbers less the origin, ``(K, D)``, float64.
        origin: ``(D,)``, float64.
        second: Second moments about the origin, ``(W, W)``, float64; only read.
        total: Examples that it counts.
        columns: Which ``D`` of its ``W`` columns; all if left out.
        plain: Columns keep the scale they have.
    """

    counts: Tensor
    sums: Tensor
    origin: Tensor
    second: Tensor
    total: int
    columns: Tensor | None = None
    plain: bool = False

    @property
    def width(self) -> int:
        """``D``."""
        return self.sums.shape[1]

    @cached_property
    def count(self) -> float:
        """Examples of all classes."""
        return float(self.counts.sum())

    @cached_property
    def _middle(self) -> Tensor:
        return self.sums.sum(0) / max(self.count, 1.0)

    @property
    def mean(self) -> Tensor:
        """Of each column over all examples, ``(D,)``."""
        return self.origin + self._middle

    @cached_property
    def scale(self) -> Tensor:
        """Deviation of each column over all examples, ``(D,)``; 1 where it is constant, or where scales are kept."""
        if self.plain:
            return torch.ones_like(self.origin)
        diagonal = self.second.diagonal()
        diagonal = diagonal if self.columns is None else diagonal[self.columns]
        spread = (diagonal - self.count * self._middle.square()).clamp_min(0) / max(self.total, 1)
        scale = spread.sqrt()
        # Below this, it is rounding: of the numbers themselves or of the two terms.
        floor = torch.maximum(1e-12 * self.mean.abs().clamp_min(1), 1e-6 * self._middle.abs())
        return torch.where(scale <= floor, torch.ones_like(scale), scale)

    @cached_property
    def means(self) -> Tensor:
        """Mean of each class in columns less their mean and over their scale, ``(K, D)``; zero where it has no example."""
        middles = self.sums / self.counts.clamp_min(1)[:, None] - self._middle
        return torch.where(self.counts[:, None] > 0, middles / self.scale, torch.zeros_like(middles))

    @property
    def share(self) -> float:
        """Of the examples that the matrix counts, how many have a label."""
        return self.count / max(self.total, 1)

    @cached_property
    def dtype(self) -> torch.dtype:
        """What wide matrices are held in."""
        return torch.float64 if self.width <= NARROW else torch.float32

    @cached_property
    def gram(self) -> Tensor:
        """Second moments of the columns less their mean and over their scale, summed over the examples, ``(D, D)``."""
        gram = torch.empty((self.width, self.width), dtype=self.dtype)
        for rows in torch.arange(self.width).split(_ROWS):
            gram[rows] = self._rows(rows).to(self.dtype)
        return gram

    @property
    def thin(self) -> bool:
        """Whether there are so few examples for the columns that a system is solved by a thin factor of the matrix."""
        return self.width > NARROW and self.total * _THIN <= self.width

    def solve(self, diagonal: float, right: Tensor) -> Tensor:
        """``x`` with ``(gram + diagonal * I) x = right``; of several diagonals, the second is cheap where this is :attr:`thin`.

        Args:
            diagonal: Above 0.
            right: ``(D, K)``, float64.

        Raises:
            CandidateError: There is no solution.
        """
        if self.thin:
            return solve_factored(*self._factor, diagonal, right)
        return solve_positive(self.gram, diagonal, right)

    @cached_property
    def _factor(self) -> tuple[Tensor, Tensor]:
        """A thin factor of the matrix, and its product with itself, ``(R, R)``."""
        diagonal = self.second.diagonal()
        diagonal = diagonal if self.columns is None else diagonal[self.columns]
        scaled = (diagonal - self.count * self._middle.square()) * self.share / self.scale.square()
        thin = factor(lambda places: self._rows(places).T, scaled.clamp_min(0), self.total + 1)
        return thin, thin.T @ thin

    def _rows(self, places: Tensor) -> Tensor:
        """Some rows of :attr:`gram`, float64."""
        if self.columns is None:
            part = self.second[places]
        else:
            part = self.second[self.columns[places]][:, self.columns]
        part.addr_(self._middle[places], self._middle, alpha=-self.count)
        return part.div_(self.scale).mul_((self.share / self.scale[places])[:, None])

    def of_classes(self, kept: Tensor) -> Sums:
        """The sums without the other classes, from a mask ``(K,)``."""
        zero = torch.zeros((), dtype=torch.float64)
        return replace(
            self,
            counts=torch.where(kept, self.counts, zero),
            sums=torch.where(kept[:, None], self.sums, zero),
        )


def solve_positive(matrix: Tensor, diagonal: float, right: Tensor) -> Tensor:
    """``x`` with ``(matrix + diagonal * I) x = right``, in float32 where that is exact enough.

    Args:
        matrix: ``(D, D)``, symmetric and at least about positive; left as it is.
        diagonal: Above 0.
        right: ``(D, K)``, float64.

    Raises:
        CandidateError: There is no solution.
    """
    trace = float(matrix.diagonal().sum(dtype=torch.float64))
    wide = matrix.dtype == torch.float32 and diagonal >= _SINGLE * trace
    for dtype in (torch.float32, torch.float64) if wide else (torch.float64,):
        system = matrix.to(dtype, copy=True)
        system.diagonal().add_(diagonal)
        factor, failed = torch.linalg.cholesky_ex(system)
        if not int(failed):
            return torch.cholesky_solve(right.to(dtype), factor).double()
    raise CandidateError("no head can be solved: its sums are not those of finite numbers")


class Moments:
    """Sums over examples as they come, of which only aggregates are written.

    Labelled sums are kept in blocks. A class's examples since its last block are *fresh*; when a file is written and
    there are ``least`` of them, they are *settled* as a block and part of what is written (:meth:`settle`). A class
    may be *asleep* until its next block: its examples are not labelled then. Examples without a label
    are in the matrix of second moments only, which then counts more examples than the classes do and stands for as
    many as they have.

    Args:
        width: ``D``, numbers of an example.
        num_classes: ``K``.
        least: Fewer examples than this are no aggregate; at least 1.
    """

    def __init__(self, width: int, num_classes: int, least: int) -> None:
        self.counts = torch.zeros(num_classes, dtype=torch.float64)
        self.sums = torch.zeros((num_classes, width), dtype=torch.float64)
        self.second = torch.zeros((width, width), dtype=torch.float64)
        self.origin = torch.zeros(width, dtype=torch.float64)
        self.settled_with = torch.full(
            (num_classes,), -1
        )  # number of the last batch that a class's blocks hold
        self.asleep = torch.zeros(num_classes, dtype=torch.bool)
        self.fresh_counts, self.fresh_sums = torch.zeros_like(self.counts), torch.zeros_like(self.sums)
        self.total = 0  # examples in the matrix
        self.unwritten = 0  # those of them that no file has
        self.begun = False
        self._fresh_since = torch.zeros(num_classes, dtype=torch.int64)
        self._least = least

    def begin(self, number: int, asleep: Tensor) -> None:
        """Says with which batch it begins, and which classes are asleep."""
        self.begun = True
        self.settled_with.fill_(number - 1)
        self.asleep = asleep

    @torch.no_grad()
    def add(self, features: Tensor, labels: Tensor, number: int = 0) -> None:
        """Adds a batch.

        Args:
            features: ``(B, D)``.
            labels: ``(B,)``, in ``0 .. K-1``.
            number: Of the batch; batches come in rising order.

        Raises:
            CandidateError: A feature is not finite; nothing was added.
        """
        x = features.double()
        if not bool(torch.isfinite(x).all()):
            raise CandidateError("a feature is not finite; no head can be solved on it")
        if self.total == 0 and len(x) >= self._least:
            self.origin = coarse(x.mean(0), x.std(0, correction=0))
        x = x - self.origin
        self._label(x, labels, number)
        self.second.addmm_(x.T, x)
        self.total += len(x)
        self.unwritten += len(x)

    @torch.no_grad()
    def replay(self, features: Tensor, labels: Tensor, number: int) -> None:
        """Shows a batch again that was added before a file was written: what was fresh then is fresh again."""
        self._label(features.double() - self.origin, labels, number)

    def _label(self, x: Tensor, labels: Tensor, number: int) -> None:
        wanted = (~self.asleep & (self.settled_with < number)).double()
        members = torch.nn.functional.one_hot(labels, len(wanted)).double() * wanted
        counts = members.sum(0)
        self._fresh_since[(self.fresh_counts == 0) & (counts > 0)] = number
        self.fresh_counts += counts
        self.fresh_sums.addmm_(members.T, x)

    @property
    def fresh_since(self) -> int | None:
        """Number of the first batch with a fresh example, if there is one."""
        fresh = self.fresh_counts > 0
        return int(self._fresh_since[fresh].min()) if bool(fresh.any()) else None

    @torch.no_grad()
    def settle(self, ready: Tensor, forget: bool, number: int) -> None:
        """Ends a block of some classes, whose fresh examples are settled.

        Args:
            ready: Mask ``(K,)``.
            forget: Those of the other classes lose their labels; otherwise they stay fresh.
            number: Of the last batch.
        """
        self.counts += torch.where(ready, self.fresh_counts, 0)
        self.sums += torch.where(ready[:, None], self.fresh_sums, 0)
        done = ready | forget
        self.settled_with[done] = number
        self.fresh_counts[done] = 0
        self.fresh_sums[done] = 0
        self.asleep[done] = False
        self.unwritten = 0

    def tensors(self) -> dict[str, Tensor]:
        """What is written, as it was settled last; the tensors themselves."""
        return {name: getattr(self, name) for name in _WRITTEN}

    def load(self, tensors: Mapping[str, Tensor], total: int) -> None:
        """Takes over what was written; nothing is fresh."""
        for name in _WRITTEN:
            setattr(self, name, tensors[name].clone())
        self.fresh_counts, self.fresh_sums = torch.zeros_like(self.counts), torch.zeros_like(self.sums)
        self.total, self.begun = total, total > 0

    def sums_of(self, columns: Tensor | None = None) -> Sums:
        """The sums of some columns, all if left out, settled and fresh; the matrix is shared, the rest copied."""
        at = slice(None) if columns is None else columns
        counts, sums = self.counts + self.fresh_counts, self.sums[:, at] + self.fresh_sums[:, at]
        return Sums(counts, sums, self.origin[at], self.second, self.total, columns)

    def narrow(self, columns: Tensor) -> None:
        """Keeps the sums of some columns only."""
        self.sums, self.fresh_sums = self.sums[:, columns], self.fresh_sums[:, columns]
        self.second, self.origin = self.second[columns][:, columns], self.origin[columns]
