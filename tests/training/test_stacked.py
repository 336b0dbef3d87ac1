"""Candidates trained together: each as if it were alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evo_mtl.errors import CandidateError
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.evolution.outcome import OK, Notes, failed
from evo_mtl.genome.genome import Genome, settle
from evo_mtl.network import forward
from evo_mtl.network.assembly import assemble
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.head import Head
from evo_mtl.network.kinds.kind import Group, new
from evo_mtl.network.pooling import main_tensor, pooled_size
from evo_mtl.network.route import close
from evo_mtl.testing.worlds import shared_routes
from evo_mtl.training import trial
from evo_mtl.training.fit import Fitted, Member, fit_together
from evo_mtl.training.inputs import Gathered
from evo_mtl.training.kept import frontier
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.optimizers import StackedOptimizer, make_optimizer, set_learning_rate
from evo_mtl.training.own import own_modules
from evo_mtl.training.stacked import stack
from evo_mtl.training.trial import try_candidate, try_group
from tests.training.worlds import Workshop, candidate

Workshops = Callable[[str, str], Workshop]

VARIED: tuple[dict[str, Any], ...] = (
    {"learning_rate": 0.05, "weight_decay": 0.0, "label_smoothing": 0.0, "clip_norm": 0.0},
    {"learning_rate": 0.01, "weight_decay": 0.1, "label_smoothing": 0.1, "schedule": "cosine"},
    {"learning_rate": 0.02, "momentum": 0.5, "warmup_share": 0.5, "clip_norm": 0.05, "average": 0.9},
)
OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"optimizer": "adamw"},
    {"optimizer": "sgd", "nesterov": True},
    {"optimizer": "sgd", "nesterov": False},
)


class DoubleModules:
    """Frozen modules in float64, whatever asks for them."""

    def __init__(self, modules: Any) -> None:
        self.device = modules.device
        self._modules, self._made = modules, {}

    def __getitem__(self, component: str) -> nn.Module:
        if component not in self._made:
            self._made[component] = copy.deepcopy(self._modules[component]).double()
        return self._made[component]

    passing = __getitem__


@pytest.fixture
def in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pooling, too, hands on float64."""

    def pool(activation: Any, grid: int, num_prefix_tokens: int) -> torch.Tensor:
        x = main_tensor(activation).double()
        if x.ndim == 3:
            return x[:, num_prefix_tokens:].mean(1)
        return nn.functional.adaptive_avg_pool2d(x, grid).flatten(1)

    monkeypatch.setattr(forward, "pool", pool)


def trained(
    workshop: Workshop, cache: Path, genomes: list[Genome], together: bool, double: bool
) -> list[dict[str, torch.Tensor]]:
    """The weights that members end with, from different starting weights and orders."""
    bench = workshop.bench(cache)
    layout, task = bench.layout, bench.images.task
    shared = bench.shared
    if double:
        shared = SharedRoutes(DoubleModules(shared.modules))  # type: ignore[arg-type]
    members = []
    for i, genome in enumerate(genomes):
        route = assemble(genome, layout)
        own = own_modules(candidate(genome, i), route, layout, 3, 0, bench.shared)
        drawn = torch.Generator().manual_seed(i)
        for module in own.values():
            for p in module.parameters():
                p.data.normal_(std=0.05, generator=drawn)
            if isinstance(module, Head):
                module.mean.normal_(generator=drawn)
            module.to(torch.float64 if double else torch.float32)
        members.append(Member(OpenPart(route, own, shared), genome, np.random.default_rng(i)))
    route = members[0].part.route
    train, validation = (
        frontier(route, pixels, key, bench.shared, bench.cache)
        for key, pixels in (bench.images.train(genomes[0], 0), bench.images.validation(genomes[0]))
    )
    groups = [members] if together else [[member] for member in members]
    for group in groups:
        for found in fit_together(group, [train], task.train.labels, validation, lambda _: 0.5, 3):
            assert isinstance(found, Fitted)
            assert found.best == len(found.curve) - 1
    return [
        {
            f"{slot}.{name}": p.detach()
            for slot, m in each.part.own.items()
            for name, p in m.named_parameters()
        }
        for each in members
    ]


