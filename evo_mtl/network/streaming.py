"""Closed-form heads over a stream: what they read is summed batch by batch, once for all of them.

Several heads are solved from the same sums where they read the same taps, or some of them. A head that reads a random
projection needs sums of its own; what comes before the projection is standardised once and for all, by the first batches
that have ``least`` examples together (roughly, see :func:`~evo_mtl.network.moments.coarse`).

A ridge's strength is found without examples set aside: the head is solved with its strength, a tenth and ten times of it;
the three are compared on the batches that come next, before these are added, by their squared error. When
the head is solved again it takes the best. Where more than ``WIDE`` numbers are read, of not many fewer examples, weaker and
stronger are tried in turn.
It starts with the largest power of ten that is not above the numbers it reads.

The sums see numbers as they are, while a head cuts standardised ones off at ``LIMIT``; where none is beyond,
the head is the one that would be solved on all examples at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import Module

from evo_mtl.errors import CandidateError
from evo_mtl.files import canonical_json
from evo_mtl.genome.genome import Genome
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.heads import fill
from evo_mtl.network.kinds.kind import Streaming, head_kind
from evo_mtl.network.moments import NARROW, Moments, Sums, coarse

GROWTH = 1.15
"""A head that reads many numbers is solved again when the examples have become this many times as many."""

WIDE, WIDE_GROWTH = 2048, 1.5
"""The same for heads that read more numbers than this, of not many fewer examples: a solution with 5,120 takes as long as summing
ten batches of 64."""

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
            self.moments.narrow(columns)
            self.nodes, self.widths = tuple(node for node, _ in kept), tuple(width for _, width in kept)


class _Taps:
    """What a head reads that is solved on its taps: sums that it shares."""

    def __init__(self, head: Head, shared: _Shared, nodes: Sequence[str]) -> None:
        self.head, self.shared, self._nodes = head, shared, nodes

    def sums(self) -> Sums:
        """As they are now."""
        return self.shared.moments.sums_of(self.shared.columns_of(self._nodes))

    @property
    def moments(self) -> Moments:
        """The sums, of these taps and maybe others."""
        return self.shared.moments

    def add(self, taps: Tensor, labels: Tensor, number: int) -> None:
        """The pool adds to what is shared."""

    def clear(self) -> None:
        """A head without examples is as a new one."""
        self.head.reset()

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
        self._seen = torch.zeros((2, len(head.mean)), dtype=torch.float64)
        self._count, self._since = 0, 0
        self.fixed = False
        self.moments = Moments(head.linear.in_features, num_classes, least)

    def sums(self) -> Sums:
        """As they are now."""
        return replace(self.moments.sums_of(), plain=True)

    @property
    def since(self) -> int | None:
        """Number of the first batch of which no file has anything, if there is one."""
        return self.moments.fresh_since if self.fixed else self._since if self._count else None

    def forget(self) -> None:
        """What it has seen for its standardisation, while that is not fixed."""
        self._seen.zero_()
        self._count = 0

    def add(self, taps: Tensor, labels: Tensor, number: int) -> None:
        """Fixes the standardisation first; of the batches that it takes for that only the last is summed."""
        if not self.fixed:
            x = taps.double()
            self._since = self._since if self._count else number
            self._count += len(x)
            self._seen += torch.stack([x.sum(0), x.square().sum(0)])
            if self._count < self._least:
                return
            mean, square = self._seen / self._count
            scale = (square - mean.square()).clamp_min(0).sqrt()
            scale = torch.where(scale <= 1e-6 * mean.abs().clamp_min(1e-6), torch.ones_like(scale), scale)
            self.head.mean.copy_(coarse(mean, scale / 2))
            self.head.scale.copy_(torch.exp2(torch.log2(scale).round()))
            self.fixed = True
            self.moments.begin(number, torch.zeros(len(self.moments.counts), dtype=torch.bool))
        self.moments.add(self.head.features(taps), labels, number)

    def replay(self, taps: Tensor, labels: Tensor, number: int) -> None:
        """A batch that was added before a file was written."""
        if self.fixed:
            self.moments.replay(self.head.features(taps), labels, number)
        elif number >= self._since:
            self.add(taps, labels, number)

    def state(self, following: int) -> dict[str, Any]:
        """What is written of it beside tensors; the next batch has the number ``following``."""
        since = self._since if self._count and not self.fixed else following
        return {"fixed": self.fixed, "total": self.moments.total, "since": since}

    def tensors(self) -> dict[str, Tensor]:
        """What is written of it, once the standardisation is fixed."""
        if not self.fixed:
            return {}
        return {**self.moments.tensors(), "mean": self.head.mean, "scale": self.head.scale}

    def load(self, tensors: Mapping[str, Tensor], fixed: bool, total: int, since: int) -> None:
        """Takes over what was written."""
        self.fixed, self._since = fixed, since
        if fixed:
            self.moments.load(tensors, total)
            self.head.mean.copy_(tensors["mean"])
            self.head.scale.copy_(tensors["scale"])

    def clear(self) -> None:
        """A head without examples is as a new one."""
        self.head.linear.weight.zero_()
        self.head.linear.bias.zero_()

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
        self._turn = False
        self._again = False  # solved for a file, or to be so after one was read
        self._solved_at = self._due_at = 0.0
        self._tried: dict[float, tuple[Tensor, Tensor]] = {}
        self._errors: dict[float, float] = {}
        self._known = torch.zeros(head.linear.out_features, dtype=torch.bool)

    @property
    def never(self) -> tuple[int, ...]:
        """Classes that the head, as it is now, never answers."""
        return tuple(torch.nonzero(~self._known).flatten().tolist())

    @property
    def source(self) -> _Taps | _Projection:
        """What it is solved from."""
        return self._source

    @torch.no_grad()
    def refresh(self, final: bool = False) -> bool:
        """Solves the head anew, if that is due.

        It is with every batch while few numbers are read, and else when the examples have become more by a share; also after
        sums were read from a file.

        Args:
            final: Always, and without the classes of fewer than ``least`` examples, which are then never answered.

        Returns:
            Whether it did.

        Raises:
            CandidateError: It cannot be solved.
        """
        sums = self._source.sums()
        due = self._again or (sums.count > self._solved_at and sums.count >= self._due_at)
        if not (final or due):
            return False
        if final:
            sums = sums.of_classes(sums.counts >= self._least)
        if self._errors:
            self.strength = min(self._errors, key=lambda one: self._errors[one])
            self._turn = not self._turn
        self._tried, self._errors, self._solved_at = {}, {}, sums.count
        due_at = sums.count * _growth(sums)
        if alone := final or self._again:
            self._due_at = min(self._due_at, due_at)
        else:
            self._due_at = due_at
        self._again, self._known = False, sums.counts > 0
        if not sums.count:
            self._source.clear()
            return True
        self._source.take(sums)
        for strength in (self.strength,) if alone else self._near(sums):
            try:
                self._tried[strength] = self._solved(sums, strength)
            except CandidateError:  # a weaker one may be too weak
                if strength == self.strength:
                    raise
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

    @property
    def state(self) -> dict[str, Any]:
        """What is written of it beside the sums."""
        return {"nodes": self.nodes, "strength": self.strength, "turn": self._turn, "due_at": self._due_at}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over what was written."""
        if list(self.nodes) != list(state["nodes"]):
            raise ValueError(f"sums of {state['nodes']} for a head that reads {list(self.nodes)}")
        self.strength, self._turn, self._due_at = state["strength"], state["turn"], state["due_at"]
        self.solve_again()

    def solve_again(self) -> None:
        """It is due to be solved from the sums as they are, with its strength alone."""
        self._again = True

    def _near(self, sums: Sums) -> tuple[float, ...]:
        """Its strength and those beside it; one of them in turn where much is read."""
        strengths = self._streaming.strengths
        at = strengths.index(self.strength)
        near = strengths[max(at - 1, 0) : at + 2]
        if not _dear(sums) or len(near) < 3:
            return near
        return near[:2] if self._turn else near[1:]

    def _solved(self, sums: Sums, strength: float) -> tuple[Tensor, Tensor]:
        weight, bias = self._source.on_features(sums, *self._streaming.solve(sums, strength))
        return weight.float().contiguous(), bias.float()


