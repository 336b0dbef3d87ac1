"""Closed-form heads over a stream: what they read is summed batch by batch, once for all of them.

Several heads are solved from the same sums where they read the same taps, or some of them. A head that reads a random
projection needs sums of its own; what comes before the projection is standardised once and for all, by the first batches
that have ``least`` examples together (roughly, see :func:`~evo_mtl.network.moments.coarse`).

A ridge's strength is found without examples set aside: the head is solved with its strength, a tenth and ten times of it;
the three are compared on the batches that come next, before these are added, by their squared error. When
the head is solved again it takes the best. It starts with the largest power of ten that is not above the numbers it reads.

The sums see numbers as they are, while a head cuts standardised ones off at ``LIMIT``; where none is beyond,
the head is the one that would be solved on all examples at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor
from torch.nn import Module

from evo_mtl.genome.genome import Genome
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.heads import fill
from evo_mtl.network.kinds.kind import Streaming, head_kind
from evo_mtl.network.moments import NARROW, Moments, Sums, coarse

GROWTH = 1.15
"""A head that reads many numbers is solved again when the examples have become this many times as many."""

WIDE, WIDE_GROWTH = 2048, 1.5
"""The same for heads that read more numbers than this: a solution with 5,120 takes as long as summing ten batches."""

NEVER = -1e30
"""Bias of a class that is never answered; finite, so that no loss is."""


class _Shared:
    """Sums of the taps at some nodes."""

    def __init__(self, nodes: Sequence[str], widths: Sequence[int], moments: Moments) -> None:
        self.nodes, self.widths, self.moments = tuple(nodes), tuple(widths), moments

    def columns_of(self, nodes: Sequence[str]) -> Tensor | None:
        """Where some nodes' numbers stand; ``None`` if they are all of them in this order."""
        if tuple(nodes) == self.nodes:
            return None
        places = dict(zip(self.nodes, torch.arange(sum(self.widths)).split(self.widths), strict=True))
        return torch.cat([places[node] for node in nodes])

    def narrow(self, nodes: Collection[str]) -> None:
        """Lets go the sums of all others."""
        kept = [(node, width) for node, width in zip(self.nodes, self.widths, strict=True) if node in nodes]
        columns = self.columns_of([node for node, _ in kept])
        if columns is not None:
            self.moments = self.moments.narrowed(columns)
            self.nodes, self.widths = tuple(node for node, _ in kept), tuple(width for _, width in kept)


