"""A candidate tried, whole: what is trained, what is left alone, what is written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.evolution.outcome import Outcome
from evo_mtl.genome.genome import Genome, as_founder, settle
from evo_mtl.network.assembly import assemble
from evo_mtl.network.components import load_module
from evo_mtl.network.route import close
from evo_mtl.testing.worlds import a_bench, shared_routes, write_task
from evo_mtl.training import trial
from evo_mtl.training.trial import try_candidate
from tests.training.worlds import Workshop, candidate

Workshops = Callable[[str, str], Workshop]


def attempt(workshop: Workshop, genome: Genome, cache: Path, cache_bytes: int = 2**30) -> Outcome:
    return try_candidate(candidate(genome), workshop.bench(cache, cache_bytes))


@pytest.mark.parametrize(
    ("trunk", "cut", "depth", "open_from", "adapters", "values"),
    [
        ("mobilenetv2_035", "group", 5, 3, (), {}),
        (
            "mobilenetv2_035",
            "group",
            5,
            5,
            (3,),
            {"norm": "eval", "views": 2, "crop_area_min": 0.5, "flip": True},
        ),
        ("mobilenetv2_035", "group", 5, 0, (), {"epochs": 1}),
        ("mobilenetv2_035", "group", 9, 8, (), {"optimizer": "adamw", "learning_rate": 0.001}),
        ("resnet10t", "half", 5, 4, (3,), {"epochs": 1}),
        ("vit_tiny_patch16_224", "group", 3, 2, (0,), {"epochs": 1}),
    ],
)
def test_keeping_activations_changes_no_bit_of_an_outcome(
    trunk: str,
    cut: str,
    depth: int,
    open_from: int,
    adapters: tuple[int, ...],
    values: dict,
    workshops: Workshops,
    tmp_path: Path,
) -> None:
    workshop = workshops(trunk, cut)
    genome = workshop.genome(depth, open_from, adapters=adapters, **values)
    kept = attempt(workshop, genome, tmp_path / "kept")
    again = attempt(workshop, genome, tmp_path / "kept")
    never = attempt(workshop, genome, tmp_path / "never", cache_bytes=0)
    assert kept.status.ok
    assert kept.notes.best > 0
    assert kept == again == never
    assert any((tmp_path / "kept").rglob("*.npy"))
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("trunk", "cut", "depth", "open_from", "head", "adapters", "values"),
    [
        ("mobilenetv2_035", "group", 5, 5, "ridge", (), {}),
        ("mobilenetv2_035", "group", 5, 5, "linear", (2,), {"head_start": "ridge"}),
        ("mobilenetv2_035", "group", 4, 3, "linear", (), {"norm": "eval", "views": 2, "flip": True}),
        ("mobilenetv2_035", "group", 4, 0, "linear", (), {"epochs": 1}),
        ("resnet10t", "half", 5, 5, "linear", (3,), {"epochs": 1, "optimizer": "adamw"}),
    ],
)
def test_without_keeping_an_outcome_is_the_same_but_for_rounding_and_no_activation_is_kept(
    trunk: str,
    cut: str,
    depth: int,
    open_from: int,
    head: str,
    adapters: tuple[int, ...],
    values: dict,
    workshops: Workshops,
    tmp_path: Path,
) -> None:
    workshop = workshops(trunk, cut)
    genome = workshop.genome(depth, open_from, head, adapters, **values)
    kept = attempt(workshop, genome, tmp_path / "kept")
    plain = try_candidate(candidate(genome), replace(workshop.bench(tmp_path / "plain"), keeping=False))
    assert plain.status.ok
    np.testing.assert_allclose(plain.curve, kept.curve, atol=1e-4)
    arrays = [np.load(path, allow_pickle=False) for path in (tmp_path / "plain").rglob("*.npy")]
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}


def test_without_keeping_no_frozen_weight_has_a_gradient(workshop: Workshop, tmp_path: Path) -> None:
    bench = replace(workshop.bench(tmp_path), keeping=False)
    assert try_candidate(candidate(workshop.genome(5, 5, adapters=(2,))), bench).status.ok
    frozen = [bench.shared.modules[component] for component in workshop.facts.components[:5]]
    assert not any(p.requires_grad or p.grad is not None for module in frozen for p in module.parameters())


@pytest.mark.parametrize("head", ["ridge", "projected_ridge", "nearest_mean"])
def test_keeping_activations_changes_no_bit_of_a_solved_outcome(
    head: str, workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(5, 5, head, grids=(1, 2), projection_width=64)
    kept = attempt(workshop, genome, tmp_path / "kept")
    assert kept.status.ok
    assert set(kept.trained) == {"head"}
    assert attempt(workshop, genome, tmp_path / "never", cache_bytes=0) == kept


@pytest.mark.parametrize("head", ["linear", "ridge", "projected_ridge", "nearest_mean"])
@pytest.mark.parametrize("norm", ["eval", "train"])
def test_an_archived_route_gives_the_very_logits_of_its_trial_over_their_temperature(
    head: str, norm: str, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def calibrate(module: torch.nn.Module, logits: np.ndarray, labels: np.ndarray) -> float:
        seen.append(logits)
        return real(module, logits, labels)

    real = trial.calibrate
    monkeypatch.setattr(trial, "calibrate", calibrate)
    genome = workshop.genome(
        5, 3 if head == "linear" else 5, head, adapters=(3,) if head == "linear" else (), norm=norm
    )
    bench = workshop.bench(tmp_path)
    outcome = try_candidate(candidate(genome), bench)
    closed = close(assemble(genome, workshop.layout), outcome.trained)
    archived = shared_routes(workshop.store, workshop.layout).logits(
        [closed], {32: bench.images.validation(genome)[1]}
    )[0]
    assert outcome.notes.temperature != 1.0
    expected = torch.from_numpy(seen[0]) / torch.tensor(outcome.notes.temperature)
    assert torch.equal(archived, expected)


def test_a_trial_again_by_another_bench_gives_the_same_and_another_child_does_not(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(5, 3, head_start="zero")
    first = attempt(workshop, genome, tmp_path / "a")
    assert attempt(workshop, genome, tmp_path / "b") == first
    other = try_candidate(candidate(genome, child=1), workshop.bench(tmp_path / "a"))
    assert first.notes.best > 0
    assert other.trained != first.trained


def test_frozen_components_are_unchanged_by_a_trial(workshop: Workshop, tmp_path: Path) -> None:
    bench = workshop.bench(tmp_path)
    frozen = {c: copy.deepcopy(bench.shared.modules[c].state_dict()) for c in workshop.facts.components[:5]}
    genome = workshop.genome(5, 2, norm="train")
    stages = tuple(replace(gene, open=i in (2, 3)) for i, gene in enumerate(genome.stages))
    outcome = try_candidate(candidate(replace(genome, stages=stages)), bench)
    assert set(outcome.trained) == {"stage:2", "stage:3", "head"}
    for component, before in frozen.items():
        after = bench.shared.modules[component].state_dict()
        assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
        assert not any(p.grad is not None for p in bench.shared.modules[component].parameters())
    assert workshop.facts.components[4] in workshop.store


def state(workshop: Workshop, component: str) -> dict[str, torch.Tensor]:
    return load_module(workshop.store.read, component).state_dict()


@pytest.mark.parametrize("norm", ["eval", "train"])
def test_norm_eval_leaves_the_statistics_of_open_stages_and_train_moves_them(
    norm: str, workshop: Workshop, tmp_path: Path
) -> None:
    outcome = attempt(workshop, workshop.genome(4, 3, norm=norm, head_start="zero"), tmp_path)
    assert outcome.notes.best > 0
    before, after = state(workshop, workshop.facts.components[3]), state(workshop, outcome.trained["stage:3"])
    statistics = [name for name in before if "running" in name]
    weights = [name for name in before if name.endswith("weight")]
    assert all(torch.equal(before[name], after[name]) == (norm == "eval") for name in statistics)
    assert any(not torch.equal(before[name], after[name]) for name in weights)


@pytest.mark.parametrize(
    "values", [{"learning_rate": 1e25}, {"learning_rate": 1e25, "optimizer": "adamw", "clip_norm": 0.0}]
)
def test_a_candidate_that_diverges_is_an_outcome_that_failed(
    values: dict, workshop: Workshop, tmp_path: Path
) -> None:
    outcome = attempt(
        workshop, workshop.genome(4, 3, head_start="ridge", warmup_share=0.0, epochs=4, **values), tmp_path
    )
    assert outcome.status.failed
    assert outcome == Outcome(outcome.status)


def test_quality_is_the_best_of_the_curve_and_the_curve_starts_before_training(
    workshop: Workshop, tmp_path: Path
) -> None:
    outcome = attempt(workshop, workshop.genome(5, 3, head_start="ridge"), tmp_path)
    assert len(outcome.curve) == 1 + 2
    assert outcome.quality == max(outcome.curve)
    assert outcome.notes.best == max(i for i, q in enumerate(outcome.curve) if q == outcome.quality)


def test_the_coloured_task_is_learned_by_every_kind_of_head(workshop: Workshop, tmp_path: Path) -> None:
    for head in ("linear", "ridge", "projected_ridge", "nearest_mean"):
        genome = workshop.genome(3, 3, head, grids=(2,), epochs=4, head_start="ridge")
        assert attempt(workshop, genome, tmp_path).quality > 0.9


def test_a_child_starts_from_the_weights_of_its_parent(workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(4, 3, adapters=(2,), epochs=3)
    parent = attempt(workshop, genome, tmp_path)
    child = settle(genome, parent.trained).with_values({"learning_rate": 0.0, "norm": "eval"})
    outcome = attempt(workshop, child, tmp_path)
    assert outcome.curve == (parent.quality,) * 3
    assert {s: c for s, c in outcome.trained.items() if s != "head"} == {
        s: c for s, c in parent.trained.items() if s != "head"
    }


def test_a_founder_with_nothing_open_writes_a_head_alone(workshop: Workshop, tmp_path: Path) -> None:
    genome = workshop.genome(4, 3)
    founder = as_founder(settle(genome, attempt(workshop, genome, tmp_path).trained))
    assert set(attempt(workshop, founder, tmp_path).trained) == {"head"}


def test_two_tasks_of_equal_images_share_a_cache_and_each_gets_its_own_views(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = workshop.genome(4, 3, views=2, crop_area_min=0.3, flip=True)
    twin = write_task(tmp_path / "twin.npz", seed=3)

    def twins(cache: str) -> Outcome:
        return try_candidate(
            replace(candidate(genome), task="twin"),
            a_bench(workshop.store, workshop.layout, twin, tmp_path / cache),
        )

    attempt(workshop, genome, tmp_path / "shared")
    assert twins("shared") == twins("its own")