def _growth(sums: Sums) -> float:
    return 1.0 if sums.width <= NARROW else WIDE_GROWTH if _dear(sums) else GROWTH


def _dear(sums: Sums) -> bool:
    """Whether every strength takes the solution of a wide system."""
    return sums.width > WIDE and not sums.thin


class MomentsPool:
    """The sums of one stream of labelled examples, and the heads that are solved from them.

    *What is written* (:meth:`checkpoint`) are unions of blocks. A block is at least ``least`` examples of one class, from one file
    to a later one; all labelled sums of the pool have the same blocks, the same in all files. So no sum or
    difference of what files hold is one of fewer examples. The matrices of second moments are of all classes
    together, and grow by ``least`` examples or more from file to file. What is rounded to be coarse (the origin of sums,
    the standardisation before a projection) tells nothing about one example. Errors by which strengths are compared
    end with a file and are not written.

    Heads are another matter: one that was solved between files is solved from all examples so far, and the mean
    of a class with one example is that example. So the heads are not to be written with the sums; they are solved from them. What may
    be written is a head that was solved with ``final``; files with sums are not to be kept beside it.

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
        self._last = -1  # number of the last batch
        self._stretch = 0  # examples since the last file or the last beginning of shared sums

    @property
    def solutions(self) -> tuple[Solution, ...]:
        """In the order in which they joined."""
        return tuple(self._solutions)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Keys of the taps that :meth:`add` needs."""
        return tuple(dict.fromkeys(node for one in self._solutions for node in one.nodes))

    def covers(self, nodes: Sequence[str]) -> bool:
        """Whether all of these taps are summed together."""
        return any(set(nodes) <= set(one.nodes) for one in self._shared)

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
        if not isinstance(solution.source, _Taps):
            return
        shared = solution.source.shared
        read = {node for one in self._solutions if one.source.shared is shared for node in one.nodes}
        if not read:
            self._shared.remove(shared)
        elif read < set(shared.nodes):
            shared.narrow(read)

    @torch.no_grad()
    def add(self, taps: Mapping[str, Tensor], labels: Tensor, number: int | None = None) -> None:
        """A batch, once for all heads; they compare their strengths on it first.

        Args:
            taps: ``(B, width)`` by key of its node, at least of :attr:`nodes`.
            labels: ``(B,)``.
            number: Of the batch, above the last one's; the one after it if left out.

        Raises:
            CandidateError: A number is not finite.
        """
        number = self._last + 1 if number is None else number
        labels, read = labels.cpu(), self._read(taps)
        for solution in self._solutions:
            solution.score(read[solution.nodes], labels)
        self._begin(number)
        for shared in self._shared:
            if shared.moments.begun:
                shared.moments.add(read[shared.nodes], labels, number)
        for solution in self._solutions:
            solution.source.add(read[solution.nodes], labels, number)
        self._last, self._stretch = number, self._stretch + len(labels)

    @property
    def writable(self) -> bool:
        """Whether enough examples came since the last file for another one."""
        unwritten = [self._stretch, *(one.source.moments.unwritten for one in self._solutions)]
        return not any(0 < count < self._least for count in unwritten)

    @property
    def since(self) -> int:
        """Number of the first batch of which some examples were not in the last file, or were not yet labelled there."""
        fresh = [one.moments.fresh_since for one in self._shared]
        fresh += [one.since for one in self._projections]
        return min((one for one in fresh if one is not None), default=self._last + 1)

    @torch.no_grad()
    def checkpoint(self, forget: bool = True) -> dict[str, Tensor]:
        """What is written of the sums; they go on from what can be had again from it. All heads are solved anew.

        A class's examples since its last block are in it if there are ``least`` of them. Others can be had again from the
        batches from :attr:`since` on, where the stream can be read again (:meth:`replay`); where it cannot they are to be
        forgotten, or a stream that was broken off would differ from one that was not. A class with fewer than ``least`` examples
        from file to file is never learned then.

        Args:
            forget: Whether to let go the labels of the examples that are not in it.

        Returns:
            Tensors by name, those of the sums themselves: to be written before the next batch is added.

        Raises:
            ValueError: Not :attr:`writable`.
        """
        if not self.writable:
            raise ValueError(f"too few examples since the last file; at least {self._least}")
        every = [one.moments for one in self._shared] + [one.moments for one in self._projections]
        counts = torch.stack([one.fresh_counts for one in every] or [torch.zeros(self._num_classes)])
        ready = ((counts == 0) | (counts >= self._least)).all(0) & counts.any(0)
        for moments in every:
            moments.settle(ready, forget, self._last)
        for projection in self._projections:
            if forget and not projection.fixed:
                projection.forget()
        self._stretch = 0
        for one in self._solutions:
            one.solve_again()
            try:
                one.refresh()
            except (
                CandidateError
            ):  # it is that head's next refresh that says so, also where the sums were read
                one.solve_again()
        return self._tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> int:
        """Takes over what :meth:`checkpoint` gave, in a new pool which new heads have joined in the order of its :attr:`solutions`.

        Then come :meth:`replay`, unless labels were forgotten, and :meth:`Solution.refresh` of each head.

        Returns:
            Number of the first batch that has to be shown again.

        Raises:
            ValueError: It is of other heads.
        """
        state = json.loads(bytes(tensors["state"].tolist()))
        if len(state["solutions"]) != len(self._solutions):
            raise ValueError(f"sums of {len(state['solutions'])} heads; {len(self._solutions)} joined")
        self._last = state["last"]
        self._shared = []
        for i, one in enumerate(state["shared"]):
            shared = _Shared(one["nodes"], one["widths"], Moments(0, self._num_classes, self._least))
            shared.moments.load(_part(tensors, f"shared/{i}/"), one["total"])
            self._shared.append(shared)
        for i, (solution, one) in enumerate(zip(self._solutions, state["solutions"], strict=True)):
            solution.restore(one)
            if isinstance(solution.source, _Taps):
                solution.source.shared = self._shared[one["shared"]]
            else:
                solution.source.load(_part(tensors, f"projection/{i}/"), **one["projection"])
        return int(state["since"])

    @torch.no_grad()
    def replay(self, taps: Mapping[str, Tensor], labels: Tensor, number: int) -> None:
        """Shows a batch again that had been added before :meth:`checkpoint`; all that :meth:`load` asks for, in order."""
        labels, read = labels.cpu(), self._read(taps)
        for shared in self._shared:
            if shared.moments.begun:
                shared.moments.replay(read[shared.nodes], labels, number)
        for solution in self._solutions:
            if isinstance(solution.source, _Projection):
                solution.source.replay(read[solution.nodes], labels, number)

    @property
    def _projections(self) -> list[_Projection]:
        return [one.source for one in self._solutions if isinstance(one.source, _Projection)]

    def _tensors(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        heads = []
        for i, shared in enumerate(self._shared):
            tensors |= {f"shared/{i}/{name}": one for name, one in shared.moments.tensors().items()}
        for i, solution in enumerate(self._solutions):
            if isinstance(source := solution.source, _Taps):
                heads.append({**solution.state, "shared": self._shared.index(source.shared)})
            else:
                heads.append({**solution.state, "projection": source.state(self._last + 1)})
                tensors |= {f"projection/{i}/{name}": one for name, one in source.tensors().items()}
        shared_ones = [
            {"nodes": one.nodes, "widths": one.widths, "total": one.moments.total} for one in self._shared
        ]
        state = {"last": self._last, "since": self.since, "shared": shared_ones, "solutions": heads}
        return {**tensors, "state": torch.tensor(list(canonical_json(state)), dtype=torch.uint8)}

    def _begin(self, number: int) -> None:
        """Lets new sums begin: what they lack of others' blocks and matrices has to be an aggregate too."""
        new = [one for one in self._shared if not one.moments.begun]
        if not new or 0 < self._stretch < self._least:
            return
        fresh = torch.stack([one.moments.fresh_counts for one in self._shared])
        asleep = ((fresh > 0) & (fresh < self._least)).any(0)
        for one in new:
            one.moments.begin(number, asleep.clone())
        self._stretch = 0

    def _read(self, taps: Mapping[str, Tensor]) -> dict[tuple[str, ...], Tensor]:
        wanted = {one.nodes for one in self._solutions} | {one.nodes for one in self._shared}
        return {nodes: torch.cat([_plain(taps[node]) for node in nodes], 1) for nodes in wanted}

    def _sums_of(self, nodes: Sequence[str], widths: Sequence[int]) -> _Shared:
        covering = [one for one in self._shared if set(nodes) <= set(one.nodes)]
        if covering:
            return max(covering, key=lambda one: one.moments.total)
        made = _Shared(nodes, widths, Moments(sum(widths), self._num_classes, self._least))
        self._shared.append(made)
        return made


def _plain(tap: Tensor) -> Tensor:
    return tap.detach().float().cpu()


def _part(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): one for name, one in tensors.items() if name.startswith(start)}
