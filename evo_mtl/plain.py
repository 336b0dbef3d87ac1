"""Records as plain JSON values, and back with every value checked.

A record is a frozen dataclass. All its fields are written, and all must be there when it is read: a default
is for who makes a record in the program, never for what a file leaves out. Nothing is converted in silence:
text is no number, a number with a fraction is no count, an unknown key is refused.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from evo_mtl.documents import complaint, dotted

T = TypeVar("T")

Count = Annotated[int, Field(ge=0, le=2**62)]
"""How many of something, or a place in an order."""
Share = Annotated[float, Field(ge=0, le=1)]
"""Of a whole; a quality is one."""
Work = Annotated[float, Field(ge=0, le=1e30)]
"""Multiply-adds, or parameters divided among those who share them."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""Names content by its SHA-256."""


def plain(record: Any) -> Any:
    """A record as JSON values; :func:`restore` reads them back."""
    return _adapter(type(record)).dump_python(record, mode="json", by_alias=True)  # type: ignore[arg-type]


def restore(kind: type[T], data: Any) -> T:
    """The record that plain data hold.

    Args:
        kind: Of what type it is.
        data: What :func:`plain` gave.

    Raises:
        ValueError: They hold no such record: the dotted key, what was expected and what was met.
    """
    return restore_json(kind, json.dumps(data, allow_nan=False))


def restore_json(kind: type[T], raw: str | bytes) -> T:
    """The record that a JSON text holds; see :func:`restore`."""
    try:
        # read as JSON, where a list may become a tuple while "12" still is no number
        found: T = _reader(kind).validate_json(raw, strict=True, extra="forbid")  # type: ignore[arg-type]
        return found
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            raise ValueError("not JSON") from None
        key, said = complaint(error, json.loads(raw))
        raise ValueError(f"{dotted(key)}: {said}" if key else said) from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _reader(kind: Any) -> SchemaValidator:
    return SchemaValidator(_without_defaults(_adapter(kind).core_schema))


def _without_defaults(schema: Any) -> Any:
    """A validator's schema in which every field must be there."""
    if isinstance(schema, list):
        return [_without_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "default":
        return _without_defaults(schema["schema"])
    return {key: _without_defaults(value) for key, value in schema.items()}
