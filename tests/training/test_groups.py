"""Which candidates are trained together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evo_mtl.evolution.candidate import Candidate
from evo_mtl.genome.genome import Genome, HeadGene
from evo_mtl.network.kinds.linear import NUMBERS
from evo_mtl.testing.genomes import bottleneck
from evo_mtl.training.groups import LARGEST, stackable
from tests.training.worlds import Workshop, candidate


def groups(workshop: Workshop, *genomes: Genome, num_classes: int = 3) -> tuple[tuple[int, ...], ...]:
    listed = [candidate(genome, i) for i, genome in enumerate(genomes)]
    return stackable(listed, workshop.layout, num_classes)


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rate": 0.1},
        {"momentum": 0.5},
        {"weight_decay": 0.1},
        {"label_smoothing": 0.2},
        {"warmup_share": 0.3},
        {"schedule": "cosine"},
        {"clip_norm": 1.0},
        {"head_start": "ridge"},
        {"norm": "eval"},
    ],
)
def test_candidates_that_differ_in_how_they_descend_are_trained_together(
    values: dict[str, Any], workshop: Workshop
) -> None:
    plain = workshop.genome(3, 3, schedule="constant", norm="train")
    assert groups(workshop, plain, plain.with_values(values)) == ((0, 1),)


@pytest.mark.parametrize(
    "values",
    [
        {"image_size": 48},
        {"views": 2},
        {"flip": True},
        {"batch_size": 32},
        {"epochs": 3},
        {"optimizer": "adamw"},
        {"nesterov": True},
    ],
)
def test_candidates_that_differ_in_what_they_see_or_in_their_steps_are_not(
    values: dict[str, Any], workshop: Workshop
) -> None:
    plain = workshop.genome(3, 3, optimizer="sgd", nesterov=False)
    assert groups(workshop, plain, plain.with_values(values)) == ((0,), (1,))


def test_routes_that_differ_in_more_than_starting_weights_are_not(workshop: Workshop) -> None:
    plain = workshop.genome(5, 5, adapters=(2,))
    child = replace(
        plain,
        adapters=(bottleneck(2, 4, "aa" * 32),),
        head=HeadGene(component="bb" * 32),
    )
    others = [
        workshop.genome(5, 5),
        workshop.genome(4, 4, adapters=(2,)),
        workshop.genome(5, 5, adapters=(3,)),
        workshop.genome(5, 5, adapters=(2,), grids=(2,)),
        replace(plain, adapters=(bottleneck(2, 8),)),
        replace(plain, adapters=(bottleneck(2, 4, "aa" * 32, open=False),)),
        replace(
            plain,
            stages=(replace(plain.stages[0], component="cc" * 32), *plain.stages[1:]),
        ),
    ]
    assert groups(workshop, plain, *others, child) == ((0, 8), *((i,) for i in range(1, 8)))


def test_solved_heads_and_open_stages_are_alone(workshop: Workshop) -> None:
    for genome in (workshop.genome(3, 3, "ridge"), workshop.genome(4, 3)):
        assert groups(workshop, genome, genome) == ((0,), (1,))


def test_heads_with_many_numbers_large_batches_and_large_images_under_adapters_are_alone(
    workshop: Workshop,
) -> None:
    plain, adapted = workshop.genome(5, 5), workshop.genome(5, 5, adapters=(2,))
    assert groups(workshop, plain, plain, num_classes=3) == ((0, 1),)
    assert groups(workshop, plain, plain, num_classes=max(NUMBERS.values())) == ((0,), (1,))
    wide = plain.with_values({"batch_size": max(NUMBERS) + 1})
    assert groups(workshop, wide, wide) == ((0,), (1,))
    large = {"image_size": 224}
    assert groups(workshop, plain.with_values(large), plain.with_values(large)) == ((0, 1),)
    assert groups(workshop, adapted.with_values(large), adapted.with_values(large)) == ((0,), (1,))


def test_every_candidate_is_in_one_group_and_groups_are_bounded_and_in_order(workshop: Workshop) -> None:
    kinds = [
        workshop.genome(3, 3),
        workshop.genome(4, 4, "ridge"),
        workshop.genome(4, 4, adapters=(1,)),
    ]
    genomes = [kinds[i % 3] for i in range(3 * LARGEST + 3)]
    found = groups(workshop, *genomes)
    assert sorted(place for one in found for place in one) == list(range(len(genomes)))
    assert list(found) == sorted(found)
    sizes = [len(one) for one in found if len(one) > 1]
    assert max(sizes) <= LARGEST
    assert max(sizes) - min(sizes) <= 1
    assert groups(workshop, *genomes) == found


def test_no_candidates_make_no_groups(workshop: Workshop) -> None:
    none: list[Candidate] = []
    assert stackable(none, workshop.layout, 3) == ()
