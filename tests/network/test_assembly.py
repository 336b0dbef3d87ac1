"""From genomes to routes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evo_mtl.genome.genome import Genome, HeadGene, TapGene, as_founder
from evo_mtl.genome.mutation import with_depth
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.network.assembly import assemble
from evo_mtl.network.route import INPUT, Route
from evo_mtl.testing.genomes import a_genome, a_space, bottleneck, trunk_facts, trunk_layout

SPACE, FACTS = a_space(), trunk_facts()


def genome(**change: object) -> Genome:
    return replace(seed_genome(SPACE.seeds[1], SPACE, FACTS), **change)  # type: ignore[arg-type]


def route(of: Genome) -> Route:
    return assemble(of, trunk_layout())


def operations(found: Route) -> list[str]:
    return [node.operation for node in found.nodes]


def test_a_plain_genome_is_a_line_of_stages_with_one_tap_and_a_head() -> None:
    found = route(genome())
    assert operations(found) == ["stage"] * 6 + ["pool", "concatenate", "head"]
    assert [node.inputs for node in found.nodes] == [
        (INPUT,),
        (0,),
        (1,),
        (2,),
        (3,),
        (4,),
        (5,),
        (6,),
        (7,),
    ]
    assert [node.component for node in found.nodes[:6]] == list(FACTS.components[:6])
    assert [node.open for node in found.nodes] == [False] * 4 + [True] * 2 + [False] * 2 + [True]


def test_depth_cuts_the_line_short() -> None:
    found = route(with_depth(genome(), 3, SPACE, FACTS))
    assert operations(found) == ["stage"] * 3 + ["pool", "concatenate", "head"]


def test_an_adapter_stands_behind_its_stage_and_what_reads_the_stage_reads_it() -> None:
    found = route(genome(adapters=(bottleneck(3, 8),), taps=(TapGene(3, 2), TapGene(5))))
    assert operations(found) == [
        *["stage"] * 4,
        "adapter",
        *["stage"] * 2,
        "pool",
        "pool",
        "concatenate",
        "head",
    ]
    adapter = found.nodes[4]
    assert (adapter.inputs, adapter.slot, adapter.component, adapter.open) == ((3,), "adapter:3", None, True)
    assert found.nodes[5].inputs == (4,)
    assert [(node.inputs, node.grid) for node in found.nodes[7:9]] == [((4,), 2), ((6,), 1)]


def test_taps_are_read_side_by_side_in_their_order() -> None:
    found = route(genome(taps=(TapGene(1), TapGene(1, 2), TapGene(5))))
    pools = [node for node in found.nodes if node.operation == "pool"]
    assert [(node.inputs, node.grid) for node in pools] == [((1,), 1), ((1,), 2), ((5,), 1)]
    assert found.nodes[-2].inputs == (6, 7, 8)
    assert found.nodes[-1].inputs == (9,)


@pytest.mark.parametrize("kind", ["ridge", "projected_ridge", "nearest_mean"])
def test_under_a_solved_head_nothing_else_is_open(kind: str) -> None:
    found = route(genome(head=HeadGene(kind), adapters=(bottleneck(4, 8, "a" * 64),)))
    assert [node.slot for node in found.nodes if node.open] == ["head"]


def test_a_route_names_the_components_of_its_genome_in_order_of_depth(rng: np.random.Generator) -> None:
    for _ in range(100):
        founder = as_founder(a_genome(SPACE, FACTS, rng))
        expected = []
        for i, stage in enumerate(founder.stages):
            expected.append(stage.component)
            expected += [gene.component for gene in founder.adapters if gene.stage == i and gene.component]
        assert route(founder).components == tuple(expected)


def test_the_image_size_of_the_genome_is_the_size_that_the_route_reads() -> None:
    assert route(genome().with_values({"image_size": 64})).input.size == 64
