"""Records written as plain data and read back strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from evo_mtl.plain import Count, Digest, Share, plain, restore


@dataclass(frozen=True)
class Leaf:
    count: Count
    share: Share = 0.5


@dataclass(frozen=True)
class Tree:
    name: str
    leaves: tuple[Leaf, ...] = ()
    parts: Mapping[str, Digest] = field(default_factory=dict)
    best: Leaf | None = None


TREE = Tree("oak", (Leaf(1), Leaf(2, 1.0)), {"root": "a" * 64}, Leaf(3))


def test_a_record_comes_back_equal_and_every_field_is_written() -> None:
    for tree in (TREE, Tree("bare")):
        assert restore(Tree, plain(tree)) == tree
    assert plain(Tree("bare")) == {"name": "bare", "leaves": [], "parts": {}, "best": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "name: expected text (put it in quotes), met 3"),
        ({"leaves": [{"count": "1", "share": 0.5}]}, 'leaves[0].count: expected a whole number, met "1"'),
        ({"leaves": [{"count": 1.5, "share": 0.5}]}, "leaves[0].count: expected a whole number, met 1.5"),
        ({"leaves": [{"count": -1, "share": 0.5}]}, "leaves[0].count: expected at least 0, met -1"),
        ({"leaves": [{"count": True, "share": 0.5}]}, "leaves[0].count: expected a whole number, met true"),
        ({"leaves": [{"count": 1, "share": 1.5}]}, "leaves[0].share: expected at most 1, met 1.5"),
        ({"leaves": [{"count": 1}]}, "leaves[0].share: this key is missing"),
        ({"leaves": [7]}, "leaves[0]: expected keys and values, met 7"),
        ({"leaves": {}}, "leaves: expected a list, met {}"),
        ({"parts": {"root": "a"}}, 'parts.root: expected text of the form ^[0-9a-f]{64}$, met "a"'),
        ({"more": 1}, "more: unknown key"),
    ],
)
def test_what_is_no_such_record_is_refused_with_its_place(changes: dict, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        restore(Tree, plain(TREE) | changes)
    assert str(refusal.value) == message


def test_a_default_stands_for_no_key_that_a_file_leaves_out() -> None:
    with pytest.raises(ValueError, match="best: this key is missing"):
        restore(Tree, {"name": "oak", "leaves": [], "parts": {}})


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError):
        restore(Leaf, {"count": 1, "share": float("nan")})
