"""Where one task ends and the next begins, found in a stream that does not say.

A segment is what came since the last boundary. Each batch's features are compared with the segment's. In a stream
that is sorted by class every new class is a new kind of image, so there a label is compared with itself alone:
only at a boundary does it mean other images than before. Kept are sums over no fewer than ``least`` examples of
a batch each, of features projected at random to a few dozen numbers; and which labels there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from evo_mtl.network.projection import projection_matrix
from evo_mtl.training.group_sums import GroupSums

WIDTH = 16
"""Numbers that each tap is projected to."""
SPLITS = (1, 4)
"""How many of the last batches are compared with what came before: one shows a plain boundary at once, several
show one between sets that are alike."""
SHARED = 2
"""Labels that two successive batches have in common where a stream is shuffled; one sorted by class has one at most."""


def watched_stages(group_ends: Sequence[int]) -> tuple[int, ...]:
    """The stages of a trunk whose pooled outputs tell sets apart best: a third and two thirds of the way, and the last.

    Args:
        group_ends: The last stage of each of the trunk's groups.

    Example:
        >>> from evo_mtl.training.boundaries import watched_stages
        >>> watched_stages((0, 1, 3, 5, 8, 11, 15, 16, 17))
        (5, 11, 17)
    """
    last = len(group_ends) - 1
    return tuple(sorted({group_ends[round(part * last / 3)] for part in (1, 2, 3)}))


class BoundaryDetector:
    """Sees a stream batch by batch and says before which batches a boundary lies.

    Hotelling's test of a shift between the last batches and what came before in the segment. A segment counts as
    shuffled from the first two successive batches that share labels, and is then compared as a whole. Until then,
    and for good in a stream sorted by class, each label is compared with itself, and one that comes new is no sign
    of a boundary. Not found is a task that gives the same images other labels; a set that comes again is found as
    any other.

    River's ADWIN and Page-Hinkley on scalars of the same features miss more boundaries or see more where there are
    none (``scripts/benchmark_boundaries``).

    Args:
        widths: Numbers of each tap, which lie side by side in the features. :func:`watched_stages` of a frozen
            trunk serve well: sets differ early, the classes of one set late.
        level: Chance that a batch is taken for a boundary where there is none, for normal features of a
            stationary stream; in (0, 1).
        least: Sums over fewer examples are never kept, at least 2; batches should not be smaller: those are
            compared, but nothing is learnt of them.
        seed: Of the projection.

    Raises:
        ValueError: An argument is out of its range.

    Example:
        >>> import numpy as np
        >>> from evo_mtl.training.boundaries import BoundaryDetector
        >>> rng, detector = np.random.default_rng(0), BoundaryDetector([8])
        >>> [detector.see(rng.normal(size=(32, 8)) + mean, rng.integers(0, 5, 32)) for mean in (0, 0, 0, 2, 2)]
        [False, False, False, True, False]
    """

    def __init__(self, widths: Sequence[int], *, level: float = 1e-5, least: int = 16, seed: int = 0) -> None:
        if not widths or min(widths) < 1 or not 0 < level < 1 or least < 2:
            raise ValueError(f"no detector of widths {tuple(widths)}, level {level}, least {least}")
        self._ends = np.cumsum(widths)
        self._level = level
        self._least = least
        self._maps = [
            np.eye(width) if width <= WIDTH else projection_matrix(seed + i, width, WIDTH).double().numpy()
            for i, width in enumerate(widths)
        ]
        self._width = sum(one.shape[1] for one in self._maps)
        self._start_segment()

    def see(self, features: np.ndarray, labels: np.ndarray) -> bool:
        """Whether a boundary lies before this batch or, found late, a few batches back.

        Args:
            features: ``(B, D)``, B >= 1, the taps side by side; neither kept nor changed.
            labels: ``(B,)`` whole numbers from 0, within whatever task the batch is of.

        Raises:
            ValueError: Shapes that do not fit, or a feature that is not a finite number.
        """
        rows = self._projected(features, labels)
        self._shuffled |= len(np.intersect1d(labels, self._last_labels)) >= SHARED
        chance = self._chance(rows) if self._shuffled else self._chance_by_label(rows, labels)
        if chance < self._level:
            self._start_segment()
        self._keep(rows, labels)
        return chance < self._level

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that is kept, to be written; :meth:`load` takes it back bit for bit."""
        arrays = {"recent_counts": self._recent_counts, "recent_totals": self._recent_totals}
        arrays |= {
            "labels": self._labels,
            "last_labels": self._last_labels,
            "shuffled": np.array(self._shuffled),
        }
        for name, sums in (("all", self._all), ("by_label", self._by_label)):
            arrays |= {
                f"{name}_counts": sums.counts,
                f"{name}_totals": sums.totals,
                f"{name}_scatter": sums.scatter,
            }
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Goes on from what :meth:`tensors` gave of a detector with the same arguments."""
        arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
        self._all, self._by_label = (
            GroupSums(arrays[f"{name}_counts"], arrays[f"{name}_totals"], arrays[f"{name}_scatter"])
            for name in ("all", "by_label")
        )
        self._recent_counts, self._recent_totals = arrays["recent_counts"], arrays["recent_totals"]
        self._labels, self._last_labels = arrays["labels"], arrays["last_labels"]
        self._shuffled = bool(arrays["shuffled"])

    def _start_segment(self) -> None:
        self._all = GroupSums.none(1, self._width)
        self._recent_counts = np.zeros((0, 1), np.int64)  # of the last batches, the newest at the end
        self._recent_totals = np.zeros((0, 1, self._width))
        self._labels = np.zeros(0, np.int64)  # those with a group of their own, in the order of the groups
        self._by_label = GroupSums.none(0, self._width)  # while the segment may be sorted
        self._last_labels = np.zeros(0, np.int64)
        self._shuffled = False

    def _projected(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """``(B, D)`` float64, at most :data:`WIDTH` numbers of each tap."""
        width = int(self._ends[-1])
        if features.ndim != 2 or features.shape[1] != width or labels.shape != features.shape[:1]:
            raise ValueError(
                f"features {features.shape}, labels {labels.shape}: expected (B, {width}) and (B,)"
            )
        parts = np.split(features.astype(np.float64), self._ends[:-1], axis=1)
        rows = np.concatenate([part @ one for part, one in zip(parts, self._maps)], axis=1)
        if not np.isfinite(rows).all():
            raise ValueError("features that are not finite numbers")
        return rows

    def _chance(self, rows: np.ndarray) -> float:
        """That of the last batches' place by chance: the smallest over the splits, times their number."""
        batch = GroupSums.of(rows, np.zeros(len(rows), np.int64), 1)
        whole = self._all.joined(batch)
        chances = [1.0]
        for split in SPLITS:
            start = len(self._recent_counts) - (split - 1)
            if start >= 0:
                counts = batch.counts + self._recent_counts[start:].sum(0)
                totals = batch.totals + self._recent_totals[start:].sum(0)
                chances.append(len(SPLITS) * whole.chance(counts, totals))
        return min(chances)

    def _chance_by_label(self, rows: np.ndarray, labels: np.ndarray) -> float:
        """That of this batch's labels lying so far from where each was before."""
        known = np.isin(labels, self._labels)
        batch = GroupSums.of(rows[known], self._groups(labels[known]), len(self._labels))
        return self._by_label.joined(batch).chance(batch.counts, batch.totals)

    def _groups(self, labels: np.ndarray) -> np.ndarray:
        """Each label's group, for labels that have one."""
        order = np.argsort(self._labels)
        return order[np.searchsorted(self._labels, labels, sorter=order)]

    def _keep(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """Adds to the segment what there is enough of in the batch."""
        if len(rows) >= self._least:
            batch = GroupSums.of(rows, np.zeros(len(rows), np.int64), 1)
            self._all = self._all.joined(batch)
            keep = max(SPLITS) - 1
            self._recent_counts = np.concatenate([self._recent_counts, batch.counts[None]])[-keep:]
            self._recent_totals = np.concatenate([self._recent_totals, batch.totals[None]])[-keep:]
        if self._shuffled:
            self._labels, self._by_label = np.zeros(0, np.int64), GroupSums.none(0, self._width)
            self._last_labels = self._labels
            return
        self._last_labels, counts = np.unique(labels, return_counts=True)
        enough = self._last_labels[counts >= self._least]
        self._labels = np.concatenate([self._labels, np.setdiff1d(enough, self._labels)])
        large = np.isin(labels, enough)
        batch = GroupSums.of(rows[large], self._groups(labels[large]), len(self._labels))
        self._by_label = self._by_label.joined(batch)
