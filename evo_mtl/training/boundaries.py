"""Where one task ends and the next begins, found in a stream that does not say.

A segment is what came since the last boundary. A batch's features are compared with the segment's, label by
label as far as that can be had: in a stream sorted by class every new class is a new kind of image, but only at
a boundary does a label mean other images than before. Kept are sums over no fewer than ``least`` examples of a
batch each, of features projected at random to a few dozen numbers.
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
FEW = 4
"""Labels that come new in so few examples each are those of a shuffled task of many classes, not of a sorted one."""


class BoundaryDetector:
    """Sees a stream batch by batch and says before which batches a boundary lies.

    Hotelling's test of a shift between the last batches and what came before. A label that comes new in ``least``
    examples or more is compared with itself from then on; others that come new together are a group. Where a batch
    shows that the segment is shuffled and has many classes, all its labels are one group from then on. A label that
    has not been met is no sign of a boundary. A set that comes again is a boundary as any other.

    River's ADWIN and Page-Hinkley on scalars of the same features miss more boundaries or see more where there are
    none (``scripts/benchmark_boundaries``), and neither asks for the labels.

    Args:
        widths: Numbers of each tap, which lie side by side in the features. An early, a middle and the last
            tap of a frozen trunk serve best: sets differ early, classes of one set late.
        level: Chance that a batch is taken for a boundary where there is none, for normal features of a
            stationary stream; in (0, 1).
        least: Sums over fewer examples are never kept, at least 2; batches should not be smaller: those are
            compared, but nothing is learnt of them.
        seed: Of the projection.

    Raises:
        ValueError: An argument is out of its range.
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
        self._start_segment()

    def see(self, features: np.ndarray, labels: np.ndarray) -> bool:
        """Whether a boundary lies before this batch or, found late, a few batches back.

        Args:
            features: ``(B, D)``, B >= 1, the taps side by side; not kept.
            labels: ``(B,)`` whole numbers from 0, within whatever task the batch is of.

        Raises:
            ValueError: Shapes that do not fit, or a feature that is not a finite number.
        """
        rows = self._projected(features, labels)
        self._look(labels)
        found = self._chance(rows, labels) < self._level
        if found:
            self._start_segment()
            self._look(labels)
        self._keep(rows, labels)
        return found

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that is kept, to be written; :meth:`load` takes it back bit for bit."""
        return {
            "counts": torch.from_numpy(self._sums.counts.copy()),
            "totals": torch.from_numpy(self._sums.totals.copy()),
            "scatter": torch.from_numpy(self._sums.scatter.copy()),
            "recent_counts": torch.from_numpy(self._recent_counts.copy()),
            "recent_totals": torch.from_numpy(self._recent_totals.copy()),
            "groups": torch.from_numpy(self._groups.copy()),
            "shuffled": torch.tensor(self._shuffled),
        }

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Goes on from what :meth:`tensors` gave of a detector with the same arguments."""
        arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
        self._sums = GroupSums(arrays["counts"], arrays["totals"], arrays["scatter"])
        self._recent_counts, self._recent_totals = arrays["recent_counts"], arrays["recent_totals"]
        self._groups = arrays["groups"]
        self._shuffled = bool(arrays["shuffled"])

    def _start_segment(self) -> None:
        width = sum(one.shape[1] for one in self._maps)
        self._sums = GroupSums(np.zeros(0, np.int64), np.zeros((0, width)), np.zeros((width, width)))
        self._recent_counts = np.zeros((0, 0), np.int64)  # (batches, G), the newest last
        self._recent_totals = np.zeros((0, 0, width))  # (batches, G, D)
        self._groups = np.zeros(0, np.int64)  # label to group, -1 for none
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

    def _look(self, labels: np.ndarray) -> None:
        """Takes notice of labels; from the first batch that shows it, the segment counts as shuffled."""
        self._groups = np.pad(
            self._groups, (0, max(0, int(labels.max()) + 1 - len(self._groups))), constant_values=-1
        )
        new = labels[self._groups[labels] < 0]
        if self._shuffled or not self._least <= len(new) <= FEW * len(np.unique(new)):
            return
        self._shuffled = True
        self._sums = self._sums.as_one()
        self._recent_counts = self._recent_counts.sum(1, keepdims=True)
        self._recent_totals = self._recent_totals.sum(1, keepdims=True)

    def _grouped(self, labels: np.ndarray) -> np.ndarray:
        """Each example's group, ``(B,)``, -1 for none."""
        return np.zeros_like(labels) if self._shuffled else self._groups[labels]

    def _chance(self, rows: np.ndarray, labels: np.ndarray) -> float:
        """The smallest chance over the splits, times their number."""
        groups = self._grouped(labels)
        batch = GroupSums.of(rows[groups >= 0], groups[groups >= 0], len(self._sums.counts))
        whole = self._sums.joined(batch)
        chances = [1.0]
        for split in SPLITS:
            before = split - 1
            if before > len(self._recent_counts):
                continue
            start = len(self._recent_counts) - before
            counts = batch.counts + self._recent_counts[start:].sum(0)
            totals = batch.totals + self._recent_totals[start:].sum(0)
            chances.append(len(SPLITS) * whole.chance(counts, totals))
        return min(chances)

    def _keep(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """Adds the batch's groups that are large enough to the segment, new ones among them."""
        self._open_groups(labels)
        groups = self._grouped(labels)
        num_groups = max(len(self._sums.counts), int(groups.max()) + 1)
        large = (groups >= 0) & (np.bincount(groups + 1, minlength=num_groups + 1)[groups + 1] >= self._least)
        batch = GroupSums.of(rows[large], groups[large], num_groups)
        self._sums = self._sums.joined(batch)
        more = num_groups - self._recent_counts.shape[1]
        keep = max(SPLITS) - 1
        counts = np.pad(self._recent_counts, ((0, 0), (0, more)))
        totals = np.pad(self._recent_totals, ((0, 0), (0, more), (0, 0)))
        self._recent_counts = np.concatenate([counts, batch.counts[None]])[-keep:]
        self._recent_totals = np.concatenate([totals, batch.totals[None]])[-keep:]

    def _open_groups(self, labels: np.ndarray) -> None:
        """A group for each new label with enough examples, and one for the others together if they have enough."""
        if self._shuffled:
            return
        new, counts = np.unique(labels[self._groups[labels] < 0], return_counts=True)
        alone = counts >= self._least
        for label in new[alone]:
            self._groups[label] = self._groups.max() + 1
        if counts[~alone].sum() >= self._least:
            self._groups[new[~alone]] = self._groups.max() + 1
