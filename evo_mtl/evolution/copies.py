"""Which weights a task has already trained, and their copies that were fitted without some of its images.

A copy of a child must not start from weights that have learned the images it is to answer
(:mod:`evo_mtl.training.cross_validation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.genome.genome import Genome, renamed

Copies = Mapping[str, Sequence[str]]
"""A component that the task trained, to its copies, one for each part left out; empty where there are none."""


def known_copies(evaluations: Iterable[Evaluation], former: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Components that a task has trained so far, each with its copies.

    Args:
        evaluations: Of the task's turn, committed.
        former: Components that it trained in an earlier search.
    """
    found: dict[str, tuple[str, ...]] = dict.fromkeys(former, ())
    for evaluation in evaluations:
        started = evaluation.candidate.genome.components
        for slot, component in evaluation.trained.items():
            if component not in started:  # weights that training left as they were are not new
                found[component] = tuple(copy[slot] for copy in evaluation.notes.copies)
    return found


def copies_for(candidates: Iterable[Candidate], known: Copies) -> dict[str, tuple[str, ...]]:
    """Those of all known copies that some candidates need."""
    wanted = set().union(*(candidate.genome.components for candidate in candidates))
    return {component: tuple(known[component]) for component in sorted(wanted & known.keys())}


def copy_of(genome: Genome, copies: Copies, part: int) -> Genome:
    """The genome on the weights that were fitted without a part.

    Args:
        genome: Names components; those without copies stay.
        copies: None of them empty.
        part: Which.
    """

    return renamed(
        genome, {component: copies[component][part] for component in genome.components & copies.keys()}
    )
