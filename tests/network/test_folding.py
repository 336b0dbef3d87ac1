"""Folded norms: the same function within rounding, in every family, and nothing where it would not be."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from evo_mtl.network.components import Modules
from evo_mtl.network.folding import folded, mark
from evo_mtl.network.pooling import main_tensor
from evo_mtl.network.trunks import CUTS, build_trunk
from evo_mtl.testing.worlds import a_trunk
from tests.network.test_trunks import MODELS

WITHOUT_BATCH_NORM = ("convnext_atto", "vit_tiny_patch16_224")


def far_from_born(stages: tuple[nn.Module, ...]) -> list[nn.Module]:
    """Copies whose norms are far from the identity."""
    drawn = torch.Generator().manual_seed(3)
    copies = [copy.deepcopy(stage) for stage in stages]
    for stage in copies:
        for tensor in [*stage.parameters(), *stage.buffers()]:
            if tensor.ndim == 1:
                tensor.data = torch.rand(tensor.shape, generator=drawn) + 0.5
    return copies


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@torch.no_grad()
def run(stages: list[nn.Module]) -> torch.Tensor:
    activation = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for stage in stages:
        activation = stage(activation)
    return main_tensor(activation)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", MODELS)
def test_folded_stages_equal_the_plain_ones_within_rounding(name: str, cut: str) -> None:
    stages = far_from_born(build_trunk(name, "random", cut).stages)
    plain = run(stages)
    assert (run([folded(stage) for stage in stages]) - plain).abs().max() <= 1e-4 * plain.abs().max()


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", MODELS)
def test_no_batch_norm_is_left_in_a_folded_stage(name: str, cut: str) -> None:
    stages = build_trunk(name, "random", cut).stages
    assert (sum(map(norms, stages)) == 0) == (name in WITHOUT_BATCH_NORM)
    assert sum(norms(folded(stage)) for stage in stages) == 0


def test_folding_leaves_the_module_as_it_was() -> None:
    stage = build_trunk("resnet18", "random", "block").stages[2].train()
    before = {name: tensor.clone() for name, tensor in stage.state_dict().items()}
    result = folded(stage)
    assert not result.training
    assert stage.training
    assert stage.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in stage.state_dict().items())


def test_what_is_folded_twice_is_folded_once() -> None:
    once = folded(build_trunk("resnet18", "random", "block").stages[2])
    assert folded(once) is once


def test_a_module_without_batch_norm_is_handed_back_itself() -> None:
    stage = build_trunk("convnext_atto", "random", "block").stages[1]
    assert folded(stage) is stage


class NormFirst(nn.Module):
    """Registers a norm right behind a convolution that runs after it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(x))


class Ungrouped(nn.Module):
    """Uses the convolution's output besides the norm's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x + self.norm(x)


@pytest.mark.parametrize("kind", [NormFirst, Ungrouped])
def test_a_stage_in_which_the_norm_does_not_follow_the_convolution_is_left_unfolded(kind: type) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stage = kind().eval()
    mark([stage])
    assert folded(stage) is stage


def test_frozen_modules_are_folded_and_fresh_ones_are_not(tmp_path: Path) -> None:
    store, _, facts = a_trunk(tmp_path)
    modules = Modules(store.read)
    component = facts.components[1]
    assert norms(modules.fresh(component)) > 0
    assert norms(modules[component]) == 0
    assert norms(modules.frozen(component)) == 0
