"""What is inherited and mutated: a frozen description of one route before it is trained.

A genome names weights by the digest of the component they start from; it holds no tensors. A *stage*
is a slot in depth of the trunk, counted from 0. A stage that is *open* may be trained; the others are
shared and frozen. What is trained is the task's own copy, pinned for ever, or *follows* the line of versions
that all tasks which follow train one after another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer

from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.kinds import KINDS, Value, facts_of, listed_kinds
from evo_mtl.plain import Count, Digest, plain

V = TypeVar("V")
Named = Annotated[
    tuple[tuple[str, V], ...],
    BeforeValidator(lambda data: tuple(sorted(data.items())) if isinstance(data, dict) else data),
    PlainSerializer(dict),
]
"""Values by name, sorted; written as a mapping."""


@dataclass(frozen=True)
class StageGene:
    """One stage.

    Attributes:
        component: The weights that it starts from; where it follows, the newest version of its line.
        open: Whether it may be trained.
        follows: Whether what is trained is the line's next version, which every follower answers with from then
            on, instead of a copy of the task's own.
    """

    component: Digest
    open: bool = False
    follows: bool = False


@dataclass(frozen=True, order=True)
class AdapterGene:
    """An adapter behind a stage; ``component`` is ``None`` while it is new, and then changes nothing.

    The settings are those of its kind (:mod:`evo_mtl.genome.kinds`).
    """

    stage: Count
    kind: str
    settings: Named[Value] = ()
    component: Digest | None = None
    open: bool = True


@dataclass(frozen=True, order=True)
class TapGene:
    """A depth that the head reads, pooled to ``grid`` x ``grid``."""

    stage: Count
    grid: Annotated[int, Field(ge=1, le=32)] = 1


@dataclass(frozen=True)
class HeadGene:
    """The end of the route; ``component`` names inherited weights, which a head that is trained may have.

    A head of several lines always has some: the finished head that it is made of, of the kind ``main``, while it is
    new; its own afterwards.
    """

    kind: str = "linear"
    component: Digest | None = None
    main: str = ""

    @property
    def trained(self) -> bool:
        """Whether gradient descent fits it; the other kinds are solved in closed form."""
        return facts_of(self.kind, "head").trained

    @property
    def of_main(self) -> str:
        """Kind of the main path's head, which is the only one where there are no further paths."""
        return self.main or self.kind


@dataclass(frozen=True)
class PathGene:
    """Another finished route that runs beside the main one, frozen (mu4Net): its line and what is read of it."""

    stages: tuple[Digest, ...]
    adapters: tuple[AdapterGene, ...]
    taps: tuple[TapGene, ...]


