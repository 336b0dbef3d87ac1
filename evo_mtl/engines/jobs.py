"""What a worker can be asked to do, as plain data; and how it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.copies import Copies, copies_for
from evo_mtl.evolution.looks import LookRequest
from evo_mtl.genome.genome import Genome
from evo_mtl.plain import plain, restore
from evo_mtl.training.cross_validation import try_pooled
from evo_mtl.training.looks import describe, do_look
from evo_mtl.training.sweeps import Sweep, do_sweep
from evo_mtl.training.trial import Bench, forgiving_memory, try_group

Job = Mapping[str, Any]
"""``{"kind": ..., ...}``, all of it JSON."""


def trial_job(
    candidates: Sequence[Candidate], bars: Sequence[Sequence[float]] = (), copies: Copies | None = None
) -> Job:
    """Trials of candidates that are trained together (most often a single one). Gives their outcomes.

    Args:
        candidates: What is tried.
        bars: For each of them what it must reach at each validation, or be given up; none if left out.
        copies: Of components they start from, where the task's candidates are cross-validated.
    """
    data = [plain(candidate) for candidate in candidates]
    job = {"kind": "trial", "candidates": data, "bars": [list(each) for each in bars]}
    return job if copies is None else {**job, "copies": copies_for(candidates, copies)}


def sweep_job(one: Sweep, candidates: Sequence[Candidate]) -> Job:
    """A sweep of one set of pixels through frozen stages; its candidates are named by index. Gives nothing."""
    read = [plain(candidates[place]) for place in one.places]
    return {"kind": "sweep", "view": one.view, "share": one.share, "candidates": read}


def look_job(request: LookRequest, max_images: int) -> Job:
    """A look before anything is trained. Gives what it said, or nothing where it is impossible."""
    return {
        "kind": "look",
        "request": plain(request),
        "max_images": max_images,
    }


def describe_job(genome: Genome, max_images: int) -> Job:
    """The task's descriptor from the root trunk. Gives text, or nothing where it is impossible."""
    return {"kind": "describe", "genome": plain(genome), "max_images": max_images}


def do(job: Job, bench: Bench) -> Any:
    """Does a job; what it gives is plain data."""
    return _WORK[job["kind"]](job, bench)


def _trial(job: Job, bench: Bench) -> Any:
    candidates = _candidates(job)
    if bench.folds:
        outcomes = [try_pooled(candidate, bench, job["copies"]) for candidate in candidates]
    else:
        outcomes = try_group(candidates, bench, job["bars"])
    return [plain(outcome) for outcome in outcomes]


def _sweep(job: Job, bench: Bench) -> Any:
    # A sweep that fails does not end a search: the trials that need it will say what is wrong.
    with contextlib.suppress(CandidateError), forgiving_memory():
        do_sweep(_candidates(job), job["view"], job["share"], bench)


def _look(job: Job, bench: Bench) -> Any:
    request = restore(LookRequest, job["request"])
    with contextlib.suppress(CandidateError), forgiving_memory():
        return plain(do_look(request, job["max_images"], bench))
    return None


def _describe(job: Job, bench: Bench) -> Any:
    with contextlib.suppress(CandidateError), forgiving_memory():
        return describe(restore(Genome, job["genome"]), job["max_images"], bench)
    return None


def _candidates(job: Job) -> list[Candidate]:
    return [restore(Candidate, data) for data in job["candidates"]]


_WORK: Mapping[str, Callable[[Job, Bench], Any]] = MappingProxyType(
    {"trial": _trial, "sweep": _sweep, "look": _look, "describe": _describe}
)
