"""YAML documents read strictly, with the line of every key kept for messages.

YAML 1.1 has traps (``no`` is False, ``1e-3`` is text, ``010`` is eight, of two equal keys the last
wins). Here ``true`` and ``false`` are the only truth values, ``1e-3`` is a number, what is written
neither as a number nor as a truth value is text, and equal keys are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from evo_mtl.errors import ConfigError
from evo_mtl.files import open_plain
from evo_mtl.registry import suggestion

Key = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 1_000_000
MAX_ALIASES = 32
MAX_NODES = 100_000
MAX_DEPTH = 50


class Section(BaseModel):
    """Base of configuration records: frozen, unknown keys refused, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Document:
    """What a YAML file says, and where it says it.

    Args:
        path: The file, as it was named.
        data: Plain mappings, lists, texts, numbers, truth values and None.
        lines: Line (from 1) of each key path; ``()`` is the document itself.
        beneath: The document that says the rest, where this one was laid over it.
    """

    path: str
    data: Any
    lines: Mapping[Key, int]
    beneath: Document | None = None

    def place(self, *key: str | int) -> str:
        """``file:line: dotted.key``, with the line of the nearest key that is written."""
        if self.beneath is not None and self._leaves(key, self.beneath):
            return self.beneath.place(*key)
        near = key
        while near and near not in self.lines:
            near = near[:-1]
        name = dotted(key)
        return f"{self.path}:{self.lines.get(near, 1)}" + (f": {name}" if name else "")

    def _leaves(self, key: Key, beneath: Document) -> bool:
        """Whether a key is left to the document beneath: the first part of it that is not written here is written there."""
        parts = (key[: length + 1] for length in range(len(key)))
        unwritten = next((part for part in parts if part not in self.lines), None)
        return unwritten is not None and unwritten in beneath.lines


def laid_over(upper: Document, lower: Document) -> Document:
    """A document that says of another what is different: mappings are joined, ``null`` takes a key away, the rest is replaced.

    Example:
        >>> laid_over(parse_yaml(b"{a: {b: 1}, c: null}", "u"), parse_yaml(b"{a: {b: 0, d: 2}, c: 3}", "l")).data
        {'a': {'b': 1, 'd': 2}}
    """
    return Document(upper.path, _joined(upper.data, lower.data), upper.lines, lower)


def _joined(upper: Any, lower: Any) -> Any:
    if not isinstance(upper, Mapping) or not isinstance(lower, Mapping):
        return upper
    found = dict(lower)
    for key, value in upper.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _joined(value, lower.get(key))
    return found


def is_text(text: str) -> bool:
    r"""Whether it can be written as UTF-8: a name from a disk or a JSON file may hold half a character.

    Example:
        >>> is_text("caf\u00e9"), is_text("caf\udce9")
        (True, False)
    """
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def dotted(key: Key) -> str:
    """A key path as text.

    Example:
        >>> dotted(("tasks", 0, "name"))
        'tasks[0].name'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return visible(text.removeprefix("."))


def visible(text: str) -> str:
    r"""Text for one line of a terminal: what is no letter, sign or space is escaped.

    Example:
        >>> visible("cat"), visible("\x1b[2Jcat\n")
        ('cat', '\\x1b[2Jcat\\n')
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class _Loader(yaml.SafeLoader):
    """Composes nodes; only the plain forms listed below have a meaning other than text."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(_Fast):
    """The same by libyaml, where PyYAML was built with it: ten times as fast, with poorer messages."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


_PREFIX = "tag:yaml.org,2002:"
_FORMS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}
for _name, (_form, _first) in _FORMS.items():
    for _letter in _first:
        _Loader.yaml_implicit_resolvers.setdefault(_letter, []).append(
            (_PREFIX + _name, re.compile(f"^(?:{_form})$"))
        )


class _Dumper(yaml.SafeDumper):
    """Puts in quotes whatever is more than text to this reader, or to another one."""

    yaml_implicit_resolvers = {
        letter: [
            *_Loader.yaml_implicit_resolvers.get(letter, []),
            *yaml.SafeDumper.yaml_implicit_resolvers.get(letter, []),
        ]
        for letter in {*_Loader.yaml_implicit_resolvers, *yaml.SafeDumper.yaml_implicit_resolvers}
    }

    def text(self, value: str) -> yaml.ScalarNode:
        """A text; one that does not print as it is, is written with escapes."""
        return self.represent_scalar(_PREFIX + "str", value, style=None if value.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.text)


