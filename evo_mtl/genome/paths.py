"""Routes of several paths: a finished route runs beside other finished ones, all frozen (mu4Net).

The *main path* is a finished candidate with its head. Further paths are lines of stages, adapters and taps
of other routes, run at the main path's image size. Only what joins them is trained: the head (see
:mod:`evo_mtl.network.kinds.multipath`).

References:
    Gesmundo 2023, Multipath agents for modular multitask ML systems (mu4Net).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from evo_mtl.genome.genome import SOLVED_READS, Genome, HeadGene, PathGene, Value, frozen, path_of
from evo_mtl.genome.kinds import KINDS, listed_kinds


def held(genome: Genome) -> tuple[str, ...]:
    """Hyperparameters that stay as they are: while a finished head is part of another, those that any head reads."""
    if not genome.paths:
        return ()
    return (
        *SOLVED_READS,
        *(name for kind in listed_kinds("head") for name in KINDS.get(kind).hyperparameters),
    )


def with_paths(genome: Genome, others: Iterable[PathGene], most: int) -> Genome | None:
    """A finished route beside others.

    A line is left out if everything it reads is read already.

    Args:
        genome: Settled and of a single path; not changed.
        others: Lines that may run beside it, the preferred ones first.
        most: Paths at most, the main one counted.

    Returns:
        The route of several paths; ``None`` if the genome is not finished or no line adds anything new.
    """
    main = path_of(genome)
    if main is None or genome.paths or genome.head.component is None:
        return None
    chosen: list[PathGene] = []
    read = _reads(main)
    for line in others:
        if len(chosen) + 1 == most:
            break
        if not _reads(line) <= read:
            chosen.append(line)
            read |= _reads(line)
    if not chosen:
        return None
    return replace(
        genome,
        boundary=genome.depth,
        stages=frozen(genome.stages),
        adapters=main.adapters,
        head=HeadGene("multipath", genome.head.component, genome.head.kind),
        paths=tuple(chosen),
    )


def drop_path(genome: Genome) -> Genome:
    """The route without the path that was added last; two paths always remain."""
    return replace(genome, paths=genome.paths[:-1]) if len(genome.paths) > 1 else genome


def with_values(genome: Genome, values: Mapping[str, Value]) -> Genome:
    """A copy with some hyperparameters replaced, but for those that are :func:`held`."""
    fixed = held(genome)
    return genome.with_values({name: value for name, value in values.items() if name not in fixed})


def _reads(path: PathGene) -> set[tuple[object, ...]]:
    """What each tap of a path reads: the components it is computed from, and the grid."""
    adapters = {gene.stage: gene.component for gene in path.adapters}
    chain = [(component, adapters.get(i)) for i, component in enumerate(path.stages)]
    return {(*chain[: tap.stage + 1], tap.grid) for tap in path.taps}
