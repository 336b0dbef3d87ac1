"""A whole trial of a candidate: assembled, fitted, validated, its new components written.

A trial is a pure function of the candidate, the task's data, the components its genome names, and the
run's seed: any worker may do it, in any order, again, with the same outcome.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.optimism import pack
from evo_mtl.evolution.outcome import OK, Notes, Outcome, Pooled, failed, rejected
from evo_mtl.genome.answer_views import View
from evo_mtl.genome.genome import Genome
from evo_mtl.network.assembly import assemble
from evo_mtl.network.cost import answer_multiply_adds
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.kinds.kind import head_kind, spec_of
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import INPUT, Route
from evo_mtl.network.specs import in_features
from evo_mtl.seeding import generator
from evo_mtl.training import metrics
from evo_mtl.training.answer_views import choose_views
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.calibration import calibrate
from evo_mtl.training.finishing import mix_in_ridge
from evo_mtl.training.fit import Fitted, Found, GivenUp, Member, fit_together
from evo_mtl.training.folds import Fold
from evo_mtl.training.images import TaskImages
from evo_mtl.training.inputs import Gathered, Inputs, Unkept, choose
from evo_mtl.training.kept import frontier
from evo_mtl.training.open_part import OpenPart, Snapshot
from evo_mtl.training.own import own_modules
from evo_mtl.training.prepared import Prepared
from evo_mtl.training.spent import Spent

Write = Callable[[Mapping[str, torch.Tensor], Mapping[str, Any]], str]
"""From tensors and spec to the digest of the component that was written."""


@dataclass(frozen=True)
class Bench:
    """Where trials are done: everything they need that is not part of the candidate.

    Attributes:
        seed: The run's seed.
        layout: The root trunk's normalisation and shapes.
        shared: Frozen components.
        write: Writes a component.
        images: The task's training and validation pixels.
        cache: Kept activations.
        validations: Validations while a child trains.
        keeping: Whether activations of frozen stages are kept; if not, every batch runs the whole route.
        folds: Parts of the training images that are left out in turn; 0 where candidates are not cross-validated.
        work_price: Nats of likelihood that a multiply-add of an answer has to bring.
        spent: Counts seconds by kind of work.
    """

    seed: int
    layout: TrunkLayout
    shared: SharedRoutes
    write: Write
    images: TaskImages
    cache: ArrayCache
    validations: int
    keeping: bool = True
    folds: int = 0
    work_price: float = 0.0
    spent: Spent = field(default_factory=Spent)


GATHERED_BYTES = 2**28
"""What a head reads of all training views is gathered in memory while it is no larger than this."""


def try_candidate(candidate: Candidate, bench: Bench, bars: Sequence[float] = ()) -> Outcome:
    """Fits a candidate and writes what it trained; that it cannot be fitted is an outcome, too.

    Args:
        candidate: What is tried.
        bench: Where.
        bars: For each validation what its best quality so far must be, or it is given up there.
    """

    def attempt() -> Outcome:
        prepared = prepare(candidate, bench)
        return finish(prepared, fit_alone(prepared, bench, bars), prepared.truth, bench)

    return caught(attempt)


def try_group(
    candidates: Sequence[Candidate], bench: Bench, bars: Sequence[Sequence[float]] = ()
) -> list[Outcome]:
    """Fits candidates that :func:`evo_mtl.training.groups.stackable` put together; outcomes in their order.

    Numbers differ in their last bits from those of a candidate tried alone, so the notes of each say who
    was in the group. One that fails or is given up leaves the others as they are.
    """
    bars = bars or [()] * len(candidates)
    if len(candidates) == 1:
        return [try_candidate(candidates[0], bench, bars[0])]
    outcomes: list[Outcome] | None = None
    with forgiving_memory():
        outcomes = _try_together(candidates, bench, bars)
    if outcomes is None:  # outside the block, when what it held is freed
        return [try_candidate(one, bench, each) for one, each in zip(candidates, bars, strict=True)]
    group = tuple(candidate.child for candidate in candidates)
    return [replace(one, notes=replace(one.notes, group=group)) for one in outcomes]


def _try_together(
    candidates: Sequence[Candidate], bench: Bench, bars: Sequence[Sequence[float]]
) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    ready: dict[int, Prepared] = {}
    for place, candidate in enumerate(candidates):
        try:
            ready[place] = prepare(candidate, bench, next(iter(ready.values()), None))
        except CandidateError as error:
            found[place] = Outcome(failed(error))
    if ready:
        fits = _fit(list(ready.values()), bench, [bars[place] for place in ready])
        for (place, prepared), fitted in zip(ready.items(), fits, strict=True):
            found[place] = caught(lambda p=prepared, f=fitted: finish(p, f, p.truth, bench))  # type: ignore[misc]
    return [found[place] for place in range(len(candidates))]


def caught(attempt: Callable[[], Outcome]) -> Outcome:
    """What an attempt gives; a failed outcome if the candidate is at fault or memory ran out."""
    try:
        return attempt()
    except CandidateError as error:
        return Outcome(failed(error))
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return Outcome(failed("out of memory"))


@contextlib.contextmanager
def forgiving_memory() -> Iterator[None]:
    """Leaves the block quietly when memory runs out in it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise


def _out_of_memory(error: Exception) -> bool:
    """On the CPU torch says so only in the message."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)


def prepare(
    candidate: Candidate, bench: Bench, like: Prepared | None = None, fold: Fold | None = None
) -> Prepared:
    """Makes a candidate ready, its head solved.

    Args:
        candidate: Whose trial it is.
        bench: The task's surroundings.
        like: A whole candidate, whose inputs are shared where this one reads the same.
        fold: Fit on some training images and answer the others, instead of the validation images.
    """
    genome = candidate.genome
    route = assemble(genome, bench.layout)
    num_classes = len(bench.images.task.classes)
    own = own_modules(candidate, route, bench.layout, num_classes, bench.seed, bench.shared)
    part = OpenPart(route, own, bench.shared)
    task = bench.images.task
    labels, truth, address = task.train.labels, task.validation.labels, candidate.address
    if like is None or not _read_the_same(route, like.part.route):
        views = genome.views if genome.head.trained else 1
        train = [_inputs(part, genome, bench, bench.images.train(genome, v), views) for v in range(views)]
        validation = _inputs(part, genome, bench, bench.images.validation(genome), views)
    else:
        train, validation = list(like.train), like.validation
    if fold is not None:
        validation, truth = choose(train[0], fold.left), labels[fold.left]
        train, labels = [choose(one, fold.kept) for one in train], labels[fold.kept]
        address = (*address, "fold", fold.number)
    with bench.spent.on("solve"):
        head, taps = part.own["head"], lambda: part.taps(train[0])
        chosen = head_kind(genome.head.kind).ready(head, genome, taps, labels)
    notes = Notes(alpha=chosen.alpha, leave_one_out_error=chosen.leave_one_out_error)
    return Prepared(candidate, part, train, labels, validation, truth, address, notes, fold)


def fit_alone(prepared: Prepared, bench: Bench, bars: Sequence[float] = (), keep_all: bool = False) -> Found:
    """What comes of training, or the solved head as it is; see :func:`evo_mtl.training.fit.fit_together`."""
    if prepared.candidate.genome.head.trained:
        return _fit([prepared], bench, [bars], keep_all)[0]
    with bench.spent.on("validation"):
        logits = prepared.part.all_logits(prepared.validation)
        curve = (_quality(prepared, bench)(logits),)
    own = prepared.part.own
    kept = (Snapshot.take(own, 0, logits),) if keep_all else ()
    return Fitted(curve, 0, logits, (logits.argmax(1),), kept, own)


def _fit(
    prepared: Sequence[Prepared], bench: Bench, bars: Sequence[Sequence[float]], keep_all: bool = False
) -> list[Found]:
    """Trains by gradient descent."""
    members = [
        Member(one.part, one.candidate.genome, generator(bench.seed, *one.address, "order"), asked)
        for one, asked in zip(prepared, bars, strict=True)
    ]
    first = prepared[0]
    with bench.spent.on("open"):
        return fit_together(
            members,
            first.train,
            first.labels,
            first.validation,
            _quality(first, bench),
            bench.validations,
            bench.spent,
            keep_all,
        )


def finish(
    prepared: Prepared,
    fitted: Found,
    truth: np.ndarray,
    bench: Bench,
    copies: Sequence[Prepared] = (),
) -> Outcome:
    """Finishes the head of a fitted candidate, chooses its views, calibrates it and writes its components.

    Args:
        prepared: Its own modules have the weights of the best validation.
        fitted: Its answers, and those of its copies where there are any.
        truth: ``(V,)``, what should have been answered.
        bench: The task's surroundings.
        copies: Fitted without some training images, which they answer; with weights of the same moment.

    Raises:
        CandidateError: It could not be fitted, or a logit is not finite.
    """
    notes = prepared.notes
    if isinstance(fitted, CandidateError):
        raise fitted
    if isinstance(fitted, GivenUp):
        status = rejected(f"below {fitted.bar:.4f} at validation {len(fitted.curve) - 1}")
        return Outcome(status, max(fitted.curve), fitted.curve, notes=notes)
    if prepared.candidate.genome.head.trained:
        notes = replace(notes, best=fitted.best)
    if not np.isfinite(fitted.logits).all():
        raise CandidateError("a validation logit is not a finite number")
    every = (prepared, *copies)
    with bench.spent.on("solve"):
        share, logits = mix_in_ridge(every, fitted.logits, truth)
    views, logits = choose_views(
        prepared.candidate.genome.get("answer_views", 1),
        logits,
        truth,
        lambda view: np.concatenate([_answers(one, view, bench) for one in every]),
        bench.work_price
        * answer_multiply_adds(prepared.candidate.genome, bench.layout, spec_of(prepared.part.own["head"])),
    )
    curve, answers, metric = list(fitted.curve), list(fitted.answers), bench.images.task.metric
    answers[fitted.best] = given = logits.argmax(1)
    curve[fitted.best] = metrics.score(metric, given, truth)
    if copies:
        alone = metrics.score(metric, given[: len(prepared.truth)], prepared.truth)
        notes = replace(notes, pooled=Pooled(len(copies), len(truth), alone))
    notes = replace(
        notes,
        temperature=calibrate(prepared.part.own["head"], logits, truth),
        right=pack([one == truth for one in answers]),
        ridge_share=share,
        views=views,
    )
    return Outcome(OK, curve[fitted.best], tuple(curve), write_own(prepared, bench), notes)


def _answers(prepared: Prepared, view: View, bench: Bench) -> np.ndarray:
    """Logits of a view of the images that a fitted candidate answers."""
    genome, fold = prepared.candidate.genome, prepared.fold
    part = replace(prepared.part, route=assemble(genome, bench.layout, (view,)))
    images = bench.images.validation(genome) if fold is None else bench.images.train(genome, 0)
    inputs = _inputs(part, genome, bench, images, 1)
    with bench.spent.on("validation"):
        return part.all_logits(inputs if fold is None else choose(inputs, fold.left))


def write_own(prepared: Prepared, bench: Bench) -> dict[str, str]:
    """Writes a candidate's own modules; slot to digest."""
    own = prepared.part.own
    with bench.spent.on("archive"):
        return {
            node.slot: bench.write(own[node.slot].state_dict(), spec_of(own[node.slot]))
            for node in prepared.part.route.nodes
            if node.open
        }


def _quality(prepared: Prepared, bench: Bench) -> Callable[[np.ndarray], float]:
    """From logits of the images that are answered to the task's metric."""
    return lambda logits: metrics.score(bench.images.task.metric, logits.argmax(1), prepared.truth)


def _read_the_same(a: Route, b: Route) -> bool:
    """Whether two routes' open parts are run from the same outputs of frozen nodes, or from the input alone."""
    here, there = a.keys(), b.keys()
    return a.frontier == b.frontier and all(here[i] == there[i] for i in a.frontier if i != INPUT)


def _inputs(
    part: OpenPart, genome: Genome, bench: Bench, images: tuple[str, np.ndarray], views: int
) -> Inputs:
    """What an open part is run from for some images; of ``views`` sets of training images, one."""
    key, pixels = images
    if not bench.keeping:
        return Unkept(part.route, pixels, bench.shared.device)
    with bench.spent.on("frozen"):
        kept = frontier(part.route, pixels, key, bench.shared, bench.cache)
        size = 4 * len(pixels) * in_features(genome, bench.layout)
        if set(part.own) != {"head"} or views * size > GATHERED_BYTES:
            return kept
        return Gathered(len(part.route.nodes) - 2, part.taps(kept))