@dataclass(frozen=True)
class Genome:
    """One candidate's heritable description.

    Attributes:
        root: Digest of the root trunk that it stands on.
        boundary: Stages below it are shared and frozen; from it on a stage may be open.
        stages: The route's stages in depth order; fewer than the trunk's when the route is cut short.
        adapters: Sorted by stage, at most one a stage.
        taps: Sorted; the last stage is always among them.
        head: The route's end.
        hyperparameters: Name and value, sorted by name; every name of the search space.
        rates: Learned probability of each named mutation that was ever decided, sorted by name (mu2Net+).
        paths: Frozen routes beside the main one; then the main one is frozen too (mu4Net).
    """

    root: str
    boundary: Count
    stages: tuple[StageGene, ...]
    adapters: tuple[AdapterGene, ...]
    taps: tuple[TapGene, ...]
    head: HeadGene
    hyperparameters: Named[Value]
    rates: Named[float] = ()
    paths: tuple[PathGene, ...] = ()

    @property
    def depth(self) -> int:
        """Number of stages."""
        return len(self.stages)

    def __getitem__(self, name: str) -> Any:
        """The value of a hyperparameter."""
        for key, value in self.hyperparameters:
            if key == name:
                return value
        raise KeyError(name)

    @property
    def image_size(self) -> int:
        """Side of the images it reads; 0 where its examples are no images."""
        return int(self.get("image_size", 0))

    def at(self, image_size: int) -> Genome:
        """The same for images of a size; itself where its examples are no images."""
        return self.with_values({"image_size": image_size}) if self.image_size else self

    @property
    def views(self) -> int:
        """Sets of training examples that it is trained on; 1 where they cannot be augmented."""
        return int(self.get("views", 1))

    def get(self, name: str, default: Any) -> Any:
        """The value of a hyperparameter, or ``default`` where the search space has none of that name."""
        return dict(self.hyperparameters).get(name, default)

    def with_values(self, values: Mapping[str, Value]) -> Genome:
        """A copy with some hyperparameters replaced."""
        merged = dict(self.hyperparameters) | dict(values)
        return replace(self, hyperparameters=tuple(sorted(merged.items())))

    @property
    def components(self) -> frozenset[str]:
        """Components that it names."""
        found: set[str | None] = {self.head.component, *(gene.component for gene in self.stages)}
        found.update(gene.component for gene in self.adapters)
        for path in self.paths:
            found.update(path.stages, (gene.component for gene in path.adapters))
        return frozenset(component for component in found if component is not None)

    @property
    def first_open(self) -> int:
        """Depth at which training starts: the first open stage or the stage of the first open adapter.

        Equals :attr:`depth` when only the head is fitted.
        """
        places = [i for i, gene in enumerate(self.stages) if gene.open]
        places += [gene.stage for gene in self.adapters if gene.open]
        return min(places, default=self.depth)

    @property
    def own_from(self) -> int:
        """Where the part begins that no other task trains; the boundary where nothing follows."""
        return max((i + 1 for i, gene in enumerate(self.stages) if gene.follows), default=self.boundary)

    def digest(self) -> str:
        """Name of the content: equal genomes, equal digests, in any process."""
        return digest(canonical_json(plain(self)))


def line_name(root: str, stage: int) -> str:
    """What the line of versions that a stage of a root trunk may follow is called."""
    return f"{root}/{stage}"


def path_of(genome: Genome) -> PathGene | None:
    """A route's main path, frozen; ``None`` where weights of it are still to be trained."""
    if any(gene.component is None for gene in genome.adapters):
        return None
    return PathGene(
        stages=tuple(gene.component for gene in genome.stages),
        adapters=tuple(replace(gene, open=False) for gene in genome.adapters),
        taps=genome.taps,
    )


def lines(genome: Genome) -> tuple[PathGene, ...]:
    """Every path of a route, the main one first; empty where weights of it are still to be trained."""
    main = path_of(genome)
    return () if main is None else (main, *genome.paths)


def renamed(genome: Genome, names: Mapping[str, str]) -> Genome:
    """The genome on other components in the place of some that it names."""

    def adapter(gene: AdapterGene) -> AdapterGene:
        return gene if gene.component is None else replace(gene, component=other(gene.component))

    def other(component: str) -> str:
        return names.get(component, component)

    head = genome.head
    return replace(
        genome,
        stages=tuple(replace(gene, component=other(gene.component)) for gene in genome.stages),
        adapters=tuple(map(adapter, genome.adapters)),
        head=head if head.component is None else replace(head, component=other(head.component)),
        paths=tuple(
            replace(path, stages=tuple(map(other, path.stages)), adapters=tuple(map(adapter, path.adapters)))
            for path in genome.paths
        ),
    )


SOLVED_READS = ("image_size",)
"""Hyperparameters that every head solved in closed form depends on; its kind may read others."""


def solved_reads(head: HeadGene) -> tuple[str, ...]:
    """Hyperparameters that a head solved in closed form depends on."""
    return (*SOLVED_READS, *facts_of(head.kind, "head").hyperparameters)


def essence(genome: Genome) -> str:
    """Digest of what decides a genome's outcome where nothing is trained by gradient descent.

    Two solved heads on the same taps of the same frozen stages are the same candidate, whatever
    learning rate they carry. A trained genome is itself.
    """
    if genome.head.trained:
        return genome.digest()
    content = plain(replace(genome, boundary=0, rates=()))
    content["hyperparameters"] = {name: genome.get(name, 0) for name in solved_reads(genome.head)}
    for gene in (*content["stages"], *content["adapters"]):
        gene["open"] = False
    for gene in content["stages"]:
        gene["follows"] = False
    return digest(canonical_json({**content, "head": genome.head.kind}))


