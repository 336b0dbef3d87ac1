from __future__ import annotations

import numpy as np
import pytest
import torch

from evo_mtl.errors import TrunkError
from evo_mtl.learners.fixed_split import SHARES, SplitNetwork, nearest_cuts
from evo_mtl.learners.learner import TaskData
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.network.trunks import Trunk, build_trunk


def other(data: TaskData) -> TaskData:
    """The same images under another name, their classes the other way round."""
    labels = [data.num_classes - 1 - labels for labels in (data.train_labels, data.validation_labels)]
    return TaskData("other", 3, "accuracy", data.train_images, labels[0], data.validation_images, labels[1])


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in module.state_dict().values()]


def equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_cuts_are_those_of_the_smallest_error_among_all_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        parameters = rng.integers(1, 100, rng.integers(3, 12)).tolist()
        cuts, total = nearest_cuts(parameters), sum(parameters)

        def error(i: int, j: int, p: list[int] = parameters, t: int = total) -> float:
            return abs(sum(p[:i]) / t - SHARES[0]) + abs(sum(p[:j]) / t - SHARES[0] - SHARES[1])

        errors = [error(i, j) for i in range(1, len(parameters)) for j in range(i + 1, len(parameters))]
        assert error(cuts.common, cuts.own) == pytest.approx(min(errors), abs=1e-12)
        assert sum(cuts.shares) == pytest.approx(1)
        assert min(cuts.shares) > 0


def test_a_trunk_of_two_stages_cannot_be_split() -> None:
    with pytest.raises(TrunkError, match="in three"):
        nearest_cuts([1, 2])


def test_the_root_trunk_is_split_near_the_shares_of_the_thesis() -> None:
    stages = build_trunk("tf_efficientnet_lite0", "random", "half").stages
    cuts = nearest_cuts([num_parameters(stage) for stage in stages])
    assert np.abs(np.subtract(cuts.shares, SHARES)).max() < 0.03


def test_a_later_task_changes_the_common_part_and_neither_the_frozen_one_nor_an_earlier_own_end(
    data: TaskData, trunk: Trunk
) -> None:
    network = SplitNetwork(trunk)
    network.learn(data, seed=0)
    end = network._ends[data.name]
    before = [weights(part) for part in (network._frozen, network._common, end)]
    network.learn(other(data), seed=0)
    after = [weights(part) for part in (network._frozen, network._common, end)]
    assert [equal(a, b) for a, b in zip(before, after)] == [True, False, True]


def test_a_task_has_its_own_stages_and_head_for_itself(data: TaskData, trunk: Trunk) -> None:
    network = SplitNetwork(trunk)
    own = sum(num_parameters(stage) for stage in trunk.stages[network.cuts.own :])
    assert network.learn(data, seed=0) == own + 3 * (trunk.channels[-1] + 1)


def test_the_trunk_that_is_split_stays_as_it_was(data: TaskData, trunk: Trunk) -> None:
    before = [tensor for stage in trunk.stages for tensor in weights(stage)]
    SplitNetwork(trunk).learn(data, seed=0)
    assert equal(before, [tensor for stage in trunk.stages for tensor in weights(stage)])
    assert not any(p.requires_grad for stage in trunk.stages for p in stage.parameters())


def test_the_same_seed_learns_the_same_and_another_seed_does_not(data: TaskData, trunk: Trunk) -> None:
    found = []
    for seed in (0, 0, 1):
        network = SplitNetwork(trunk)
        many = TaskData(
            "many",
            3,
            "accuracy",
            *(np.concatenate([a] * 8) for a in (data.train_images, data.train_labels)),
            data.validation_images,
            data.validation_labels,
        )
        network.learn(many, seed)
        found.append(weights(network._ends["many"]))
    assert equal(found[0], found[1])
    assert not equal(found[0], found[2])


def test_answers_do_not_depend_on_the_state_that_training_left(data: TaskData, trunk: Trunk) -> None:
    network = SplitNetwork(trunk)
    network.learn(data, seed=0)
    together = network.answer(data.name, data.validation_images)
    alone = [network.answer(data.name, image[None])[0] for image in data.validation_images]
    assert together.tolist() == alone
