"""What a family of trunks must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from evo_mtl.errors import TrunkError
from evo_mtl.network.inputs import plain_input
from evo_mtl.network.pooling import main_tensor, pool
from evo_mtl.network.trunks import CUTS, build_trunk, stage_module, stage_modules, trunk_name
from evo_mtl.streams.raw import IMAGES, Form

WRONG = Form("nothing")


@dataclass(frozen=True)
class Case:
    """A trunk of a family.

    Args:
        name: As a search space gives it.
        weights: Weights that are had without a network.
        form: Of examples that it reads.
        cut: How finely.
        image_size: Where examples are images.
    """

    name: str
    weights: str = "random"
    form: Form = IMAGES
    cut: str = "block"
    image_size: int = 48

    @property
    def full_name(self) -> str:
        """With what the examples decide."""
        return trunk_name(self.name, self.form)


def outputs(case: Case, stages: tuple[torch.nn.Module, ...]) -> list[Any]:
    """The activation behind each stage, for made-up examples."""
    source = build_trunk(case.full_name, case.weights, case.cut).input.at(case.image_size)
    activation = source.first(torch.from_numpy(source.probes(3)))
    found = []
    with torch.no_grad():
        for stage in stages:
            activation = stage(activation)
            found.append(activation)
    return found


def check_its_weights_are_the_same_each_time(case: Case) -> None:
    """Built twice, and torch's global generator left alone."""
    before = torch.random.get_rng_state()
    one, two = (build_trunk(case.full_name, case.weights, case.cut) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    for a, b in zip(one.stages, two.stages, strict=True):
        assert a.state_dict().keys() == b.state_dict().keys()
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def check_its_record_says_what_its_stages_give(case: Case) -> None:
    """Names, channels, groups and the kind of input fit the stages, which are frozen and in eval mode."""
    trunk = build_trunk(case.full_name, case.weights, case.cut)
    count = len(trunk.stages)
    assert count == len(trunk.stage_names) == len(set(trunk.stage_names)) == len(trunk.channels)
    assert 0 <= trunk.final_norm < count
    assert trunk.group_ends[-1] == count - 1
    assert list(trunk.group_ends) == sorted(set(trunk.group_ends))
    assert trunk.name == case.full_name
    assert trunk.input.kind == plain_input(case.form).kind
    for stage, channels, activation in zip(trunk.stages, trunk.channels, outputs(case, trunk.stages)):
        assert not stage.training
        assert not any(p.requires_grad for p in stage.parameters())
        assert main_tensor(activation).isfinite().all()
        assert pool(activation, 1, trunk.num_prefix_tokens).shape == (3, channels)


def check_stages_are_built_from_their_names(case: Case) -> None:
    """A fresh module of a stage takes the stage's tensors and computes the same, bit for bit."""
    trunk = build_trunk(case.full_name, case.weights, case.cut)
    fresh = tuple(stage_module(case.full_name, case.cut, i) for i in range(len(trunk.stages)))
    for ours, theirs in zip(fresh, trunk.stages, strict=True):
        ours.load_state_dict(theirs.state_dict())
        assert not ours.training
        assert not any(p.requires_grad for p in ours.parameters())
    for a, b in zip(outputs(case, fresh), outputs(case, trunk.stages), strict=True):
        assert torch.equal(main_tensor(a), main_tensor(b))
    again = stage_modules(case.full_name, case.cut)
    assert all(a is not b for a, b in zip(again, stage_modules(case.full_name, case.cut)))


def check_its_stages_can_be_trained(case: Case) -> None:
    """In training mode gradients reach the parameters of an opened stage, and torch can copy it."""
    trunk = build_trunk(case.full_name, case.weights, case.cut)
    source = trunk.input.at(case.image_size)
    activation = source.first(torch.from_numpy(source.probes(4)))
    for stage in trunk.stages:
        activation = stage.train().requires_grad_(True)(activation)
    main_tensor(activation).float().square().mean().backward()
    last = [p for stage in trunk.stages for p in stage.parameters()]
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in last)


def check_wrong_names_are_refused(case: Case) -> None:
    """Examples that it cannot read, an unknown cut, weights and stages that are not there: a line each."""
    name, cut = case.full_name, case.cut
    refused: list[Callable[[], Any]] = [
        lambda: trunk_name(case.name, WRONG),
        lambda: build_trunk(name, case.weights, "slice"),
        lambda: build_trunk(name, "nowhere", cut),
        lambda: stage_module(name, cut, len(stage_modules(name, cut))),
        lambda: stage_module(name, cut, -1),
        lambda: stage_modules(name, "slice"),
    ]
    for attempt in refused:
        said = None
        try:
            attempt()
        except TrunkError as error:
            said = str(error)
        assert said is not None, "a wrong name was taken"
        assert "\n" not in said
    assert cut in CUTS


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_its_weights_are_the_same_each_time,
    check_its_record_says_what_its_stages_give,
    check_stages_are_built_from_their_names,
    check_its_stages_can_be_trained,
    check_wrong_names_are_refused,
)
