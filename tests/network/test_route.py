"""Keys of nodes: equal exactly when the same is computed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.genome.answer_views import SETS, WHOLE
from evo_mtl.network.assembly import assemble
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.route import INPUT, Node, Route, check_closed, close, on_newest
from evo_mtl.plain import plain, restore
from evo_mtl.testing.genomes import a_genome, a_space, trunk_facts, trunk_layout

PIXEL_RULE = Pixels(32, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
ROUTE = Route(
    PIXEL_RULE,
    (
        Node("stage", (INPUT,), "a" * 64, "stage:0"),
        Node("stage", (0,), "b" * 64, "stage:1"),
        Node("pool", (0,), grid=2),
        Node("pool", (1,), grid=1),
        Node("concatenate", (2, 3)),
        Node("head", (4,), None, "head", open=True),
    ),
)


def changed(place: int, **change: object) -> Route:
    nodes = list(ROUTE.nodes)
    nodes[place] = replace(nodes[place], **change)  # type: ignore[arg-type]
    return replace(ROUTE, nodes=tuple(nodes))


def equal_places(a: Route, b: Route) -> list[int]:
    return [i for i, (x, y) in enumerate(zip(a.keys(), b.keys())) if x == y]


def test_views_are_read_from_the_foot() -> None:
    genome = a_genome(a_space(), trunk_facts(), np.random.default_rng(0))
    for views in SETS:
        route = assemble(genome, trunk_layout(), views)
        assert route.views == views
        assert len(route.nodes) >= len(views) * len(assemble(genome, trunk_layout()).nodes)
        assert route.components == assemble(genome, trunk_layout()).components
    assert assemble(genome, trunk_layout(), ("mirrored",)).views == ("mirrored",)


def test_what_sees_the_whole_image_is_shared_whatever_else_is_seen() -> None:
    genome = a_genome(a_space(), trunk_facts(), np.random.default_rng(0))
    alone, several = (assemble(genome, trunk_layout(), views) for views in (WHOLE, SETS[-1]))
    assert several.keys()[: len(alone.nodes)] == alone.keys()
    assert len(set(several.keys())) == len(several.nodes)


def test_equal_routes_of_one_candidate_have_equal_keys() -> None:
    again = restore(Route, json.loads(json.dumps(plain(ROUTE))))
    assert again == ROUTE
    assert again.keys("1/0") == ROUTE.keys("1/0")


def test_all_nodes_of_a_route_have_different_keys() -> None:
    assert len(set(ROUTE.keys())) == len(ROUTE.nodes)


def test_another_component_changes_its_own_key_and_those_behind_it_alone() -> None:
    assert equal_places(ROUTE, changed(0, component="c" * 64)) == []
    assert equal_places(ROUTE, changed(1, component="c" * 64)) == [0, 2]


def test_another_grid_or_another_input_changes_what_reads_it() -> None:
    assert equal_places(ROUTE, changed(2, grid=1)) == [0, 1, 3]
    assert equal_places(ROUTE, changed(2, inputs=(1,))) == [0, 1, 3]
    assert equal_places(ROUTE, changed(4, inputs=(3, 2))) == [0, 1, 2, 3]


def test_another_input_changes_every_key() -> None:
    for rule in (
        replace(PIXEL_RULE, image_size=48),
        replace(PIXEL_RULE, mean=(0.5, 0.5, 0.4)),
        replace(PIXEL_RULE, std=(0.3, 0.2, 0.2)),
    ):
        assert equal_places(ROUTE, replace(ROUTE, input=rule)) == []


def test_the_name_of_a_slot_is_no_part_of_a_frozen_nodes_key() -> None:
    assert changed(1, slot="elsewhere").keys() == ROUTE.keys()


def test_an_open_node_and_all_behind_it_are_private_to_their_candidate() -> None:
    open_ = changed(1, open=True)
    mine, others = open_.keys("1/0"), open_.keys("1/1")
    assert [a == b for a, b in zip(mine, others)] == [True, False, True, False, False, False]
    assert [a == b for a, b in zip(mine, ROUTE.keys("1/0"))] == [True, False, True, False, False, False]


def test_what_is_behind_an_open_node_is_run_again_and_its_constant_inputs_are_the_frontier() -> None:
    assert ROUTE.dynamic == (False, False, False, False, True, True)
    assert ROUTE.frontier == (2, 3)
    open_ = changed(1, open=True)
    assert open_.dynamic == (False, True, False, True, True, True)
    assert open_.frontier == (0, 2)
    assert changed(0, open=True).frontier == (INPUT,)


def test_a_closed_route_names_what_was_trained_and_nothing_else_changes() -> None:
    closed = close(changed(1, open=True), {"stage:1": "d" * 64, "head": "e" * 64})
    assert closed.components == ("a" * 64, "d" * 64, "e" * 64)
    assert not any(node.open for node in closed.nodes)
    assert equal_places(closed, ROUTE) == [0, 2]


def test_what_follows_is_run_with_the_newest_version_and_all_else_as_it_was() -> None:
    nodes = (
        Node("stage", (INPUT,), "a" * 64, "stage:0"),
        Node("stage", (0,), "b" * 64, "stage:1", follows=True),
        Node("pool", (1,), grid=1),
        Node("concatenate", (2,)),
        Node("head", (3,), "c" * 64, "head"),
    )
    route = check_closed(Route(PIXEL_RULE, nodes))
    now = on_newest(route, {0: "d" * 64, 1: "e" * 64})
    assert now.components == ("a" * 64, "e" * 64, "c" * 64)
    assert [node.follows for node in now.nodes] == [False, True, False, False, False]
    pinned = replace(route, nodes=tuple(replace(node, follows=False) for node in nodes))
    assert on_newest(pinned, {0: "d" * 64, 1: "e" * 64}) == pinned
    assert pinned.keys() == route.keys()


def test_only_a_stage_of_the_main_path_follows() -> None:
    nodes = (
        Node("stage", (INPUT,), "a" * 64, "stage:0"),
        Node("pool", (0,), grid=1),
        Node("concatenate", (1,)),
        Node("head", (2,), "c" * 64, "head", follows=True),
    )
    with pytest.raises(ValueError, match="follows"):
        check_closed(Route(PIXEL_RULE, nodes))


SEVERAL = Route(
    PIXEL_RULE,
    (
        Node("pool", (INPUT,), grid=1),
        Node("concatenate", (0,)),
        Node("head", (1,), "c" * 64, "head"),
        Node("view", (INPUT,), view="mirrored"),
        Node("pool", (3,), grid=1),
        Node("concatenate", (4,)),
        Node("head", (5,), "c" * 64, "head"),
        Node("mean", (2, 6)),
    ),
)


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        (3, {"view": None}, "nodes.3.: a view of .-1. as the view None"),
        (0, {"view": "mirrored"}, "nodes.0.: a pool of .-1. as the view mirrored"),
        (3, {"inputs": (2,)}, "nodes.3.: a view of .2."),
        (7, {"inputs": (2, 5)}, "nodes.7.: a mean of something else than heads"),
        (7, {"operation": "concatenate"}, "the last of them a head or a mean of heads"),
        (7, {"component": "d" * 64}, "nodes.7.: a mean with the component"),
    ],
)
def test_views_are_of_the_image_and_means_of_heads(place: int, change: dict, said: str) -> None:
    assert check_closed(SEVERAL).views == ("whole", "mirrored")
    nodes = list(SEVERAL.nodes)
    nodes[place] = replace(nodes[place], **change)
    with pytest.raises(ValueError, match=said):
        check_closed(replace(SEVERAL, nodes=tuple(nodes)))


def test_every_assembled_genome_survives_json_and_reads_earlier_nodes_only(rng: np.random.Generator) -> None:
    space, facts = a_space(), trunk_facts()
    for _ in range(100):
        route = assemble(a_genome(space, facts, rng), trunk_layout())
        assert restore(Route, json.loads(json.dumps(plain(route)))) == route
        assert all(INPUT <= j < i for i, node in enumerate(route.nodes) for j in node.inputs)