def dump_yaml(data: Mapping[str, Any]) -> str:
    """The document that :func:`parse_yaml` reads as ``data``: plain values, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def read_yaml(path: str | Path) -> Document:
    """Reads a YAML file strictly.

    Raises:
        ConfigError: No such file, not YAML, a key twice, a tag, too large, too many aliases; names
            file and line.
    """
    name = str(path)
    return parse_yaml(_read_bytes(Path(path).expanduser(), name), name)


def parse_yaml(raw: bytes, name: str) -> Document:
    """The document in ``raw``; ``name`` stands for the file in messages."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError("expected UTF-8 text, met other bytes", f"{name}:{line}") from None
    try:
        node = _composed(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"not valid YAML: {said}", f"{name}:{mark.line + 1 if mark else 1}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]}", name) from None
    if node is None:
        raise ConfigError("the document is empty", name)
    builder = _Builder(name)
    data = builder.build(node, (), 0)
    return Document(name, data, builder.lines)


def _read_bytes(file: Path, name: str) -> bytes:
    if file.is_dir():
        raise ConfigError("expected a YAML file, met a folder", name)
    try:
        with open_plain(file) as handle:
            raw = handle.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = suggestion(file.name, [p.name for p in file.parent.glob("*.y*ml")])
        raise ConfigError(f"no such file{near}", name) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {getattr(error, 'strerror', None) or error}", name) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES:,} bytes", name)
    return raw


def _composed(text: str, name: str) -> yaml.Node | None:
    """The root node; what the fast loader refuses is read by the other one, whose messages are better."""
    try:
        _refuse_bombs(text, name, _FastLoader)
        return yaml.compose(text, Loader=_FastLoader)
    except yaml.YAMLError:
        _refuse_bombs(text, name, _Loader)
        return yaml.compose(text, Loader=_Loader)


def _refuse_bombs(text: str, name: str, loader: Any) -> None:
    count = depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError("nested too deeply", name)
        if isinstance(event, yaml.AliasEvent):
            count += 1
            if count > MAX_ALIASES:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ConfigError(f"more than {MAX_ALIASES} aliases", f"{name}:{line}")