def illegality(genome: Genome) -> str | None:
    """What is wrong with a genome, in words; ``None`` for a legal one."""
    if not genome.stages:
        return "a route needs at least one stage"
    if not 0 <= genome.boundary <= genome.depth:
        return f"boundary {genome.boundary} lies outside 0 … {genome.depth}"
    if any(gene.open for gene in genome.stages[: genome.boundary]):
        return "a stage below the boundary is open"
    if any(gene.follows and not gene.open for gene in genome.stages):
        return "a stage that is frozen follows"
    if any(gene.open and not gene.follows for gene in genome.stages[: genome.own_from]):
        return "a stage follows above one of the task's own"
    places = [gene.stage for gene in genome.adapters]
    if places != sorted(set(places)) or any(not 0 <= place < genome.depth for place in places):
        return "adapters must be sorted, one a stage, inside the route"
    if any(gene.stage < genome.boundary - 1 for gene in genome.adapters if gene.open):
        return "an open adapter lies below the boundary"
    if list(genome.taps) != sorted(set(genome.taps)) or not genome.taps:
        return "taps must be sorted, distinct and at least one"
    if genome.taps[-1].stage != genome.depth - 1:
        return "the last stage must be read by the head"
    if genome.head.kind not in KINDS or KINDS.get(genome.head.kind).role != "head":
        return f"unknown head {genome.head.kind!r}"
    return _illegality_of_paths(genome)


def _illegality_of_paths(genome: Genome) -> str | None:
    heads = listed_kinds("head")
    if bool(genome.paths) == (genome.head.kind in heads):
        return "a route has further paths exactly when its head reads several"
    if genome.paths and (genome.head.component is None or genome.head.main not in heads):
        return "a head of several paths is made of a finished head"
    if genome.paths and genome.first_open < genome.depth:
        return "beside further paths nothing is open but the head"
    for path in genome.paths:
        depth = len(path.stages)
        if any(gene.component is None or gene.open or gene.stage >= depth for gene in path.adapters):
            return "a further path is frozen, its adapters lie inside it"
        if not path.taps or list(path.taps) != sorted(set(path.taps)) or path.taps[-1].stage >= depth:
            return "the taps of a further path must be sorted, distinct, at least one, inside it"
    return None


def frozen(stages: Iterable[StageGene]) -> tuple[StageGene, ...]:
    """Stages as they are, none of them open."""
    return tuple(StageGene(gene.component) for gene in stages)


def as_founder(genome: Genome) -> Genome:
    """A route of another task as a starting point: everything shared and frozen, the head new.

    Gesmundo 2022: a component that another retained route uses is never trainable, and a head is
    inherited only inside a task. Of a route with several paths it is the main one. What follows there is
    frozen here, at the version with which that route was archived.
    """
    return replace(
        genome,
        boundary=genome.depth,
        stages=frozen(genome.stages),
        adapters=tuple(replace(gene, open=False) for gene in genome.adapters),
        head=HeadGene(genome.head.of_main),
        paths=(),
    )


def locked(genome: Genome, components: Collection[str]) -> Genome:
    """A task's own route as a parent again: what it now shares with other retained routes is frozen.

    Gesmundo 2022: a component is trainable only while no retained route of another task uses it. What follows is
    trained on by all who follow, and goes on following.
    """
    return replace(
        genome,
        stages=tuple(
            gene if gene.follows or gene.component not in components else StageGene(gene.component)
            for gene in genome.stages
        ),
        adapters=tuple(
            replace(gene, open=gene.open and gene.component not in components) for gene in genome.adapters
        ),
    )


def settle(genome: Genome, trained: Mapping[str, str]) -> Genome:
    """The genome after training: open slots name the components that training wrote.

    Args:
        genome: As it was before training.
        trained: Slot (``"stage:3"``, ``"adapter:5"``, ``"head"``) to component digest.
    """
    return replace(
        genome,
        stages=tuple(
            replace(gene, component=trained.get(f"stage:{i}", gene.component))
            for i, gene in enumerate(genome.stages)
        ),
        adapters=tuple(
            replace(gene, component=trained.get(f"adapter:{gene.stage}", gene.component))
            for gene in genome.adapters
        ),
        head=replace(genome.head, component=trained.get("head", genome.head.component)),
    )
