"""Counts, sums and scatter of examples in groups: what a comparison of means needs, and no example by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

RIDGE = 1e-6
"""Added to a correlation matrix's diagonal: features that say the same thing twice leave it singular."""


@dataclass(frozen=True)
class GroupSums:
    """Sums over ``N`` examples of ``D`` numbers each, in ``G`` groups.

    Attributes:
        counts: ``(G,)`` int64, examples of each group; a group may be empty.
        totals: ``(G, D)`` float64, their sums.
        scatter: ``(D, D)`` float64, outer products of the distances from each one's own group's mean, over all groups.
    """

    counts: np.ndarray
    totals: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, groups: np.ndarray, num_groups: int) -> GroupSums:
        """Sums of ``rows`` ``(N, D)`` float64 whose groups are ``groups`` ``(N,)``, each below ``num_groups``."""
        counts = np.bincount(groups, minlength=num_groups)
        totals = np.zeros((num_groups, rows.shape[1]))
        np.add.at(totals, groups, rows)
        centred = rows - _means(counts, totals)[groups]
        return cls(counts, totals, centred.T @ centred)

    @classmethod
    def none(cls, num_groups: int, width: int) -> GroupSums:
        """Of no examples."""
        return cls(np.zeros(num_groups, np.int64), np.zeros((num_groups, width)), np.zeros((width, width)))

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the scatter: examples less the groups that have any."""
        return int(self.counts.sum() - np.count_nonzero(self.counts))

    def joined(self, other: GroupSums) -> GroupSums:
        """The sums of both; ``other`` may have more groups, not fewer."""
        more = len(other.counts) - len(self.counts)
        counts, totals = np.pad(self.counts, (0, more)), np.pad(self.totals, ((0, more), (0, 0)))
        apart, weights = _differences(counts, totals, other.counts, other.totals)
        between = (weights[:, None] * apart).T @ apart
        return GroupSums(counts + other.counts, totals + other.totals, self.scatter + other.scatter + between)

    def chance(self, later_counts: np.ndarray, later_totals: np.ndarray) -> float:
        """How probable it is that the later examples lie so far from the earlier ones by chance.

        Hotelling's two-sample test of one shift that all groups share: each group's later mean is compared with
        its own earlier mean, so which groups occur does not matter. Exact for normal rows.

        Args:
            later_counts: ``(G,)`` how many of each group came later; they are among these sums.
            later_totals: ``(G, D)`` their sums.

        Returns:
            In [0, 1]; 1 where there is nothing to compare, or too little to know the scatter by.
        """
        counts, totals = self.counts - later_counts, self.totals - later_totals
        apart, weights = _differences(counts, totals, later_counts, later_totals)
        freedom = self.freedom - np.count_nonzero(weights)
        width = self.scatter.shape[0]
        rest = freedom - width + 1
        if not weights.any() or rest < 1:
            return 1.0
        within = self.scatter - (weights[:, None] * apart).T @ apart
        shift = weights @ apart / np.sqrt(weights.sum())
        scale = np.sqrt(np.maximum(np.diag(within), 0) / freedom) + np.finfo(np.float64).tiny ** 0.25
        correlation = within / freedom / np.outer(scale, scale) + RIDGE * np.eye(width)
        squared = shift / scale @ np.linalg.solve(correlation, shift / scale)
        return float(fdtrc(width, rest, max(squared, 0.0) * rest / (freedom * width)))


def _means(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return totals / np.maximum(counts, 1)[:, None]


def _differences(
    counts: np.ndarray, totals: np.ndarray, later_counts: np.ndarray, later_totals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the groups' means ``(G, D)`` and their weights ``(G,)``, 0 where a group is in one only."""
    weights = counts * later_counts / np.maximum(counts + later_counts, 1)
    apart = _means(later_counts, later_totals) - _means(counts, totals)
    return np.where(weights[:, None] > 0, apart, 0.0), weights
