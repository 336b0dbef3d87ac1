"""What is compared: a seed candidate of a space, and the same with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from search.seeds import read_seeds

from evo_mtl.documents import parse, parse_yaml
from evo_mtl.errors import InputError
from evo_mtl.files import canonical_json, digest
from evo_mtl.genome.sections import SeedCandidate
from evo_mtl.genome.space import SearchSpace, read_space
from evo_mtl.learners.fine_tuning import DEFAULT_GRID, read_grid
from evo_mtl.registry import suggestion
from evo_mtl.run.config import override
from evo_mtl.streams.config import StreamConfig, read_stream

AS_IT_IS, FINE_TUNING = "as it is", "fine-tuning"

USUAL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "recipe: that of fine-tuning": {"values": {"views": 1, "batch_size": 32, "epochs": 8}},
        "recipe: mirrored, more views": {"values": {"flip": True, "views": 8}},
        "recipe: not averaged": {"values": {"average": 0.0}},
        "open: all stages": {"depth": None, "open_from": 0},
        "size: a quarter smaller": {"values": {"image_size": 96}},
        "head: last stage alone": {"taps": "last"},
        "head: as it was trained": {"values": {"head_finish": "trained"}},
        "answer: one view": {"values": {"answer_views": 1}},
    }
)
"""One thing at a time, by what it is about."""


@dataclass(frozen=True)
class Asked:
    """All that decides what the rows are.

    Attributes:
        stream: Its tasks; of each the training split alone is read.
        space: Trunk, and values of what nothing is said of.
        candidates: What is trained, by name of its row.
        seeds: Of the split and of all draws.
        parts: One of so many parts of the training images is held out.
        grid: Of fine-tuning; empty where that is not run.
        out: Where rows are kept.
    """

    stream: StreamConfig
    space: SearchSpace
    candidates: Mapping[str, SeedCandidate]
    seeds: Sequence[int]
    parts: int
    grid: str
    out: Path

    @property
    def names(self) -> list[str]:
        """Of the rows of a task and seed."""
        return [*self.candidates, *([FINE_TUNING] if self.grid else [])]

    def digest(self, name: str) -> str:
        """Of all that a row depends on but task and seed."""
        what = self.candidates[name].model_dump(mode="json") if name in self.candidates else self.grid
        return digest(canonical_json([self.space.digest(), self.parts, what]))


def read(options: Any) -> Asked:
    """From options to what is asked for.

    Raises:
        InputError: Whatever is wrong, in one line.
    """
    space = override(read_space(options.space), options.set)
    seeds = {seed.name: seed for seed in space.seeds}
    if options.candidate not in seeds:
        near = suggestion(options.candidate, seeds)
        raise InputError(f"the space has no seed candidate {options.candidate!r}{near}", "--candidate")
    if options.parts < 2:
        raise InputError(f"{options.parts} parts of the training images, of which one is held out", "--parts")
    grid = DEFAULT_GRID if options.grid is None else options.grid
    if grid:
        read_grid(grid)
    base = {**seeds[options.candidate].model_dump(mode="json"), "follow": []}
    changes = dict(map(_change, options.change)) or USUAL
    parsed = {AS_IT_IS: base} | {name: _merged(base, change) for name, change in changes.items()}
    candidates = {name: _checked(space, one, f"--change {name}") for name, one in parsed.items()}
    stream = read_stream(options.tasks)
    if stream.regime != "offline":
        raise InputError("the stream is online; its examples do not stay", options.tasks)
    return Asked(stream, space, candidates, read_seeds(options.seeds), options.parts, grid, options.out)


def _change(text: str) -> tuple[str, Mapping[str, Any]]:
    """``{name: {…}}``."""
    found = parse_yaml(text.encode(), "--change").data
    if not isinstance(found, Mapping) or len(found) != 1:
        raise InputError(f"expected {{NAME: {{…}}}}, met {text!r}", "--change")
    [(name, change)] = found.items()
    if name in (AS_IT_IS, FINE_TUNING) or not isinstance(change, Mapping):
        raise InputError(f"expected a name of its own and a mapping, met {text!r}", "--change")
    return str(name), change


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    values = {**base["values"], **change.get("values", {})}
    return {**base, **change, "values": values}


def _checked(space: SearchSpace, candidate: Mapping[str, Any], place: str) -> SeedCandidate:
    """As a seed candidate of the space, by whose rules it is checked."""
    return parse(SearchSpace, {**space.model_dump(mode="json"), "seeds": [candidate]}, place).seeds[0]
