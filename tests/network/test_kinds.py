"""Every registered kind of component keeps the contract that is offered to people who add their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from evo_mtl.errors import InputError
from evo_mtl.genome.kinds import KINDS, facts_of, listed_kinds
from evo_mtl.network.kinds.kind import head_kind, kind_named, new, spec_of
from evo_mtl.testing.contracts import kinds as contract
from evo_mtl.testing.contracts.kinds import Example

STAGES = [
    Example({"kind": "stage", "trunk": "mobilenetv2_035", "cut": "group", "index": 0}, (6, 3, 16, 16)),
    Example({"kind": "stage", "trunk": "vit_tiny_patch16_224", "cut": "half", "index": 1}, (6, 10, 192)),
    Example({"kind": "stage", "trunk": "vector-2x8-5", "cut": "block", "index": 1}, (6, 5)),
]
EXAMPLES = [*STAGES, *(one for name in KINDS if name != "stage" for one in contract.examples(name))]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_every_kind_keeps_the_contract(check: Callable[[Example], None], example: Example) -> None:
    check(example)


def test_there_is_an_example_of_every_kind() -> None:
    assert {one.spec["kind"] for one in EXAMPLES} == set(KINDS)


def test_a_kind_is_known_by_its_name_and_its_role() -> None:
    assert listed_kinds("adapter") == ("bottleneck",)
    assert listed_kinds("head") == ("linear", "ridge", "projected_ridge", "nearest_mean", "slda")
    with pytest.raises(InputError, match="did you mean"):
        kind_named("bottelneck")
    with pytest.raises(InputError, match="'bottleneck' is a kind of adapter, not of head"):
        facts_of("bottleneck", "head")
    with pytest.raises(InputError, match="'bottleneck' is not a kind of head"):
        head_kind("bottleneck")


def test_a_module_knows_its_spec_without_its_precision() -> None:
    spec = {"kind": "linear", "in_features": 3, "num_classes": 2}
    assert spec_of(new({**spec, "dtype": "bfloat16"}, torch.Generator())) == spec
