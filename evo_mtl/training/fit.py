"""Gradient descent on the open part of a candidate, with validation by chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from evo_mtl.errors import CandidateError
from evo_mtl.genome.genome import Genome
from evo_mtl.network.kinds.kind import head_kind, spec_of
from evo_mtl.training.averaging import Average
from evo_mtl.training.descent import Descent, batches, num_steps
from evo_mtl.training.inputs import Gathered, Inputs
from evo_mtl.training.open_part import OpenPart, Snapshot
from evo_mtl.training.optimizers import learning_rates, make_optimizer, set_learning_rate
from evo_mtl.training.spent import Spent
from evo_mtl.training.stacked import StackedDescent


@dataclass(frozen=True)
class Member:
    """One of the candidates that are trained together.

    Attributes:
        part: What is trained.
        genome: Its training hyperparameters.
        rng: Orders its training images.
        bars: For each index of its curve the least that its best so far must be, or it is given up there; 0
            and missing ones ask for nothing.
    """

    part: OpenPart
    genome: Genome
    rng: np.random.Generator
    bars: Sequence[float] = ()


@dataclass(frozen=True)
class Fitted:
    """What training gave.

    Attributes:
        curve: Quality at each validation, the first before any training.
        best: The place in the curve whose weights the own modules now have.
        logits: Their validation logits ``(N, K)``.
        answers: Classes ``(N,)`` that were answered at each validation.
        snapshots: Weights and logits at each validation, where they were asked for.
        own: The modules that the snapshots are of.
    """

    curve: tuple[float, ...]
    best: int
    logits: np.ndarray
    answers: tuple[np.ndarray, ...]
    snapshots: tuple[Snapshot, ...] = ()
    own: Mapping[str, nn.Module] = field(default_factory=dict)

    def rewind(self, place: int) -> None:
        """Puts the weights of another validation into the own modules."""
        self.snapshots[place].restore(self.own)


@dataclass(frozen=True)
class GivenUp:
    """Training that was ended because it was weak.

    Attributes:
        curve: Quality at each validation up to where it ended.
        bar: What the best of them should have reached.
    """

    curve: tuple[float, ...]
    bar: float


Found = Fitted | GivenUp | CandidateError
"""What comes of training."""


def fit(
    part: OpenPart,
    genome: Genome,
    train: Sequence[Inputs],
    labels: np.ndarray,
    validation: Inputs,
    quality: Callable[[np.ndarray], float],
    validations: int,
    rng: np.random.Generator,
) -> Fitted:
    """Trains one open part; see :func:`fit_together`.

    Raises:
        CandidateError: The loss is not finite any more.
    """
    member = Member(part, genome, rng)
    found = fit_together([member], train, labels, validation, quality, validations)[0]
    if isinstance(found, CandidateError):
        raise found
    assert isinstance(found, Fitted)  # it has no bar to fail
    return found


def fit_together(
    members: Sequence[Member],
    train: Sequence[Inputs],
    labels: np.ndarray,
    validation: Inputs,
    quality: Callable[[np.ndarray], float],
    validations: int,
    spent: Spent | None = None,
    keep_all: bool = False,
) -> list[Found]:
    """Trains the members' own modules in place and leaves the snapshot that validated best in them.

    Several members are stacked (:mod:`evo_mtl.training.stacked`): each is trained as if alone, up to rounding.
    One that ends before the others goes on being trained with them, but is no longer looked at, so that the others'
    numbers stay the same to the bit.

    Args:
        members: What is trained; of one open shape, batch size, number of epochs and kind of optimiser.
        train: The training images, one entry for each view; epoch ``e`` uses view ``e`` modulo their number.
        labels: ``(N,)`` of the training images.
        validation: The validation images.
        quality: From validation logits ``(V, K)`` to the task's metric; higher is better.
        validations: Times each is validated, evenly over the steps; the start is validated besides.
        spent: Counts the seconds of validation apart.
        keep_all: Keep a snapshot of every validation, not of the best alone.

    Returns:
        For each member what training gave, that it was given up, or that its loss was not finite when it
        was validated.
    """
    parts, inputs = _condensed([member.part for member in members], [*train, validation])
    genomes = [member.genome for member in members]
    size, epochs = min(genomes[0]["batch_size"], len(labels)), genomes[0]["epochs"]
    total = num_steps(len(labels), size) * epochs
    checks = {math.ceil(total * (i + 1) / validations) for i in range(validations)}
    norm = genomes[0]["norm"] if size > 1 else "eval"
    rates = np.stack([learning_rates(genome, total) for genome in genomes], axis=1)
    targets = torch.tensor(labels, device=parts[0].shared.device)

    averages = [Average(part, genome["average"]) for part, genome in zip(parts, genomes, strict=True)]
    tracks = [
        # With fewer steps than validations, indices of a curve mean something else.
        _Track(
            part,
            average.part,
            inputs[-1],
            quality,
            spent or Spent(),
            member.bars if len(checks) == validations else (),
            keep_all,
        )
        for part, average, member in zip(parts, averages, members, strict=True)
    ]
    for track in tracks:
        track.validate()
    # Last, for it makes the weights of stacked members views.
    way = (
        StackedDescent(parts, genomes, rates) if len(parts) > 1 else _alone(parts[0], genomes[0], rates[:, 0])
    )
    for batch in batches(targets, size, epochs, [member.rng for member in members]):
        if batch.number == 0 or batch.number in checks:
            for part in parts:
                part.train(norm)
        losses = way.step(inputs[batch.epoch % len(train)], batch)
        for average in averages:
            average.follow(batch.number + 1)
        if batch.number + 1 in checks:
            for track, finite in zip(tracks, losses.isfinite().tolist(), strict=True):
                if track.ended is None and finite:
                    track.validate()
                elif track.ended is None:
                    track.ended = CandidateError("the loss is not a finite number")
            if all(track.ended for track in tracks):
                break
    return [track.finish() for track in tracks]


def _alone(part: OpenPart, genome: Genome, rates: np.ndarray) -> Descent:
    """Steps of one open part, with learning rates ``(S,)``."""
    groups = part.groups(genome)
    optimizer = make_optimizer(genome, groups)
    return Descent(
        part.logits,
        optimizer,
        lambda number: set_learning_rate(optimizer, float(rates[number])),
        genome["label_smoothing"],
        genome["clip_norm"],
        [group.parameters for group in groups],
    )


class _Track:
    """One member's curve and best snapshot: of what answers, which may be an average of what is trained."""

    def __init__(
        self,
        part: OpenPart,
        answering: OpenPart,
        validation: Inputs,
        quality: Callable[[np.ndarray], float],
        spent: Spent,
        bars: Sequence[float],
        keep_all: bool,
    ) -> None:
        self._part, self._answering = part, answering
        self._validation, self._quality, self._spent = validation, quality, spent
        self._bars = bars
        self._kept: list[Snapshot] | None = [] if keep_all else None
        self._curve: list[float] = []
        self._answers: list[np.ndarray] = []
        self._best: Snapshot | None = None
        self.ended: GivenUp | CandidateError | None = None

    def validate(self) -> None:
        """A further point of the curve; of equally good ones the last is the best."""
        with self._spent.on("validation"):
            logits = self._answering.all_logits(self._validation)
            self._curve.append(self._quality(logits))
            self._answers.append(logits.argmax(1))
            better = self._best is None or self._curve[-1] >= self._curve[self._best.place]
            if better or self._kept is not None:
                taken = Snapshot.take(self._answering.own, len(self._curve) - 1, logits)
                self._best = taken if better else self._best
                if self._kept is not None:
                    self._kept.append(taken)
        place = len(self._curve) - 1
        if place < len(self._bars) and max(self._curve) < self._bars[place]:
            self.ended = GivenUp(tuple(self._curve), self._bars[place])

    def finish(self) -> Found:
        """Puts the best weights into what was trained."""
        if self.ended is not None:
            return self.ended
        assert self._best is not None
        self._best.restore(self._part.own)
        self._part.eval()
        return Fitted(
            tuple(self._curve),
            self._best.place,
            self._best.logits,
            tuple(self._answers),
            tuple(self._kept or ()),
            self._part.own,
        )


def _condensed(parts: Sequence[OpenPart], inputs: Sequence[Inputs]) -> tuple[list[OpenPart], list[Inputs]]:
    """Where only heads are open, on gathered taps, what they all do first is done once; anything else is left as it is."""
    heads = [part.own["head"] for part in parts if set(part.own) == {"head"}]
    gathered = [each for each in inputs if isinstance(each, Gathered)]
    if len(heads) < len(parts) or len(gathered) < len(inputs):
        return list(parts), list(inputs)
    with torch.no_grad():
        found = head_kind(spec_of(heads[0])["kind"]).condense(heads)
        if found is None:
            return list(parts), list(inputs)
        first, rest = found
        ready = [Gathered(each.place, first(each.matrix)) for each in gathered]
    return [replace(part, own={"head": head}) for part, head in zip(parts, rest, strict=True)], [*ready]
