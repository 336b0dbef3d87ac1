"""Inputs made to be wrong: documents, journals, components and images, changed at random by an address."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 10**4, 10**6, 2**31, 2**63, 10**30, 0.5, -0.0, 1e-300, 1e308),
    *(
        "",
        "x",
        "one",
        "two",
        "image",
        "0" * 64,
        "f" * 64,
        "../../../x",
        "/dev/zero",
        "a\0b",
        "\x1b[2J",
        "\ud800",
    ),
    *(
        "python:no_such_module:make",
        "folder:.",
        "npz:/dev/zero",
        "1e-3",
        "no",
        "ridge",
        "stage",
        "head",
        "x" * 5000,
    ),
    *([], {}, [[]], [0], [None], [-1], {"x": 1}, [1] * 2000, {"kind": "head"}, [[[[[[]]]]]]),
)


def paths(tree: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of a JSON value, its own among them."""
    yield here
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield from paths(value, (*here, key))


def changed(tree: Any, rng: random.Random, times: int = 1) -> Any:
    """A JSON value with some of its parts replaced, removed, doubled, swapped or added."""
    tree = copy.deepcopy(tree)
    for _ in range(times):
        places = list(paths(tree))[1:]
        if not places:
            return rng.choice(STRANGE)
        *above, key = rng.choice(places)
        holder = _at(tree, above)
        if isinstance(holder, list):
            _change_list(holder, key, tree, places, rng)
        else:
            _change_map(holder, key, tree, places, rng)
    return tree


def _at(tree: Any, path: Any) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _other(value: Any, tree: Any, places: list[Any], rng: random.Random) -> Any:
    """Something else in the place of a value: strange, near, or from elsewhere in the tree."""
    way = rng.randrange(4)
    if way == 0 and isinstance(value, int | float) and not isinstance(value, bool):
        return rng.choice([value + 1, value - 1, -value, value * 1000, float(value), str(value)])
    if way == 1:
        return copy.deepcopy(_at(tree, rng.choice(places)))
    if way == 2 and isinstance(value, str) and value:
        at = rng.randrange(len(value))
        return rng.choice(
            [value[:at], value[at:], value + value, value[:at] + "\u202e" + value[at:], [value]]
        )
    return copy.deepcopy(rng.choice(STRANGE))


def _change_list(holder: list[Any], at: int, tree: Any, places: list[Any], rng: random.Random) -> None:
    way = rng.randrange(5)
    if way == 0:
        del holder[at]
    elif way == 1:
        holder.insert(at, copy.deepcopy(holder[at]))
    elif way == 2:
        other = rng.randrange(len(holder))
        holder[at], holder[other] = holder[other], holder[at]
    else:
        holder[at] = _other(holder[at], tree, places, rng)


def _change_map(holder: dict[Any, Any], key: Any, tree: Any, places: list[Any], rng: random.Random) -> None:
    way = rng.randrange(6)
    if way == 0:
        del holder[key]
    elif way == 1:
        holder[rng.choice(["x", key + "s", "kind", "name", ""])] = _other(holder[key], tree, places, rng)
    else:
        holder[key] = _other(holder[key], tree, places, rng)


def flipped(raw: bytes, rng: random.Random) -> bytes:
    """Bytes with some changed, lost, doubled or put in."""
    out = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at, length = rng.randrange(len(out) + 1), rng.choice([1, 1, 2, 4, 50])
        way = rng.randrange(5)
        if way == 0:
            out[at : at + length] = rng.randbytes(length)
        elif way == 1:
            del out[at : at + length]
        elif way == 2:
            out[at:at] = out[at : at + length]
        elif way == 3:
            out[at : at + length] = rng.choice([b"\0", b"\xff", b"["]) * length
        else:
            del out[max(at, 1) :]
    return bytes(out)


def yaml_document(text: str, rng: random.Random) -> bytes:
    """A YAML document with wrong values, or with wrong letters."""
    if rng.random() < 0.3:
        return flipped(text.encode(), rng)
    wrong = changed(yaml.safe_load(text), rng, rng.choice([1, 1, 2, 4]))
    return yaml.safe_dump(wrong, sort_keys=False).encode(errors="replace")


def canonical(value: Any) -> bytes:
    """The bytes in which a journal holds a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def chained(bodies: list[Any]) -> bytes:
    """A journal of these lines, each with the digests that it would have if the program had written it."""
    lines, previous = [], "0" * 64
    for index, body in enumerate(bodies):
        line = {**body, "index": index, "previous": previous} if isinstance(body, dict) else {"x": body}
        line.pop("check", None)
        previous = hashlib.sha256(canonical(line)).hexdigest()
        lines.append(canonical({**line, "check": previous}) + b"\n")
    return b"".join(lines)


def journal(raw: bytes, rng: random.Random) -> bytes:
    """A journal whose chain is right and whose lines are not: values, order, number."""
    bodies = [json.loads(line) for line in raw.splitlines()]
    at = rng.randrange(len(bodies))
    way = rng.randrange(10)
    if way == 0:
        del bodies[at]
    elif way == 1:
        bodies.insert(rng.randrange(len(bodies)), copy.deepcopy(bodies[at]))
    elif way == 2:
        del bodies[at:]
    else:
        bodies[at] = changed(bodies[at], rng, rng.choice([1, 1, 1, 3]))
    return chained(bodies)


def component(raw: bytes, rng: random.Random) -> bytes:
    """A component whose spec, tensors' names, shapes and types, or bytes are wrong."""
    size = struct.unpack("<Q", raw[:8])[0]
    header, rest = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    way = rng.randrange(6)
    if way == 0:
        rest = flipped(rest, rng)
    elif way == 1:
        header = changed(header, rng)
    elif way == 2:
        names = [name for name in header if name != "__metadata__"] or [""]
        name, other = rng.choice(names), rng.choice(names)
        shape = header.get(other, {}).get("shape", [1])
        header[name + rng.choice(["", "x"])] = {**header.pop(name, {}), "shape": shape}
    else:
        spec = json.loads(header["__metadata__"]["spec"])
        header["__metadata__"]["spec"] = canonical(changed(spec, rng, rng.choice([1, 1, 2]))).decode()
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + rest


def with_component(run: Path, change: Callable[[bytes], bytes], rng: random.Random) -> None:
    """A component of a run in the place of which another one stands, named by its digest as the journal is."""
    old = rng.choice(sorted((run / "components").glob("??/*.safetensors")))
    raw = change(old.read_bytes())
    name = hashlib.sha256(raw).hexdigest()
    new = run / "components" / name[:2] / f"{name}.safetensors"
    new.parent.mkdir(exist_ok=True)
    old.unlink()
    new.write_bytes(raw)
    text = (run / "journal.jsonl").read_text().replace(old.stem, name)
    (run / "journal.jsonl").write_bytes(chained([json.loads(line) for line in text.splitlines()]))
