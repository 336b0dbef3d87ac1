"""The search space: which genomes there are, where a search starts, and what it may spend.

Read from YAML (``search_spaces/*.yaml``) into frozen, checked records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from evo_mtl.documents import Document, Section, laid_over, read_yaml, validate
from evo_mtl.errors import ConfigError
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.genome import Value
from evo_mtl.genome.hyperparameters import IMAGE_HYPERPARAMETERS, check_values, known_hyperparameters
from evo_mtl.genome.sections import (
    AdapterRules,
    Budget,
    Limits,
    LookRules,
    MutationRules,
    Objective,
    OrderedList,
    ParentRules,
    RaceRules,
    RejectionRules,
    SeedCandidate,
    SmallData,
    StageRules,
    StopRule,
    TapRules,
    TrunkChoice,
    check_kind,
)
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.names import DOCUMENT_SUFFIXES
from evo_mtl.registry import suggestion


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
    race: RaceRules = Field(default_factory=RaceRules, description="read in the online regime")
    seeds: tuple[SeedCandidate, ...] = Field(
        min_length=1, description="the candidates that every search of the space begins with"
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for kind in self.heads:
            check_kind(kind, "head")
        for name, listed in self.hyperparameters.items():
            check_values(name, listed.values)
        for seed in self.seeds:
            for name, value in seed.values.items():
                check_values(name, (value,), f"seeds: {seed.name}: ")
            if "image_size" in seed.follow and not self.reads_images:
                raise ValueError(f"seeds: {seed.name}: follow: image_size: trunk.input is {self.trunk.input}")
            if seed.follow and self.looks is None:
                raise ValueError(f"seeds: {seed.name}: follow: the space has no looks to follow")
            if seed.own_from is not None and seed.own_from not in self.stages.own_from:
                raise ValueError(
                    f"seeds: {seed.name}: own_from: {seed.own_from} is not among stages: own_from"
                )
        if self.stages.own_from and self.objective.keep_front:
            raise ValueError(
                "objective: keep_front: where stages follow, none but the route itself can be chosen"
            )
        if self.parents.order == "predicted" and not (self.looks and self.looks.parents):
            raise ValueError("parents: order: predicted: the space looks at no routes (looks: {parents: …})")
        return self

    @model_validator(mode="after")
    def _of_images_alone(self) -> Self:
        """What is said of images is refused where none are read: it would change nothing."""
        if self.reads_images:
            return self
        said = [f"hyperparameters: {name}" for name in self.hyperparameters if name in IMAGE_HYPERPARAMETERS]
        for seed in self.seeds:
            said += [f"seeds: {seed.name}: {name}" for name in seed.values if name in IMAGE_HYPERPARAMETERS]
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
        """Name of the content: equal spaces, equal digests.

        What is as usual is left out, so that a key that a later version adds changes no digest, and runs are still read.
        """
        return digest(canonical_json(self.model_dump(mode="json", exclude_defaults=True)))

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
        unread = set() if self.reads_images else set(IMAGE_HYPERPARAMETERS)
        return {name: self.default(name) for name in known_hyperparameters() if name not in unread}


def check_against_trunk(space: SearchSpace, facts: TrunkFacts, place: object) -> None:
    """Raises ``ConfigError`` when a space asks for stages its trunk has not."""
    limit = facts.num_stages
    for what, least, numbers in (
        ("stages.boundaries", 0, space.stages.boundaries),
        ("stages.depths", 1, space.stages.depths),
        ("stages.own_from", 0, space.stages.own_from),
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
    return validate(SearchSpace, _whole(find_space(name)))


LIKE = "like"
"""The key by which a file of a search space says of which other space it tells but the differences."""


def _whole(path: Path, above: tuple[Path, ...] = ()) -> Document:
    """A file of a search space, laid over the file of the space that it is like.

    Args:
        path: The file.
        above: Files that are laid over it.
    """
    document = read_yaml(path)
    if not isinstance(document.data, dict) or LIKE not in document.data:
        return document
    like, place = document.data.pop(LIKE), document.place(LIKE)
    if not isinstance(like, str):
        raise ConfigError(f"expected the name or the file of a search space, met {like!r}", place)
    if "name" not in document.data:
        raise ConfigError(
            "this key is missing: a space that is like another has a name of its own", document.place("name")
        )
    known = known_spaces()
    base = known.get(like, path.parent / Path(like).expanduser())
    if like not in known and base.suffix not in DOCUMENT_SUFFIXES:
        raise ConfigError(
            f"unknown search space {like!r}{suggestion(like, known)}, or a file that ends in .yaml", place
        )
    if base.resolve() in {one.resolve() for one in (path, *above)}:
        raise ConfigError(f"{like} is like itself", place)
    return laid_over(document, _whole(base, (path, *above)))