class _Builder:
    """Turns nodes into plain values, remembering lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Key, int] = {}
        self.nodes = 0

    def fail(self, node: yaml.Node, message: str) -> ConfigError:
        return ConfigError(message, f"{self.name}:{node.start_mark.line + 1}")

    def build(self, node: yaml.Node, key: Key, depth: int) -> Any:
        self.lines.setdefault(key, node.start_mark.line + 1)
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:  # also ends an alias to what contains it
            raise self.fail(node, "too many values, or nested too deeply")
        kind = node.tag.removeprefix(_PREFIX)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self.mapping(node, key, depth)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.build(child, key + (i,), depth + 1) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in {*_FORMS, "str"}:
            return self.scalar(node, kind)
        raise self.fail(node, f"the tag {node.tag!r} is not allowed here")

    def mapping(self, node: yaml.MappingNode, key: Key, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _PREFIX + "str":
                raise self.fail(key_node, "expected a key of text; put other keys in quotes")
            word = self.text(key_node)
            if word in out:
                first = self.lines[key + (word,)]
                raise self.fail(key_node, f"key {word!r} is written twice (first in line {first})")
            self.lines[key + (word,)] = key_node.start_mark.line + 1
            out[word] = self.build(value_node, key + (word,), depth + 1)
        return out

    def text(self, node: yaml.ScalarNode) -> str:
        """As it is written; the two halves in which JSON escapes a rare character are joined."""
        try:
            return node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self.fail(node, "half of a character (a lone surrogate)") from None

    def scalar(self, node: yaml.ScalarNode, kind: str) -> Any:
        text = self.text(node)
        if kind == "str":
            return text
        if not re.fullmatch(_FORMS[kind][0], text):
            raise self.fail(node, f"{text!r} is not written as {kind}")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            if len(text) > 30:
                raise self.fail(node, "a number with more than 30 digits")
            return int(text)
        number = math.nan if "n" in text.lower() else float(text)
        if not math.isfinite(number):
            raise self.fail(node, f"expected a finite number, met {text}")
        return number


def validate(model: type[M], document: Document) -> M:
    """The document as a record.

    Raises:
        ConfigError: ``file:line: dotted.key``, what was expected and what was met.
    """
    return _validated(model, document.data, document.place)


def parse(model: type[M], data: Mapping[str, Any], place: object = None) -> M:
    """A record from data that no file stands behind; ``place`` begins the messages."""

    def where(*key: str | int) -> str | None:
        name = dotted(key)
        return f"{place}: {name}" if place is not None and name else name or place  # type: ignore[return-value]

    return _validated(model, data, where)


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema of a document that :func:`validate` reads as ``model``: what an editor completes and checks."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": title,
    }


def _validated(model: type[M], data: Any, where: Any) -> M:
    try:
        # as JSON: there a list may become a tuple while "12" still is no number
        return model.model_validate_json(json.dumps(data, allow_nan=False))
    except (TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise ConfigError(f"not plain data: {error}", where()) from None
        key, said = complaint(error, data, model)
    raise ConfigError(said, where(*key)) from None


def complaint(error: ValidationError, data: Any, model: type[BaseModel] | None = None) -> tuple[Key, str]:
    """Where in some data the first thing is wrong, and what, in one line.

    Args:
        error: What was found.
        data: Plain values.
        model: What they should have been, where that can say which keys are known.
    """
    errors = error.errors(include_url=False)
    # a misspelt key also leaves the right one missing: the unknown key says more
    first = next((e for e in errors if e["type"] in UNKNOWN), errors[0])
    key = _existing(first["loc"], data, first["type"] in {"missing", *UNKNOWN})
    return key, _message(dict(first), model)


def _existing(loc: Key, data: Any, keep_last: bool) -> Key:
    """``loc`` without the names of union branches that pydantic inserts between the keys."""
    out: Key = ()
    for i, part in enumerate(loc):
        named = isinstance(part, str) and isinstance(data, Mapping) and part in data
        numbered = isinstance(part, int) and isinstance(data, (list, tuple)) and part < len(data)
        if named or numbered:
            data = data[part]
        elif not (keep_last and i == len(loc) - 1):
            continue
        out += (part,)
    return out


_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text (put it in quotes)",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "keys and values",
    "dict_type": "keys and values",
    "mapping_type": "keys and values",
    "dataclass_type": "keys and values",
    "none_required": "nothing",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""How a key that is not known is called, in a model and in a dataclass."""


def _message(error: dict[str, Any], model: type[BaseModel] | None) -> str:
    kind, context, met = error["type"], error.get("ctx", {}), shown(error["input"])
    if kind == "missing":
        return "this key is missing"
    if kind in UNKNOWN and model is None:
        return "unknown key"
    if kind in UNKNOWN:
        assert model is not None
        known = _fields(model, error["loc"][:-1])
        near = suggestion(str(error["loc"][-1]), known)
        return f"unknown key{near}; known: {', '.join(known)}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, met {met}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"expected {words} {context[name]:g}, met {met}"
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        allowed = str(context.get("expected") or context.get("expected_tags"))
        near = suggestion(str(error["input"]), re.findall(r"'([^']*)'", allowed))
        return f"expected {allowed}, met {met}{near}"
    if kind == "string_pattern_mismatch":
        return f"expected text of the form {context['pattern']}, met {met}"
    if kind in {"too_short", "too_long"}:
        words = (
            f"at least {context.get('min_length')}"
            if kind == "too_short"
            else f"at most {context.get('max_length')}"
        )
        return f"expected {words} entries, met {context['actual_length']}"
    return str(error["msg"]).removeprefix("Value error, ") + ("" if kind == "value_error" else f", met {met}")


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return visible(text if len(text) <= 60 else text[:57] + "...")


def _fields(model: type[BaseModel], loc: Key) -> list[str]:
    """The known keys of the section at ``loc``."""
    models = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        named = [m for m in models if m.__name__ == part]
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = named or [m for annotation in fields for m in _models(annotation)] or models
    return list(dict.fromkeys(field for m in models for field in m.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
