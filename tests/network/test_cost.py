"""Parameters and multiply-adds from shapes, compared with counts by hand."""

from __future__ import annotations

import pytest

from evo_mtl.network.cost import line_multiply_adds, stage_parameters
from evo_mtl.network.kinds.kind import num_parameters, parameters_of
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.trunks import build_trunk
from evo_mtl.run.root import layout_of
from evo_mtl.testing.genomes import bottleneck

NAME = "mobilenetv2_035"


@pytest.fixture(scope="module")
def layout() -> TrunkLayout:
    return layout_of(build_trunk(NAME, "random", "group"))


def test_parameters_of_the_stages_are_those_of_the_trunk() -> None:
    stages = build_trunk(NAME, "random", "group").stages
    assert stage_parameters(NAME, "group") == tuple(num_parameters(stage) for stage in stages)


def test_an_adapter_has_a_norm_and_two_maps_with_biases() -> None:
    for form in ("conv", "token"):
        spec = {"kind": "bottleneck", "form": form, "channels": 24, "width": 8}
        assert parameters_of(spec) == 2 * 24 + (24 * 8 + 8) + (8 * 24 + 24)


def test_work_of_a_short_route_is_that_of_its_stages_in_the_long_one(layout: TrunkLayout) -> None:
    whole = line_multiply_adds(layout, len(layout.channels), (), 32)
    assert line_multiply_adds(layout, 4, (), 32) == whole[:4]


def test_the_stem_costs_what_its_convolution_does(layout: TrunkLayout) -> None:
    stem = line_multiply_adds(layout, 1, (), 32)[0]
    assert stem == 16 * 16 * layout.channels[0] * 3 * 3 * 3  # stride 2: 32 x 32 to 16 x 16


def test_work_grows_with_the_area_of_the_image(layout: TrunkLayout) -> None:
    small, large = (sum(line_multiply_adds(layout, 5, (), size)) for size in (32, 64))
    assert large == 4 * small


def test_an_adapter_is_charged_to_its_stage(layout: TrunkLayout) -> None:
    plain, adapted = (line_multiply_adds(layout, 4, adapters, 32) for adapters in ((), (bottleneck(2, 8),)))
    extra = [b - a for a, b in zip(plain, adapted)]
    assert extra == [0, 0, 8 * 8 * 2 * layout.channels[2] * 8, 0]
