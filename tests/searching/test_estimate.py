"""What a dry run tells beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest

from evo_mtl.errors import ConfigError, DataError
from evo_mtl.run.config import RunConfig, make_config
from evo_mtl.run.events import Generation, history
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.searching.checks import check_root
from evo_mtl.searching.estimate import estimate, planned_work
from evo_mtl.searching.runner import run_search
from evo_mtl.streams.task import open_task
from tests.cli.worlds import write_world


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with a stream, a space and the data of two tasks."""
    return write_world(tmp_path)


def _config(world: Path, *overrides: str) -> RunConfig:
    return make_config(world / "stream.yaml", str(world / "space.yaml"), overrides=overrides)


def test_an_estimate_writes_nothing_and_adds_up(world: Path) -> None:
    before = sorted(world.rglob("*"))
    found = estimate(RunFolder(world / "run"), _config(world))
    assert sorted(world.rglob("*")) == before
    for key in ("candidates", "images", "multiply_adds", "seconds"):
        assert found[key] == pytest.approx(sum(row[key] for row in found["tasks"]))
        assert found[key] > 0


def test_the_seed_candidates_are_priced_as_the_search_prices_them(world: Path) -> None:
    config = _config(world, "budget.generations=0")
    found = estimate(RunFolder(world / "run"), config)
    run_search(RunFolder(world / "run"), config, Options())
    generation = next(e for e in history(world / "run" / "journal.jsonl") if isinstance(e, Generation))
    costs = [evaluation.cost for evaluation in generation.evaluations]
    row = found["tasks"][0]
    assert row["candidates"] == len(costs)
    assert row["images"] == sum(cost.images for cost in costs)
    assert row["multiply_adds"] == sum(cost.multiply_adds for cost in costs)


def test_a_task_that_is_archived_costs_nothing_more(world: Path) -> None:
    config = _config(world, "budget.generations=0")
    run_search(RunFolder(world / "run"), config, Options())
    found = estimate(RunFolder(world / "run"), config)
    assert found["archived"] == ["one", "two"]
    assert found["tasks"] == []
    assert found["seconds"] == 0


@pytest.mark.parametrize("algorithm", ["mu2net", "random"])
def test_planned_work_stays_inside_the_budget_in_images(world: Path, algorithm: str) -> None:
    config = _config(world, f"algorithm={algorithm}", "budget.generations=5", "budget.images=100")
    task = open_task(config.stream.tasks[0])
    candidates, images, multiply_adds = planned_work(task, config.space, 0, check_root(config.space))
    assert 1 <= candidates <= 6
    assert 0 < images <= 100
    assert multiply_adds > 0


def test_an_estimate_refuses_a_stage_that_the_trunk_has_not(world: Path) -> None:
    with pytest.raises(ConfigError, match=r"stages\.boundaries: 99"):
        estimate(RunFolder(world / "run"), _config(world, "stages.boundaries=[99]"))


def test_an_estimate_refuses_data_that_are_missing(world: Path) -> None:
    (world / "two.npz").unlink()
    with pytest.raises(DataError, match=r"two\.npz"):
        estimate(RunFolder(world / "run"), _config(world))


def test_an_estimate_is_of_the_whole_budget_whatever_the_stop_rule(world: Path) -> None:
    plain, stopped = (
        estimate(RunFolder(world / "run"), _config(world, "budget.generations=3", *more))["candidates"]
        for more in ((), ("stop={gain: 1.0}",))
    )
    assert stopped == plain
