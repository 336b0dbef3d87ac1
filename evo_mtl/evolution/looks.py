"""Cheap looks: what closed-form heads on frozen stages say about a task before anything is trained for it.

A *look* reads one line of frozen stages (the root trunk's, or another task's route) at one image size, with
a ridge head on each depth alone and one on all of them. They decide the size, depth and parent that a search
begins with, and the order in which other tasks' routes are offered as parents. The journal keeps them, so that
what they said can be compared with what training then gave.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from evo_mtl.evolution.candidate import Candidate, OfTask, OfTurn
from evo_mtl.evolution.descriptors import distances
from evo_mtl.evolution.population import Founder
from evo_mtl.genome.genome import Genome, HeadGene, StageGene, TapGene, frozen
from evo_mtl.genome.hyperparameters import LARGEST_IMAGE
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.plain import Count, Share, Work

MOST_READ = 32
"""Founders whose genomes are read in search of lines worth a look."""


@dataclass(frozen=True)
class LookRequest:
    """A line of frozen stages to look at.

    Attributes:
        parent: ``None`` for the root trunk.
        genome: That line, all frozen, with a ridge head that reads each depth that is looked at.
    """

    parent: OfTask | None
    genome: Genome


@dataclass(frozen=True)
class Look:
    """What one look said; the journal keeps it.

    Attributes:
        parent: As asked.
        image_size: As asked.
        stages: The depths that were read.
        alone: Validation quality of a ridge head on each of them alone.
        together: Of one on all of them.
        num_validation: Validation images that were answered.
        images: Images presented, training and validation.
        multiply_adds: Of the frozen stages and of the heads' solution.
    """

    parent: OfTask | None
    image_size: Annotated[int, Field(ge=0, le=LARGEST_IMAGE)]
    stages: tuple[Count, ...]
    alone: tuple[Share, ...]
    together: Share
    num_validation: Annotated[int, Field(ge=1, le=2**62)]
    images: Count
    multiply_adds: Work

    def __post_init__(self) -> None:
        if len(self.stages) != len(self.alone) or not self.stages:
            raise ValueError("expected a quality for each of the depths that were read, and one at least")

    @property
    def quality(self) -> float:
        """The best that it saw."""
        return max(self.together, *self.alone)

    @property
    def standard_error(self) -> float:
        """Of that quality, if the validation images were drawn again."""
        return math.sqrt(self.quality * (1 - self.quality) / self.num_validation)

    def at(self, depth: int) -> float:
        """What a head saw on the last depth that was read in a line of so many stages; 0 where there is none."""
        inside = [quality for stage, quality in zip(self.stages, self.alone, strict=True) if stage < depth]
        return inside[-1] if inside else 0.0


def root_looks(space: SearchSpace, facts: TrunkFacts) -> tuple[LookRequest, ...]:
    """Looks at the root trunk, at every listed size; none where the space asks for none."""
    if space.looks is None:
        return ()
    sizes = sorted({space.image_size, *space.looks.sizes})
    root = root_line(space, facts)
    return tuple(LookRequest(None, root.at(size)) for size in sizes)


def parent_looks(
    space: SearchSpace, facts: TrunkFacts, founders: Iterable[Founder]
) -> tuple[LookRequest, ...]:
    """Looks at other tasks' routes, at the default size; no more than the space says.

    A route of nothing but root stages would say what the root says, and a line is looked at once, whoever shares
    it. Only a few founders are considered, so that looking costs the same whether ten tasks are archived or ten
    thousand.

    Args:
        space: Says how many.
        facts: The root trunk.
        founders: The most promising first.
    """
    if space.looks is None:
        return ()
    lines: dict[Genome, OfTask] = {}
    for founder in itertools.islice(founders, MOST_READ):
        genome = founder.genome
        if len(lines) == space.looks.parents:
            break
        if genome.adapters or any(gene.component not in facts.components for gene in genome.stages):
            lines.setdefault(line_to_look_at(genome, space, facts), founder.id)
    return tuple(LookRequest(id, line) for line, id in lines.items())


def by_nearness(
    founders: Sequence[Founder], own: str | None, descriptors: Mapping[str, str], rng: np.random.Generator
) -> list[Founder]:
    """Founders, those of the tasks most like this one first.

    Those without a descriptor come last, in random order (all of them do, where the task itself has none); ties
    are broken at random, too.

    Args:
        founders: Routes of other tasks.
        own: The task's descriptor.
        descriptors: Of archived tasks, by name.
        rng: Source of that order.
    """
    shuffled = [founders[place] for place in rng.permutation(len(founders))]
    apart = distances(own, [descriptors.get(founder.task) for founder in shuffled])
    return [shuffled[place] for place in np.argsort(apart, kind="stable")]


def root_line(space: SearchSpace, facts: TrunkFacts) -> Genome:
    """The root trunk as looks read it, at the default size."""
    return _line(tuple(StageGene(component) for component in facts.components), space, facts)


def line_to_look_at(founder: Genome, space: SearchSpace, facts: TrunkFacts) -> Genome:
    """A founder's stages and adapters, ridge heads reading each depth that is looked at."""
    return replace(_line(founder.stages, space, facts), adapters=founder.adapters)