def assert_same(
    together: list[dict[str, torch.Tensor]], alone: list[dict[str, torch.Tensor]], tolerance: float
) -> None:
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            torch.testing.assert_close(ours[name], tensor, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize(
    ("trunk", "cut", "depth", "adapters", "optimizer"),
    [
        ("mobilenetv2_035", "group", 3, (), OPTIMIZERS[0]),
        ("mobilenetv2_035", "group", 3, (), OPTIMIZERS[1]),
        ("mobilenetv2_035", "group", 3, (), OPTIMIZERS[2]),
        ("mobilenetv2_035", "group", 5, (1, 3), OPTIMIZERS[0]),
        ("mobilenetv2_035", "group", 5, (3, 4), OPTIMIZERS[1]),
        ("resnet10t", "half", 4, (3,), OPTIMIZERS[2]),
        ("vit_tiny_patch16_224", "group", 2, (0, 1), OPTIMIZERS[0]),
    ],
)
@pytest.mark.usefixtures("in_double")
def test_over_a_whole_training_in_float64_each_member_equals_itself_alone(
    trunk: str,
    cut: str,
    depth: int,
    adapters: tuple[int, ...],
    optimizer: dict,
    workshops: Workshops,
    tmp_path: Path,
) -> None:
    workshop = workshops(trunk, cut)
    plain = workshop.genome(depth, depth, adapters=adapters, epochs=2, clip_norm=1.0)
    genomes = [plain.with_values(optimizer | values) for values in VARIED]
    together = trained(workshop, tmp_path, genomes, together=True, double=True)
    assert_same(together, trained(workshop, tmp_path, genomes, together=False, double=True), 1e-9)
    assert not torch.allclose(together[0]["head.linear.weight"], together[1]["head.linear.weight"], atol=1e-3)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_in_float32_equals_the_step_alone_up_to_rounding(
    optimizer: dict, workshop: Workshop, tmp_path: Path
) -> None:
    plain = workshop.genome(5, 5, adapters=(1,), epochs=1, batch_size=45, clip_norm=1.0)
    genomes = [plain.with_values(optimizer | values | {"learning_rate": 0.01}) for values in VARIED]
    together = trained(workshop, tmp_path, genomes, together=True, double=False)
    alone = trained(workshop, tmp_path, genomes, together=False, double=False)
    if optimizer["optimizer"] == "adamw":
        # A first step of Adam has the rate's size whatever the gradient's: only its sign can round away.
        for ours, theirs in zip(together, alone, strict=True):
            apart = torch.cat([(ours[name] - theirs[name]).abs().flatten() for name in ours])
            assert (apart > 1e-5).float().mean() < 1e-3
    else:
        assert_same(together, alone, 1e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_stacked_optimiser_makes_the_steps_of_torchs(optimizer: dict, workshop: Workshop) -> None:
    plain = workshop.genome(3, 3).with_values(optimizer)
    genomes = [plain.with_values(values) for values in VARIED]
    drawn = torch.Generator().manual_seed(0)
    start = [torch.randn(3, *shape, generator=drawn, dtype=torch.float64) for shape in ((4, 5), (4,))]
    stacked = [nn.Parameter(tensor.clone()) for tensor in start]
    ours = StackedOptimizer(genomes, stacked)
    own = [[nn.Parameter(tensor[i].clone()) for tensor in start] for i in range(3)]
    theirs = [make_optimizer(genome, [Group(parameters)]) for genome, parameters in zip(genomes, own)]
    for step in range(50):
        gradients = [torch.randn(p.shape, generator=drawn, dtype=torch.float64) for p in stacked]
        rates = np.array([0.01, 0.02, 0.03]) * (step + 1) / 50
        ours.step(gradients, rates)
        for i in range(3):
            for p, gradient in zip(own[i], gradients):
                p.grad = gradient[i]
            set_learning_rate(theirs[i], rates[i])
            theirs[i].step()
    for i in range(3):
        for p, q in zip(stacked, own[i]):
            torch.testing.assert_close(p[i], q, rtol=0, atol=1e-12)


def test_optimisers_of_two_kinds_are_not_stacked(workshop: Workshop) -> None:
    genomes = [workshop.genome(3, 3).with_values(values) for values in OPTIMIZERS[:2]]
    with pytest.raises(ValueError, match="one kind"):
        StackedOptimizer(genomes, [nn.Parameter(torch.zeros(2, 1))])


def test_modules_of_other_kinds_are_not_stacked() -> None:
    for kind in ("ridge", "nearest_mean"):
        spec = {"kind": kind, "in_features": 3, "num_classes": 2}
        with pytest.raises(ValueError, match=f"a {kind} is never stacked"):
            stack([new(spec, torch.Generator())] * 2)


@pytest.mark.parametrize("kind", ["conv", "token"])
def test_stacked_modules_compute_what_their_members_do_and_members_stay_usable(kind: str) -> None:
    drawn = torch.Generator().manual_seed(0)
    shape = (4, 6, 3, 3) if kind == "conv" else (4, 9, 6)
    spec = {"kind": "bottleneck", "form": kind, "channels": 6, "width": 2}
    adapters = [new(spec, drawn) for _ in range(2)]
    for adapter in adapters:
        for p in adapter.parameters():
            p.data.normal_(generator=drawn)
    x = torch.randn(shape, generator=drawn)
    expected = torch.cat([adapters[0](x[:2]), adapters[1](x[2:])]).detach()
    torch.testing.assert_close(stack(adapters)(x), expected)
    assert torch.equal(torch.cat([adapters[0](x[:2]), adapters[1](x[2:])]), expected)


def group(workshop: Workshop, genome: Genome, *values: dict) -> list[Candidate]:
    return [candidate(genome.with_values(each), i) for i, each in enumerate(values)]


@pytest.mark.parametrize("adapters", [(), (2,)])
def test_a_member_whose_loss_is_lost_fails_as_alone_and_changes_no_bit_of_the_others(
    adapters: tuple[int, ...], workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(5, 5, adapters=adapters, epochs=4, warmup_share=0.0, clip_norm=0.0)
    sane = group(workshop, genome, *VARIED)
    lost = [sane[0], candidate(sane[1].genome.with_values({"learning_rate": 1e38}), 1), sane[2]]
    bench = workshop.bench(tmp_path)
    expected, found = try_group(sane, bench), try_group(lost, bench)
    alone = try_candidate(lost[1], bench)
    assert [outcome.status for outcome in expected] == [OK] * 3
    assert alone.status == failed("the loss is not a finite number")
    assert found[1] == replace(alone, notes=Notes(group=(0, 1, 2)))
    assert (found[0], found[2]) == (expected[0], expected[2])


def test_when_all_members_are_lost_each_says_so(workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(3, 3, epochs=4, warmup_share=0.0, clip_norm=0.0, learning_rate=1e38)
    found = try_group(group(workshop, genome, {}, {}), workshop.bench(tmp_path))
    assert [outcome.status for outcome in found] == [failed("the loss is not a finite number")] * 2


def test_a_member_that_cannot_be_made_ready_leaves_the_others(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genomes = group(workshop, workshop.genome(3, 3), *VARIED)
    expected = try_group(genomes[1:], workshop.bench(tmp_path))
    real, calls = OpenPart.taps, []

    def taps(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 1:
            raise CandidateError("a feature is not finite")
        return real(*arguments)

    monkeypatch.setattr(OpenPart, "taps", taps)
    found = try_group(genomes, workshop.bench(tmp_path))
    assert found[0].status == failed("a feature is not finite")
    assert [o.curve for o in found[1:]] == [o.curve for o in expected]
    assert [o.trained for o in found[1:]] == [o.trained for o in expected]


def test_a_group_that_does_not_fit_into_memory_is_tried_one_by_one(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, members = workshop.bench(tmp_path), group(workshop, workshop.genome(3, 3), *VARIED)
    alone = [try_candidate(each, bench) for each in members]

    def together(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(trial, "_try_together", together)
    assert try_group(members, bench) == alone


def test_a_group_of_one_is_a_trial_alone(workshop: Workshop, tmp_path: Path) -> None:
    bench = workshop.bench(tmp_path)
    one = candidate(workshop.genome(4, 4, adapters=(2,)))
    assert try_group([one], bench) == [try_candidate(one, bench)]


@pytest.mark.parametrize(
    ("adapters", "values"), [((), {"views": 2, "flip": True}), ((2, 3), {"head_start": "ridge"})]
)
def test_a_group_comes_to_what_its_members_do_alone(
    adapters: tuple[int, ...], values: dict, workshop: Workshop, tmp_path: Path
) -> None:
    bench = workshop.bench(tmp_path)
    members = group(workshop, workshop.genome(5, 5, adapters=adapters, **values), *VARIED)
    found = try_group(members, bench)
    assert found == try_group(members, workshop.bench(tmp_path / "again"))
    for outcome, member in zip(found, members, strict=True):
        alone = try_candidate(member, bench)
        np.testing.assert_allclose(outcome.curve, alone.curve, atol=1e-4)
        assert outcome.notes.temperature == pytest.approx(alone.notes.temperature, rel=1e-3)
        assert (outcome.notes.group, alone.notes.group) == ((0, 1, 2), ())
        assert outcome.trained.keys() == alone.trained.keys()


def test_children_of_a_group_start_from_its_weights_and_are_grouped_again(
    workshop: Workshop, tmp_path: Path
) -> None:
    bench = workshop.bench(tmp_path)
    members = group(workshop, workshop.genome(5, 5, adapters=(2,), epochs=3), *VARIED)
    parents = try_group(members, bench)
    children = [
        candidate(settle(member.genome, outcome.trained).with_values({"learning_rate": 0.0}), i)
        for i, (member, outcome) in enumerate(zip(members, parents))
    ]
    for parent, child in zip(parents, try_group(children, bench)):
        assert child.curve == (parent.quality,) * 3


@pytest.mark.parametrize("adapters", [(), (2,)])
def test_an_archived_route_gives_the_very_logits_of_its_member(
    adapters: tuple[int, ...], workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = [], trial.calibrate

    def calibrate(module: Head, logits: np.ndarray, labels: np.ndarray) -> float:
        seen.append(logits)
        return real(module, logits, labels)

    monkeypatch.setattr(trial, "calibrate", calibrate)
    bench = workshop.bench(tmp_path)
    members = group(workshop, workshop.genome(5, 5, adapters=adapters), *VARIED)
    routes = [
        close(assemble(member.genome, workshop.layout), outcome.trained)
        for member, outcome in zip(members, try_group(members, bench))
    ]
    images = {32: bench.images.validation(members[0].genome)[1]}
    archived = shared_routes(workshop.store, workshop.layout).logits(routes, images)
    for logits, route, outcome in zip(seen, routes, archived):
        temperature = workshop.store.read(route.nodes[-1].component)[0]["temperature"]
        assert torch.equal(outcome, torch.from_numpy(logits) / temperature)


def test_gathered_taps_change_no_bit_of_an_outcome(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = candidate(workshop.genome(5, 5, grids=(1, 2), views=2, flip=True, epochs=3))
    gathered = try_candidate(one, workshop.bench(tmp_path / "a"))
    monkeypatch.setattr(trial, "GATHERED_BYTES", 0)
    assert try_candidate(one, workshop.bench(tmp_path / "b")) == gathered
    assert gathered.notes.best > 0


def test_rows_of_gathered_taps_are_those_asked_for() -> None:
    matrix = torch.arange(12.0).view(4, 3)
    [(place, rows)] = Gathered(7, matrix)[np.array([2, 0, 2])].items()
    assert place == 7
    assert torch.equal(rows, matrix[[2, 0, 2]])


def test_pooled_sizes_tell_how_many_numbers_a_head_reads(workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(4, 4, grids=(1, 2))
    bench = workshop.bench(tmp_path)
    outcome = try_candidate(candidate(genome), bench)
    spec = workshop.store.read(outcome.trained["head"])[1]
    widths = [pooled_size(workshop.layout.channels[tap.stage], tap.grid) for tap in genome.taps]
    assert spec["in_features"] == sum(widths)
