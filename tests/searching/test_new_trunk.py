"""An exercise: a new family of trunks, all that it needs, held against the contract and searched with.

The family is what stands between the two lines: one module. What enters it is one line (``entered``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# ------------------------------------------------------------------------------------------------
import torch
from torch import nn

import evo_mtl
from evo_mtl.errors import TrunkError
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.trunks import TRUNKS, build_trunk
from evo_mtl.network.trunks.trunk import Trunk, check_cut
from evo_mtl.streams.raw import Form
from evo_mtl.telling.summary import summarize
from evo_mtl.testing.contracts import trunks
from evo_mtl.testing.worlds import SPACE, write_space, write_stream

CHANNELS = (3, 8, 12, 16)


class Patches(nn.Sequential):
    """Four pixels become one, with other channels."""

    def __init__(self, index: int) -> None:
        width = CHANNELS[index + 1]
        super().__init__(nn.Conv2d(CHANNELS[index], width, 2, stride=2), nn.GroupNorm(1, width), nn.GELU())


class PatchFamily:
    """Three stages of shrinking patches: ``patches``."""

    def named(self, name: str, form: Form) -> str:
        if form.kind != "pixels" or name != "patches":
            raise TrunkError(f"trunk {name} is none for {form.noun}s")
        return name

    def build(self, name: str, weights: str, cut: str) -> Trunk:
        if weights != "random":
            raise TrunkError(f"trunk {name} has no weights {weights!r}")
        drawn = torch.Generator().manual_seed(0)
        stages = tuple(self.stage(name, cut, i) for i in range(len(self.outlines(name, cut))))
        with torch.no_grad():
            for stage in stages:
                for tensor in stage.parameters():
                    tensor.normal_(std=0.3, generator=drawn)
        half = (0.5, 0.5, 0.5)
        stage_names = ("first", "second", "third")
        return Trunk(
            name,
            weights,
            cut,
            stages,
            stage_names,
            CHANNELS[1:],
            (0, 1, 2),
            "conv",
            Pixels(0, half, half),
            2,
            0,
        )

    def outlines(self, name: str, cut: str) -> tuple[nn.Module, ...]:
        check_cut(cut)
        with torch.device("meta"):
            return tuple(Patches(i).eval().requires_grad_(False) for i in range(3))

    def stage(self, name: str, cut: str, index: int) -> nn.Module:
        return self.outlines(name, cut)[index].to_empty(device="cpu")


# ------------------------------------------------------------------------------------------------


@pytest.fixture
def entered() -> Iterator[None]:
    TRUNKS.add("patches", PatchFamily())
    yield
    del TRUNKS._parts["patches"]


@pytest.mark.parametrize("check", trunks.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(entered: None, check: Callable[[trunks.Case], None]) -> None:
    check(trunks.Case("patches"))


class Forgetful(PatchFamily):
    """Draws its weights from torch's global generator."""

    def build(self, name: str, weights: str, cut: str) -> Trunk:
        trunk = super().build(name, weights, cut)
        trunk.stages[0].get_parameter("0.weight").copy_(torch.rand(8, 3, 2, 2))
        return trunk


def test_the_contract_finds_weights_that_change(entered: None) -> None:
    TRUNKS._parts["patches"] = Forgetful()
    with pytest.raises(AssertionError):
        trunks.check_its_weights_are_the_same_each_time(trunks.Case("patches"))


def test_it_is_searched_with_told_of_and_answers(entered: None, tmp_path: Path) -> None:
    text = SPACE.replace(
        "name: mobilenetv2_035, weights: random, cut: group", "name: patches, weights: random"
    )
    text = text.replace("boundaries: [1, 3], depths: [4, 5]", "boundaries: [1, 2], depths: [2, 3]")
    text = text.replace("depth: 5, taps", "depth: 3, taps").replace(
        "depth: 4, open_from: 3", "depth: 3, open_from: 1"
    )
    space, stream = write_space(tmp_path, text), write_stream(tmp_path, ["t0", "t01"])
    run = evo_mtl.search(str(stream), space=str(space), run=str(tmp_path / "run"))
    assert summarize(run)["tasks"][0]["trunk_depth"] == len(build_trunk("patches", "random").stages)
    assert all(row["accuracy"] > 0.8 and row["logits_unchanged"] for row in run.evaluate()["tasks"])
