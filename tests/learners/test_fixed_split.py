from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evo_mtl
from evo_mtl.errors import TrunkError
from evo_mtl.learners.fixed_split import SHARES, SPACE, cuts_of, nearest_cuts, settings
from evo_mtl.network.cost import stage_parameters
from evo_mtl.run.folder import open_run
from evo_mtl.testing.worlds import write_stream

TRUNK = "mobilenetv2_035"


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


@pytest.mark.parametrize(("trunk", "most"), [("tf_efficientnet_lite0", 0.03), ("resnet18", 0.01)])
def test_a_trunk_is_split_near_the_shares_of_the_thesis(trunk: str, most: float) -> None:
    assert np.abs(np.subtract(cuts_of(trunk).shares, SHARES)).max() < most


def test_of_resnet18_it_is_the_split_of_the_thesis() -> None:
    assert (cuts_of("resnet18").common, cuts_of("resnet18").own) == (15, 16)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks along a stream."""
    home = tmp_path_factory.mktemp("split")
    evo_mtl.search(
        write_stream(home, ("aa", "bbb")),
        space=SPACE,
        run=home / "run",
        overrides=settings(TRUNK, "random", 32),
    )
    return home / "run"


def test_it_is_one_candidate_a_task_that_is_frozen_followed_and_own(run: Path) -> None:
    state, cuts = open_run(run)[2], cuts_of(TRUNK)
    for task in ("aa", "bbb"):
        genome = state.answer(task).way.genome
        assert (genome.boundary, genome.own_from) == (cuts.common, cuts.own)
        assert [gene.open for gene in genome.stages] == [i >= cuts.common for i in range(genome.depth)]
        told = {
            name: genome[name] for name in ("learning_rate", "common_learning_rate", "batch_size", "epochs")
        }
        assert told == {"learning_rate": 0.01, "common_learning_rate": 1e-5, "batch_size": 64, "epochs": 1}
        assert (genome["schedule"], genome["warmup_share"]) == ("constant", 0.0)


def test_a_later_task_changes_what_is_in_common_and_nothing_else(run: Path) -> None:
    cuts, state = cuts_of(TRUNK), open_run(run)[2]
    root = next(iter(state.roots.values())).components
    then, now = (evo_mtl.load(run, after).route("aa") for after in ("aa", None))
    moved = [
        node.stage for node, new in zip(then.nodes, now.nodes, strict=True) if node.component != new.component
    ]
    assert moved == list(range(cuts.common, cuts.own))
    assert [node.component for node in now.nodes[: cuts.common]] == list(root[: cuts.common])
    others = evo_mtl.load(run).route("bbb")
    assert others.nodes[cuts.common].component == now.nodes[cuts.common].component
    assert others.nodes[cuts.own].component != now.nodes[cuts.own].component


def test_a_task_adds_its_own_stages_and_head_and_the_first_what_is_in_common(run: Path) -> None:
    state, cuts, counts = open_run(run)[2], cuts_of(TRUNK), stage_parameters(TRUNK, "half")
    first, second = (state.answer(task).told.cost for task in ("aa", "bbb"))
    heads = [cost.active_parameters - sum(counts) for cost in (first, second)]
    assert second.added_parameters == sum(counts[cuts.own :]) + heads[1]
    assert first.added_parameters == sum(counts[cuts.common :]) + heads[0]