class _Taps:
    """What a head reads that is solved on its taps: sums that it shares."""

    def __init__(self, head: Head, shared: _Shared, nodes: Sequence[str]) -> None:
        self.head, self.shared, self._nodes = head, shared, nodes

    def sums(self) -> Sums:
        """As they are now."""
        return self.shared.moments.sums_of(self.shared.columns_of(self._nodes))

    def add(self, taps: Tensor, labels: Tensor) -> None:
        """The pool adds to what is shared."""

    def take(self, sums: Sums) -> None:
        """The head standardises by these sums from now on."""
        self.head.mean.copy_(sums.mean)
        self.head.scale.copy_(sums.scale)

    def on_features(self, sums: Sums, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """A solution as a linear map of the head's features."""
        return weight, bias


class _Projection:
    """What a head reads that is solved on a random projection of its taps: sums of its own."""

    shared = None

    def __init__(self, head: Head, num_classes: int, least: int) -> None:
        self.head, self._least = head, least
        self._seen: Tensor | None = torch.zeros((2, len(head.mean)), dtype=torch.float64)
        self._count = 0
        self.moments = Moments(head.linear.in_features, num_classes, least)

    def sums(self) -> Sums:
        """As they are now."""
        return replace(self.moments.sums_of(), plain=True)

    def add(self, taps: Tensor, labels: Tensor) -> None:
        """Fixes the standardisation first; of the batches that it takes for that only the last is summed."""
        if self._seen is not None:
            x = taps.double()
            self._count += len(x)
            self._seen += torch.stack([x.sum(0), x.square().sum(0)])
            if self._count < self._least:
                return
            mean, square = self._seen / self._count
            scale = (square - mean.square()).clamp_min(0).sqrt()
            scale = torch.where(scale <= 1e-6 * mean.abs().clamp_min(1e-6), torch.ones_like(scale), scale)
            self.head.mean.copy_(coarse(mean, scale / 4))
            self.head.scale.copy_(torch.exp2(torch.log2(scale).round()))
            self._seen = None
        self.moments.add(self.head.features(taps), labels)

    def take(self, sums: Sums) -> None:
        """What comes before a projection stays as it is."""

    def on_features(self, sums: Sums, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """A solution as a linear map of the head's features, which are as they are."""
        return weight, bias - weight @ sums.mean


class Solution:
    """A head that is solved from the sums of a :class:`MomentsPool`; made by :meth:`MomentsPool.join`.

    Attributes:
        head: The head; :meth:`refresh` writes to it.
        nodes: Keys of the taps that it reads, in order.
        strength: The strength it has.
    """

    def __init__(
        self, head: Head, streaming: Streaming, nodes: Sequence[str], source: _Taps | _Projection, least: int
    ) -> None:
        self.head, self.nodes = head, tuple(nodes)
        self._streaming, self._source, self._least = streaming, source, least
        below = [one for one in streaming.strengths if one <= head.linear.in_features]
        self.strength = max(below, default=streaming.strengths[0])
        self._solved_at = 0.0
        self._tried: dict[float, tuple[Tensor, Tensor]] = {}
        self._errors: dict[float, float] = {}

    @property
    def shared(self) -> _Shared | None:
        """The sums that it shares with others."""
        return self._source.shared

    @torch.no_grad()
    def refresh(self, final: bool = False) -> bool:
        """Solves the head anew, if that is due.

        It is with every batch while few numbers are read, and else when the examples have become more by a share.

        Args:
            final: Always, and without the classes of fewer than ``least`` examples, which are then never answered.

        Returns:
            Whether it did.

        Raises:
            CandidateError: It cannot be solved.
        """
        sums = self._source.sums()
        if not (final or self._due(sums)):
            return False
        if final:
            sums = sums.of_classes(sums.counts >= self._least)
        if self._errors:
            self.strength = min(self._errors, key=lambda one: self._errors[one])
        tried = (self.strength,) if final else self._near()
        self._source.take(sums)
        self._tried = {one: self._solved(sums, one) for one in tried}
        self._errors, self._solved_at = {}, sums.count
        weight, bias = self._tried[self.strength]
        known = sums.counts > 0
        fill(self.head, weight * known[:, None], torch.where(known, bias, torch.full_like(bias, NEVER)))
        return True

    @torch.no_grad()
    def score(self, taps: Tensor, labels: Tensor) -> None:
        """Compares the strengths that it was solved with on a batch ``(B, D)`` that is not summed yet."""
        if len(self._tried) < 2:
            return
        features = self.head.features(taps)
        targets = 2 * torch.nn.functional.one_hot(labels, self.head.linear.out_features).float() - 1
        for strength, (weight, bias) in self._tried.items():
            error = float((torch.addmm(bias, features, weight.T) - targets).square().sum(dtype=torch.float64))
            self._errors[strength] = self._errors.get(strength, 0.0) + error

    def add(self, taps: Tensor, labels: Tensor) -> None:
        """Sums what it does not share."""
        self._source.add(taps, labels)

    def _due(self, sums: Sums) -> bool:
        growth = 1.0 if sums.width <= NARROW else GROWTH if sums.width <= WIDE else WIDE_GROWTH
        return sums.count > self._solved_at and sums.count >= self._solved_at * growth

    def _near(self) -> tuple[float, ...]:
        """Its strength and those beside it."""
        strengths = self._streaming.strengths
        at = strengths.index(self.strength)
        return strengths[max(at - 1, 0) : at + 2]

    def _solved(self, sums: Sums, strength: float) -> tuple[Tensor, Tensor]:
        weight, bias = self._source.on_features(sums, *self._streaming.solve(sums, strength))
        return weight.float().contiguous(), bias.float()


class MomentsPool:
    """The sums of one stream of labelled examples, and the heads that are solved from them.

    Args:
        num_classes: ``K``.
        least: Fewer examples than this are no aggregate.

    Example:
        >>> import torch
        >>> from evo_mtl.network.kinds.kind import new
        >>> from evo_mtl.testing.contracts.kinds import a_genome_with
        >>> head = new({"kind": "nearest_mean", "in_features": 1, "num_classes": 2}, torch.Generator())
        >>> pool = MomentsPool(num_classes=2, least=2)
        >>> solution = pool.join(head, a_genome_with("nearest_mean"), ["a tap"], [1])
        >>> taps = {"a tap": torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])}
        >>> pool.add(taps, torch.tensor([0, 0, 1, 1]))
        >>> solution.refresh()
        True
        >>> head(taps["a tap"]).argmax(1).tolist()
        [0, 0, 1, 1]
    """

    def __init__(self, num_classes: int, least: int) -> None:
        self._num_classes, self._least = num_classes, least
        self._shared: list[_Shared] = []
        self._solutions: list[Solution] = []

    @property
    def nodes(self) -> tuple[str, ...]:
        """Keys of the taps that :meth:`add` needs."""
        return tuple(dict.fromkeys(node for one in self._solutions for node in one.nodes))

    def join(self, head: Module, genome: Genome, columns: Sequence[str], widths: Sequence[int]) -> Solution:
        """A head that is solved from the sums of some taps from now on.

        Where other heads read all of these taps already, it has the whole history of their sums.

        Args:
            head: A new head of a kind that can be solved from sums.
            genome: Whose head it is.
            columns: Keys of its taps, in the order in which the head reads them.
            widths: Numbers that each of them has.

        Raises:
            ValueError: Its kind is trained by gradient descent.
        """
        streaming = head_kind(genome.head.kind).streaming
        if streaming is None:
            raise ValueError(f"a {genome.head.kind} head is not solved from sums")
        module = cast(Head, head)
        source: _Taps | _Projection
        if module.projection is not None:
            source = _Projection(module, self._num_classes, self._least)
        else:
            source = _Taps(module, self._sums_of(columns, widths), columns)
        solution = Solution(module, streaming, columns, source, self._least)
        self._solutions.append(solution)
        return solution

    def leave(self, solution: Solution) -> None:
        """A head that is not solved any more; sums that nobody else reads are let go."""
        self._solutions.remove(solution)
        if (shared := solution.shared) is None:
            return
        read = {node for one in self._solutions if one.shared is shared for node in one.nodes}
        if not read:
            self._shared.remove(shared)
        elif read < set(shared.nodes):
            shared.narrow(read)

    @torch.no_grad()
    def add(self, taps: Mapping[str, Tensor], labels: Tensor) -> None:
        """A batch, once for all heads; they compare their strengths on it first.

        Args:
            taps: ``(B, width)`` by key of its node, at least of :attr:`nodes`.
            labels: ``(B,)``.

        Raises:
            CandidateError: A number is not finite.
        """
        labels = labels.cpu()
        wanted = {one.nodes for one in self._solutions} | {one.nodes for one in self._shared}
        read = {nodes: _joined(taps, nodes) for nodes in wanted}
        for solution in self._solutions:
            solution.score(read[solution.nodes], labels)
        for shared in self._shared:
            shared.moments.add(read[shared.nodes], labels)
        for solution in self._solutions:
            solution.add(read[solution.nodes], labels)

    def _sums_of(self, nodes: Sequence[str], widths: Sequence[int]) -> _Shared:
        covering = [one for one in self._shared if set(nodes) <= set(one.nodes)]
        if covering:
            return max(covering, key=lambda one: one.moments.total)
        made = _Shared(nodes, widths, Moments(sum(widths), self._num_classes, self._least))
        self._shared.append(made)
        return made


def _joined(taps: Mapping[str, Tensor], nodes: Sequence[str]) -> Tensor:
    return torch.cat([taps[node].detach().float().cpu() for node in nodes], dim=1)
