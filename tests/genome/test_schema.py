"""The JSON Schemas for editors: what the program reads they let pass, what it refuses they refuse where they can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from evo_mtl.documents import json_schema, read_yaml
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.genome.hyperparameters import known_hyperparameters
from evo_mtl.genome.schema import meanings, space_schema
from evo_mtl.genome.space import known_spaces, read_space, spaces_folder
from evo_mtl.streams.config import StreamConfig

SPACE = space_schema(algorithms)
STREAM = json_schema(StreamConfig, "stream")
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults(data: Any, schema: Mapping[str, Any], whole: Mapping[str, Any], place: str = "") -> list[str]:
    """Where ``data`` breaks a schema; knows the words of JSON Schema that the two schemas use."""
    if "$ref" in schema:
        return faults(data, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, place)
    if "anyOf" in schema:
        tried = [faults(data, one, whole, place) for one in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    types = schema.get("type", list(TYPES))
    names = types if isinstance(types, list) else [types]
    if not any(isinstance(data, TYPES[n]) and isinstance(data, bool) <= (n == "boolean") for n in names):
        return [f"{place}: not {names}"]
    if "enum" in schema and data not in schema["enum"]:
        return [f"{place}: not one of {schema['enum']}"]
    if isinstance(data, int | float) and not schema.get("minimum", data) <= data <= schema.get(
        "maximum", data
    ):
        return [f"{place}: out of range"]
    if isinstance(data, list):
        items = schema.get("items", {})
        return [f for i, one in enumerate(data) for f in faults(one, items, whole, f"{place}[{i}]")]
    if not isinstance(data, dict):
        return []
    known, found = schema.get("properties", {}), []
    found += [f"{place}.{key}: missing" for key in schema.get("required", ()) if key not in data]
    for key, value in data.items():
        if key in known:
            found += faults(value, known[key], whole, f"{place}.{key}")
        elif not (rest := schema.get("additionalProperties", True)):
            found.append(f"{place}.{key}: unknown")
        elif isinstance(rest, dict):
            found += faults(value, rest, whole, f"{place}.{key}")
    return found


def test_every_hyperparameter_has_a_meaning_and_nothing_else_has() -> None:
    assert meanings().keys() == known_hyperparameters().keys()


@pytest.mark.parametrize("name", known_spaces())
def test_a_space_that_comes_with_the_program_and_its_full_form_fit_the_schema(name: str) -> None:
    assert faults(read_yaml(known_spaces()[name]).data, SPACE, SPACE) == []
    assert faults(read_space(name).model_dump(mode="json"), SPACE, SPACE) == []


def test_a_stream_that_comes_with_the_program_fits_the_schema() -> None:
    streams = list((spaces_folder() / "streams").glob("*.yaml"))
    assert streams
    for path in streams:
        assert faults(read_yaml(path).data, STREAM, STREAM) == []


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("algorithm", "mu3net", ".algorithm"),
        ("heads", ["linear", "rigde"], ".heads[1]"),
        ("budget", {"childs": 2}, ".budget.childs"),
        ("budget", {"children": 0}, ".budget.children"),
        ("hyperparameters", {"rate": {"values": [1], "default": 1}}, ".hyperparameters.rate"),
        ("hyperparameters", {"momentum": {"values": [2.0], "default": 2.0}}, ".hyperparameters.momentum"),
        (
            "hyperparameters",
            {"optimizer": {"values": ["adam"], "default": "adam"}},
            ".hyperparameters.optimizer",
        ),
        ("seeds", [{"name": "a", "values": {"epochs": 0}}], ".seeds[0].values.epochs"),
    ],
)
def test_a_mistake_is_found_at_its_place(key: str, value: Any, place: str) -> None:
    data = {**read_yaml(known_spaces()["quickstart"]).data, key: value}
    found = faults(data, SPACE, SPACE)
    assert found
    assert all(fault.startswith(place) for fault in found)


def test_every_key_of_both_schemas_says_what_it_means() -> None:
    for schema in (SPACE, STREAM):
        parts = [schema, *schema["$defs"].values()]
        silent = [
            f"{part['title']}.{key}"
            for part in parts
            for key, value in part["properties"].items()
            if not value.get("description")
            and not schema["$defs"].get(str(value.get("$ref")).rpartition("/")[2], {}).get("description")
        ]
        assert silent == []
