"""Claims about strict YAML and its messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from evo_mtl.documents import Section, parse, parse_yaml, read_yaml, validate
from evo_mtl.errors import ConfigError


class Leaf(Section):
    name: str
    rate: float = 0.1
    count: Annotated[int, Field(ge=1)] = 1
    on: bool = False
    kind: Literal["small", "large"] = "small"


class Root(Section):
    title: str
    leaves: tuple[Leaf, ...]
    extra: Leaf | None = None


def root(text: str) -> Root:
    return validate(Root, parse_yaml(text.encode(), "a.yaml"))


def test_numbers_with_exponents_are_numbers_and_yaml_traps_are_text() -> None:
    text = "a: 1e-3\nb: 1e3\nc: no\nd: 12:30\ne: '1'\nf: 010\ng: 2021-01-01\nh: true\ni: 12\nj:\nk: -1.5\n"
    data = parse_yaml(text.encode(), "a.yaml").data
    assert data == {
        "a": 0.001, "b": 1000.0, "c": "no", "d": "12:30", "e": "1", "f": "010",
        "g": "2021-01-01", "h": True, "i": 12, "j": None, "k": -1.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "a.yaml:2: key 'a' is written twice (first in line 1)"),
        ("a:\n  - !!python/name:os.system x", "a.yaml:2: the tag"),
        ("a: .inf", "a.yaml:1: expected a finite number, met .inf"),
        ("a: 1e999", "a.yaml:1: expected a finite number"),
        ("a: [1", "a.yaml:1: not valid YAML"),
        ("a: 1\n\tb: 2", "a.yaml:2: not valid YAML"),
        ("1: a", "a.yaml:1: expected a key of text"),
        ("a: 1\n---\nb: 2", "a.yaml:2: not valid YAML"),
        ("", "a.yaml: the document is empty"),
        ("a: &x [*x]", "a.yaml:1: too many values, or nested too deeply"),
        ("[" * 3000, "a.yaml: nested too deeply"),
        ("a: &x [1]\nb: [" + "*x, " * 40 + "]", "a.yaml:2: more than 32 aliases"),
        ("a: !!int x", "a.yaml:1: 'x' is not written as int"),
        ("a: \x00", "a.yaml: not valid YAML"),
        ('a: 1\nb: "\\ud800"', "a.yaml:2: half of a character"),
        ('"\\udc00": 1', "a.yaml:1: half of a character"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text.encode(), "a.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_expanding_aliases_end_in_an_error_and_not_in_memory() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 3)}]" for i in range(1, 10)]
    with pytest.raises(ConfigError, match="too many values"):
        parse_yaml("\n".join(lines).encode(), "a.yaml")


def test_a_missing_file_a_folder_other_bytes_and_a_huge_file_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "stream.yaml").write_bytes(b"a: 1\nb: \xff\n")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    for path, message in [
        (tmp_path / "strean.yaml", 'no such file (did you mean "stream.yaml"?)'),
        (tmp_path, "expected a YAML file, met a folder"),
        (tmp_path / "stream.yaml", ":2: expected UTF-8 text"),
        (tmp_path / "huge.yaml", "larger than"),
    ]:
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: a\nleaves:\n- nam: b\n", 'a.yaml:3: leaves[0].nam: unknown key (did you mean "name"?); known: name'),
        ("title: a\nleafs: []\n", 'a.yaml:2: leafs: unknown key (did you mean "leaves"?); known: title, leaves, extra'),
        ("title: a\n", "a.yaml:1: leaves: this key is missing"),
        ("title: a\nleaves:\n- {name: b,\n   rate: fast}", 'a.yaml:4: leaves[0].rate: expected a number, met "fast"'),
        ('title: a\nleaves: [{name: b, count: "12"}]', 'expected a whole number, met "12"'),
        ("title: a\nleaves: [{name: b, count: 1.0}]", "leaves[0].count: expected a whole number, met 1.0"),
        ("title: a\nleaves: [{name: b, count: 0}]", "leaves[0].count: expected at least 1, met 0"),
        ("title: a\nleaves: [{name: b, on: yes}]", 'leaves[0].on: expected true or false, met "yes"'),
        ("title: a\nleaves: [{name: b, on: 1}]", "expected true or false, met 1"),
        ("title: 3\nleaves: []", "title: expected text (put it in quotes), met 3"),
        ("title: a\nleaves: b", 'leaves: expected a list, met "b"'),
        ("title: a\nleaves: [b]", 'leaves[0]: expected keys and values, met "b"'),
        ("- a", "a.yaml:1: expected keys and values, met"),
        ("title: a\nleaves: [{name: b, kind: smal}]", "expected 'small' or 'large', met \"smal\" (did you mean \"small\"?)"),
        ("title: a\nleaves: []\nextra: {nam: a}", 'extra.nam: unknown key (did you mean "name"?)'),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_line_key_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        root(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whole_numbers_serve_as_numbers_and_lists_as_tuples() -> None:
    made = root("title: a\nleaves: [{name: b, rate: 1}]")
    assert made.leaves == (Leaf(name="b", rate=1.0),)
    assert isinstance(made.leaves[0].rate, float)


def test_data_without_a_file_are_parsed_with_the_place_that_is_given() -> None:
    assert parse(Leaf, {"name": "a"}).name == "a"
    with pytest.raises(ConfigError, match=r"^--set: rate: expected a number"):
        parse(Leaf, {"name": "a", "rate": "x"}, "--set")
    with pytest.raises(ConfigError, match=r"^rate: expected a number"):
        parse(Leaf, {"name": "a", "rate": "x"})
    with pytest.raises(ConfigError, match="not plain data"):
        parse(Leaf, {"name": "a", "rate": float("nan")})
