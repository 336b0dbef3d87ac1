"""Every part of scripts/benchmark_race runs on a tiny world and prints ratios; no timing is asserted."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from evo_mtl.genome.sections import RaceRules

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark_race"


def part(name: str) -> ModuleType:
    return importlib.import_module(f"race.{name}")


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("name", ["throughput", "memory", "twins"])
def test_a_part_runs_on_a_tiny_world_and_prints_a_ratio(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert part(name).main(["--quick", "--json", str(tmp_path / "found.json")]) == 0
    printed = capsys.readouterr().out
    assert "ratio" in printed
    assert "load_average" in printed
    assert json.loads((tmp_path / "found.json").read_text())["quick"] is True


@pytest.mark.usefixtures("scripts")
def test_a_worse_one_is_replaced_once_it_is_old_enough_and_a_twin_that_answers_alike_never() -> None:
    rules = RaceRules(population=3, age=64, level=0.05, window=64)
    good = np.ones((1, 32), bool)
    answers = [np.concatenate([good, good, ~good])] * 12
    assert part("twins").left(answers, rules) == {2: 128}  # the first round that ends after its age


@pytest.mark.usefixtures("scripts")
def test_the_trunk_takes_batches_of_any_size(tmp_path: Path) -> None:
    ground, throughput = part("ground"), part("throughput")
    world = ground.a_ground(tmp_path, True, 2)
    for count in (3, 32, 70):
        pictures = ground.Pictures(np.zeros((count, 32, 32, 3), np.uint8), np.zeros(count, np.int64))
        throughput._trunk(world, [pictures], 32)(0)


@pytest.mark.usefixtures("scripts")
def test_tensors_are_counted_while_they_live() -> None:
    torch, memory = importlib.import_module("torch"), part("memory")
    before = memory.live_tensors()
    kept = torch.ones(1000, dtype=torch.float64)
    assert memory.live_tensors() - before == 8 * len(kept)
    del kept
    assert memory.live_tensors() == before


def test_an_unknown_part_is_answered_in_one_line() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "twin"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "twins" in done.stderr
