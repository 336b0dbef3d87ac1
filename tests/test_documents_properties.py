"""What holds for every YAML document, well-formed or not: hypothesis writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from evo_mtl.documents import Document, dump_yaml, parse, parse_yaml, validate
from evo_mtl.errors import ConfigError
from evo_mtl.genome.space import SearchSpace, known_spaces, read_space, spaces_folder
from evo_mtl.streams.config import StreamConfig

often = settings(
    max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TRAPS = [
    "no",
    "yes",
    "010",
    "1e3",
    "12:30",
    "~",
    "null",
    "True",
    "2021-01-01",
    "-",
    "1_000",
    "",
    "=",
    "<<",
    "0E0",
    "\x85",
    "\u2028x",
    "\x1b[2J",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.sampled_from(TRAPS),
)
NAMES = TEXT | st.sampled_from(TRAPS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(NAMES, VALUES, max_size=5)
PIECES = [
    "a: ",
    "b:",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&x ",
    "*x",
    "!!int ",
    "!!python/name:os ",
    "<<: ",
    "? ",
    "| ",
    "\n",
]
PIECES += [
    "\n  ",
    "'",
    '"',
    "\\",
    "#",
    "---\n",
    "%YAML 1.1\n",
    "1e999",
    ".nan",
    "\t",
    "\x00",
    "\ufeff",
    "\x85",
    "é",
]


def refused_in_one_line(error: ConfigError, name: str) -> None:
    assert str(error).startswith(name)
    assert len(str(error).splitlines()) == 1


def read(raw: bytes) -> Document | None:
    """What a document says; ``None`` where it is refused in one line. Anything else would be a fault."""
    try:
        document = parse_yaml(raw, "a.yaml")
    except ConfigError as error:
        refused_in_one_line(error, "a.yaml")
        return None
    json.dumps(document.data, allow_nan=False)
    return document


def validated(model: type[BaseModel], document: Document | None) -> None:
    if document is not None:
        try:
            validate(model, document)
        except ConfigError as error:
            refused_in_one_line(error, "a.yaml")


@often
@given(MAPPINGS)
def test_what_json_says_is_read_as_the_same_values(data: dict[str, Any]) -> None:
    assert parse_yaml(json.dumps(data).encode(), "a.yaml").data == data


@often
@given(MAPPINGS)
def test_what_is_written_is_read_as_the_same_values_with_a_line_for_each_key_in_order(
    data: dict[str, Any],
) -> None:
    document = parse_yaml(dump_yaml(data).encode(), "a.yaml")
    assert document.data == data
    assert list(document.data) == list(data)
    assert {key for key in document.lines if len(key) == 1} == {(name,) for name in data}
    lines = [document.lines[name,] for name in data]
    assert lines == sorted(lines)


@often
@given(MAPPINGS)
def test_what_is_written_says_the_same_to_other_readers(data: dict[str, Any]) -> None:
    assert yaml.safe_load(dump_yaml(data)) == data


@often
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from(PIECES) | TEXT, max_size=12).map(lambda p: "".join(p).encode())
)
def test_no_bytes_give_anything_but_plain_values_or_one_line(raw: bytes) -> None:
    document = read(raw)
    for model in (SearchSpace, StreamConfig):
        validated(model, document)


def shipped(pattern: str) -> list[Path]:
    found = sorted(spaces_folder().glob(pattern))
    assert found
    return found


@often
@given(st.sampled_from(shipped("*.yaml") + shipped("streams/*.yaml")), st.data())
def test_no_damage_to_a_shipped_document_gives_anything_but_a_record_or_one_line(
    path: Path, data: st.DataObject
) -> None:
    raw = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.sampled_from([0, 1, 5, 40]))
        new = data.draw(st.sampled_from(PIECES + TRAPS).map(str.encode) | st.binary(max_size=2))
        raw = raw[:at] + new + raw[at + cut :]
    validated(SearchSpace if path.parent == spaces_folder() else StreamConfig, read(raw))


@pytest.mark.parametrize("name", sorted(known_spaces()))
def test_a_space_that_is_written_as_yaml_is_read_as_the_same_space(name: str) -> None:
    space = read_space(name)
    raw = dump_yaml(space.model_dump(mode="json")).encode()
    assert validate(SearchSpace, parse_yaml(raw, "a.yaml")) == space


@often
@given(st.data())
def test_no_value_of_any_key_gives_anything_but_a_record_or_one_line_that_names_the_key(
    data: st.DataObject,
) -> None:
    space = read_space("small").model_dump(mode="json")
    key = data.draw(st.sampled_from(sorted(space)))
    inner = space[key]
    value = data.draw(VALUES)
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        value = {**inner, data.draw(st.sampled_from(sorted(inner))): value}
    try:
        parse(SearchSpace, {**space, key: value}, "a space")
    except ConfigError as error:
        refused_in_one_line(error, "a space")
