"""An exercise: a new kind of component, all that it needs, held against the contract and searched with.

The kind is what stands between the two lines: one module. What enters it is one line (``entered``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import evo_mtl
from evo_mtl.genome.kinds import KINDS, KindFacts
from evo_mtl.network.kinds.fields import CHANNELS, one_of
from evo_mtl.network.kinds.kind import Kind, Spec, Work
from evo_mtl.network.pooling import Activation, main_tensor, with_main
from evo_mtl.run.events import Generation, history
from evo_mtl.telling.summary import task_details
from evo_mtl.testing.contracts import kinds as contract
from evo_mtl.testing.worlds import SPACE, coloured, write_space, write_stream

# ------------------------------------------------------------------------------------------------


class ScaleShift(nn.Module):
    """A factor and a summand for each channel (FiLM without a condition; Perez 2018)."""

    def __init__(self, form: str, channels: int) -> None:
        super().__init__()
        shape = (channels, 1, 1) if form == "conv" else (channels,)
        self.gain = nn.Parameter(torch.empty(shape))
        self.shift = nn.Parameter(torch.empty(shape))

    def forward(self, activation: Activation) -> Activation:
        x = main_tensor(activation)
        return with_main(activation, x * (1 + self.gain) + self.shift)


def begin(module: nn.Module, generator: torch.Generator) -> None:
    for parameter in module.parameters():
        parameter.zero_()


KIND = Kind(
    fields={"form": one_of("conv", "token"), "channels": CHANNELS},
    make=lambda spec: ScaleShift(spec["form"], spec["channels"]),
    begin=begin,
)

# ------------------------------------------------------------------------------------------------


@pytest.fixture
def entered() -> Iterator[None]:
    KINDS.add("scale_shift", KindFacts("adapter", home=__name__))
    yield
    del KINDS._parts["scale_shift"]


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(entered: None, check: Callable[[contract.Example], None]) -> None:
    for example in contract.examples("scale_shift"):
        check(example)


WHOLE = KIND


def refusals(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> set[str]:
    """Names of the checks that a changed kind does not pass."""
    monkeypatch.setitem(globals(), "KIND", replace(WHOLE, **changes))
    failed = set()
    for check in contract.CHECKS:
        try:
            for example in contract.examples("scale_shift"):
                check(example)
        except AssertionError:
            failed.add(check.__name__)
    return failed


class Forgetful(ScaleShift):
    """Reads torch's generator, has a weight that is never used and mixes what it is given."""

    def __init__(self, form: str, channels: int) -> None:
        super().__init__(form, channels)
        self.spare = nn.Parameter(torch.empty(1))

    def forward(self, activation: Activation) -> Activation:
        return super().forward(activation + self.gain.sum() * activation.mean(0))


def test_the_contract_finds_what_a_kind_does_not_keep(entered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_neutral(module: nn.Module, generator: torch.Generator) -> None:
        for parameter in module.parameters():
            parameter.copy_(torch.rand(parameter.shape))

    found = refusals(monkeypatch, begin=not_neutral)
    assert found == {"it_changes_nothing_when_it_is_new", "it_begins_from_its_generator_alone"}
    found = refusals(monkeypatch, work=lambda spec, shape: Work(1000))
    assert found == {"its_work_is_what_a_forward_pass_does"}
    found = refusals(monkeypatch, fields={**KIND.fields, "channels": lambda value: None})
    assert found == {"a_spec_is_refused_where_a_value_is_none_that_it_may_have"}
    found = refusals(monkeypatch, frozen=lambda module: nn.Identity())
    assert "frozen_it_gives_the_same_and_the_module_is_left_as_it_was" in found

    def forgetful(spec: Spec) -> nn.Module:
        return Forgetful(spec["form"], spec["channels"])

    found = refusals(monkeypatch, make=forgetful)
    assert found == {"training_changes_what_it_says_and_nothing_else", "it_does_not_mix_rows"}


def test_it_is_searched_with_told_of_and_answers(entered: None, tmp_path: Path) -> None:
    text = SPACE.replace("heads:", "adapters: {kinds: [scale_shift, bottleneck], stages: all}\nheads:")
    space, stream = write_space(tmp_path, text), write_stream(tmp_path, ["t0", "t01"])
    run = tmp_path / "run"
    evo_mtl.search(str(stream), space=str(space), run=str(run), seed=1)
    tried = [
        one
        for event in history(run / "journal.jsonl")
        if isinstance(event, Generation)
        for one in event.evaluations
    ]
    adapters = [(one, gene) for one in tried for gene in one.candidate.genome.adapters]
    assert {gene.kind for _, gene in adapters} == {"scale_shift", "bottleneck"}
    written = [
        one.trained[f"adapter:{gene.stage}"]
        for one, gene in adapters
        if gene.kind == "scale_shift" and gene.component is None and one.trained
    ]
    assert written
    model = evo_mtl.load(str(run))
    images = coloured(4, 2, 0)[0]
    for task in model.tasks:
        assert len(model.predict(images, task).labels) == 4
        assert np.isfinite(model.predict(images, task).probabilities).all()
        assert all(node["parameters"] > 0 for node in task_details(run, task)["nodes"] if node["component"])
