from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV

from evo_mtl.errors import CandidateError, InputError
from evo_mtl.learners import fine_tuning as module
from evo_mtl.learners.depth_ridge import depth_ridge
from evo_mtl.learners.features import Tap, depth_taps, final_tap, pooled_features
from evo_mtl.learners.fine_tuning import GridPoint, fine_tuning, read_grid
from evo_mtl.learners.learner import Learner, Settings, TaskData
from evo_mtl.learners.probe import probe
from evo_mtl.network.trunks import Trunk, build_trunk
from evo_mtl.training.arrays import ArrayCache

LEARNERS = [probe, depth_ridge, fine_tuning]


@pytest.mark.parametrize("learner", [probe, depth_ridge])
def test_a_cheap_learner_tells_colours_apart(
    learner: Learner, data: TaskData, trunk: Trunk, settings: Settings
) -> None:
    learned = learner(data, trunk, settings)
    assert learned.validation == 1.0
    assert (learned.predict(data.validation_images) == data.validation_labels).all()


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_learner_does_the_same_twice_and_leaves_the_trunk_as_it_was(
    learner: Learner, data: TaskData, trunk: Trunk, settings: Settings
) -> None:
    before = [tensor.clone() for stage in trunk.stages for tensor in stage.state_dict().values()]
    first, second = learner(data, trunk, settings), learner(data, trunk, settings)
    assert (first.validation, first.chosen) == (second.validation, second.chosen)
    assert (first.predict(data.train_images) == second.predict(data.train_images)).all()
    after = [tensor for stage in trunk.stages for tensor in stage.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(parameter.requires_grad for stage in trunk.stages for parameter in stage.parameters())


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_validation_score_is_that_of_the_predictions(
    learner: Learner, data: TaskData, trunk: Trunk, settings: Settings
) -> None:
    learned = learner(data, trunk, settings)
    assert learned.validation == np.mean(learned.predict(data.validation_images) == data.validation_labels)


def test_parameters_added_are_the_head_for_frozen_learners_and_the_trunk_too_for_fine_tuning(
    data: TaskData, trunk: Trunk, settings: Settings
) -> None:
    body = sum(parameter.numel() for stage in trunk.stages for parameter in stage.parameters())
    depth = sum(trunk.channels[tap.stage] * tap.grid**2 for tap in depth_taps(trunk))
    assert probe(data, trunk, settings).parameters_added == 3 * 1281
    assert depth_ridge(data, trunk, settings).parameters_added == 3 * (depth + 1)
    assert fine_tuning(data, trunk, settings).parameters_added == body + 3 * 1281


def test_depth_ridge_answers_as_scikit_learn_on_the_same_features(
    data: TaskData, trunk: Trunk, settings: Settings
) -> None:
    taps = depth_taps(trunk)
    train, validation = (
        pooled_features(trunk, images, taps).astype(np.float64)
        for images in (data.train_images, data.validation_images)
    )
    mean, scale = train.mean(0), np.where(train.std(0) > 0, train.std(0), 1)
    reference = RidgeClassifierCV(alphas=10.0 ** np.arange(6)).fit((train - mean) / scale, data.train_labels)
    learned = depth_ridge(data, trunk, settings)
    assert learned.chosen["alpha"] == reference.alpha_
    expected = reference.predict((validation - mean) / scale)
    assert (learned.predict(data.validation_images) == expected).all()


def test_the_depth_taps_of_efficientnet_lite0_are_groups_2_to_7_and_the_head() -> None:
    trunk = build_trunk("tf_efficientnet_lite0", "random")
    taps = depth_taps(trunk)
    channels = [(trunk.channels[tap.stage], tap.grid) for tap in taps]
    assert channels == [(c, g) for c in (24, 40, 80, 112, 192, 320) for g in (1, 2)] + [(1280, 1)]


def test_features_do_not_depend_on_which_images_are_beside_them(data: TaskData, trunk: Trunk) -> None:
    together = pooled_features(trunk, data.train_images, depth_taps(trunk))
    alone = pooled_features(trunk, data.train_images[:3], depth_taps(trunk))
    assert (together[:3] == alone).all()


def test_features_from_the_cache_are_those_computed(data: TaskData, trunk: Trunk, tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path, 2**24)
    taps = final_tap(trunk)
    computed = pooled_features(trunk, data.train_images, taps)
    for _ in range(2):
        assert (pooled_features(trunk, data.train_images, taps, cache) == computed).all()
    assert len(list(tmp_path.rglob("*.npy"))) == 1


def test_other_images_or_taps_are_not_taken_from_the_cache(
    data: TaskData, trunk: Trunk, tmp_path: Path
) -> None:
    cache = ArrayCache(tmp_path, 2**24)
    first = pooled_features(trunk, data.train_images, final_tap(trunk), cache)
    changed = data.train_images.copy()
    changed[0, 0, 0, 0] ^= 255
    assert (pooled_features(trunk, changed, final_tap(trunk), cache)[0] != first[0]).any()
    assert pooled_features(trunk, data.train_images, (Tap(3, 1),), cache).shape != first.shape


def test_best_in_the_grid_is_the_rate_that_did_best_on_validation(
    data: TaskData, trunk: Trunk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    answers = {0.1: data.validation_labels, 0.2: 1 - data.validation_labels}

    def train(
        data: TaskData, trunk: Trunk, settings: Settings, rate: float, epochs: int, flip: bool
    ) -> tuple[torch.nn.Module, ...]:
        tried.append((rate, epochs, flip))
        networks = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        networks[0].rate, networks[1].rate = 0.2, rate  # type: ignore[assignment]
        return networks

    monkeypatch.setattr(module, "_train", train)
    monkeypatch.setattr(module, "_predict", lambda network, images, device: answers[network.rate])
    learned = fine_tuning(data, trunk, replace(settings, grid="0.2x1,0.1x1,bestx2,bestxbest+flip"))
    assert tried == [(0.2, 1, False), (0.1, 1, False), (0.1, 2, False), (0.1, 1, True)]
    assert learned.chosen == {"rate": 0.1, "epochs": 1, "flip": False, "average": True}


def test_mirrored_images_and_averaged_weights_are_told_where_they_were_best(
    data: TaskData, trunk: Trunk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    forward = module._Network.forward

    def watched(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        if network.training:
            seen.append(images.numpy())
        return forward(network, images)

    monkeypatch.setattr(module._Network, "forward", watched)
    learned = fine_tuning(data, trunk, replace(settings, grid="1e-3x1,bestxbest+flip"))
    assert learned.chosen.keys() == {"rate", "epochs", "flip", "average"}
    originals = {image.tobytes() for image in data.train_images}
    mirrored = {image[:, ::-1].tobytes() for image in data.train_images}
    plain, turned = np.concatenate(seen[: len(seen) // 2]), np.concatenate(seen[len(seen) // 2 :])
    assert all(image.tobytes() in originals for image in plain)
    assert all(image.tobytes() in originals | mirrored for image in turned)
    assert 0.2 < np.mean([image.tobytes() in originals for image in turned]) < 0.8


def test_fine_tuning_that_diverges_everywhere_fails_by_name(
    data: TaskData, trunk: Trunk, settings: Settings
) -> None:
    with pytest.raises(CandidateError, match="colours diverged"):
        fine_tuning(data, trunk, replace(settings, grid="1e30x4"))


def test_fine_tuning_lowers_the_training_error(data: TaskData, settings: Settings) -> None:
    trunk = build_trunk("resnet18", "random")
    learned = fine_tuning(data, trunk, replace(settings, grid="1e-3x12"))
    assert np.mean(learned.predict(data.train_images) == data.train_labels) > 0.9


def test_a_grid_is_read_point_by_point() -> None:
    assert read_grid("1e-3x8, bestx16, bestxbest+flip") == (
        GridPoint(1e-3, 8),
        GridPoint(None, 16),
        GridPoint(None, None, flip=True),
    )


@pytest.mark.parametrize(
    "grid",
    [
        "",
        "1e-3",
        "x8",
        "1e-3x0",
        "bestx8",
        "-1x8",
        "nanx8",
        "1e-3x8,",
        "infx2",
        "1e-3xbest",
        "1e-3x8+",
        "1e-3x8+crop",
    ],
)
def test_a_grid_that_reads_otherwise_is_refused(grid: str) -> None:
    with pytest.raises(InputError, match="expected RATExEPOCHS"):
        read_grid(grid)