def _line(stages: tuple[StageGene, ...], space: SearchSpace, facts: TrunkFacts) -> Genome:
    depth = len(stages)
    places = sorted({*(i for i in facts.group_ends[1:] if i < depth), depth - 1})
    return Genome(
        root=facts.root,
        boundary=depth,
        stages=frozen(stages),
        adapters=(),
        taps=tuple(TapGene(i) for i in places),
        head=HeadGene("ridge"),
        hyperparameters=tuple(sorted(space.defaults().items())),
    )


@dataclass(frozen=True)
class Looks:
    """All looks of a task; where there are none, nothing follows from them."""

    all: tuple[Look, ...] = ()

    @property
    def images(self) -> int:
        """Images presented in all of them."""
        return sum(look.images for look in self.all)

    @property
    def multiply_adds(self) -> float:
        """Of all of them."""
        return sum(look.multiply_adds for look in self.all)

    @property
    def of_root(self) -> tuple[Look, ...]:
        """Those at the root trunk, smallest size first."""
        return tuple(
            sorted((look for look in self.all if look.parent is None), key=lambda look: look.image_size)
        )

    def image_size(self) -> int | None:
        """The size at which the root trunk sees most; of equals the largest, which gains most from training."""
        best = max(self.of_root, key=lambda look: (look.quality, look.image_size), default=None)
        return None if best is None else best.image_size

    def depth(self, depths: Sequence[int], size: int) -> int | None:
        """The legal depth that ends where the root trunk, read there alone, sees most; of equals the deepest.

        Args:
            depths: Legal numbers of stages.
            size: The image size meant; the nearest that was looked at is read.
        """
        if not self.of_root:
            return None
        look = min(self.of_root, key=lambda one: abs(one.image_size - size))
        return max(depths, key=lambda depth: (look.at(depth), depth), default=None)

    def parent(self) -> OfTask | None:
        """The route of another task that sees most, if clearly more than the root trunk; else ``None``."""
        best = max(self._promising, key=lambda look: look.quality, default=None)
        return None if best is None else best.parent

    def ranked(self, founders: Iterable[Founder]) -> list[Founder]:
        """Founders whose routes clearly see more than the root trunk, the best first.

        Measured on 43 pairs of tasks with 300 images: 9 of 14 children of such routes were better than the
        root trunk's, and 5 of 29 children of the others.
        """
        seen = {look.parent: look.quality for look in self._promising}
        return sorted((one for one in founders if one.id in seen), key=lambda one: (-seen[one.id], one.id))

    @property
    def _promising(self) -> list[Look]:
        """Looks at other routes that saw more than the root trunk at the same size, by more than a standard error."""
        root = {look.image_size: look.quality + look.standard_error for look in self.of_root}
        return [
            look
            for look in self.all
            if look.parent is not None and look.quality > root.get(look.image_size, math.inf)
        ]

    def predicted(self, genome: Genome, line: OfTask | None) -> float | None:
        """What the looks would expect of a genome: the best head they solved on depths that it reads.

        Args:
            genome: Any candidate.
            line: Whose stages it stands on: ``None`` for the root trunk's.
        """
        near = [look for look in self.all if look.parent == line]
        if not near:
            return None
        look = min(near, key=lambda one: abs(one.image_size - genome.image_size))
        reads = {tap.stage for tap in genome.taps}
        seen = [q for stage, q in zip(look.stages, look.alone, strict=True) if stage in reads]
        if len(seen) > 1:
            seen.append(look.together)
        return max(seen, default=None)


def line_of(candidate: Candidate, family: Mapping[OfTurn, Candidate]) -> OfTask | None:
    """Whose stages a candidate stands on: its ancestors are followed to the first one from outside the task.

    Of two parents, the one that gave the lower stages is followed.

    Args:
        candidate: Of a task.
        family: The task's candidates by id.
    """
    parent = candidate.parent
    while isinstance(parent, OfTurn):
        parent = family[parent].parent
    return parent


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; ``None`` where it is not defined.

    References:
        Spearman 1904.

    Example:
        >>> rank_correlation([0.1, 0.2, 0.3], [1.0, 3.0, 2.0])
        0.5
    """
    if len(a) < 3 or len(set(a)) < 2 or len(set(b)) < 2:
        return None
    first, second = _ranks(a), _ranks(b)
    return round(float(np.corrcoef(first, second)[0, 1]), 12)


def _ranks(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    below = (array[:, None] > array[None, :]).sum(1)
    equal = (array[:, None] == array[None, :]).sum(1)
    return below + (equal - 1) / 2
