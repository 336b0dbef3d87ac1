"""Every part of scripts/benchmark_speed runs on a tiny world and prints a ratio; no timing is asserted."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from evo_mtl.engines.local import SerialEngine

SCRIPTS = Path(__file__).parents[1] / "scripts"
CLAIMS = ("answers", "floor", "forward", "growth", "looks", "quality", "same", "start", "steps", "workers")


def claim(name: str) -> ModuleType:
    return importlib.import_module(f"speed.{name}")


@pytest.fixture
def one_process(scripts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a claim does in fresh processes is done in this one, which has loaded torch already."""
    for name in ("forward", "workers", "growth"):
        module = claim(name)
        monkeypatch.setattr(
            module, "in_fresh_process", lambda name, request, threads=1: claim(name).in_child(request)
        )
    reading = claim("measure").Reading(1.0, 1.0)
    monkeypatch.setattr(claim("start"), "_fresh", lambda command: reading)
    monkeypatch.setattr("evo_mtl.engines.local.ProcessEngine", lambda num_workers, site: SerialEngine(site))


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_runs_on_a_tiny_world_prints_a_ratio_and_writes_its_readings(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = {"quality": ["--processes", "1"], "looks": ["--workers", "1"]}.get(name, [])
    status = claim(name).main(["--quick", "--json", str(tmp_path / "found.json"), *alone])
    printed = capsys.readouterr().out
    assert status == 0
    assert "ratio" in printed
    assert "load_average" in printed
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["quick"] is True
    assert len(found) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_runs_as_a_command_with_its_own_processes(name: str) -> None:
    done = answer(name, "--quick")
    assert done.returncode == 0, done.stderr
    assert "ratio" in done.stdout


@pytest.mark.usefixtures("scripts")
def test_each_side_is_read_once_a_round() -> None:
    measure = claim("measure")
    order: list[str] = []

    def side(name: str) -> object:
        order.append(name)
        return measure.Reading(1.0, 1.0)

    found = measure.alternate({name: lambda name=name: side(name) for name in "ab"}, 6)
    assert {name: len(readings) for name, readings in found.items()} == {"a": 6, "b": 6}
    assert all(sorted(order[i : i + 2]) == ["a", "b"] for i in range(0, 12, 2))
    assert order != ["a", "b"] * 6


@pytest.mark.usefixtures("scripts")
def test_a_ratio_is_that_of_the_medians_with_the_lowest_and_highest_of_a_round() -> None:
    measure = claim("measure")
    slow, fast = ([measure.Reading(s, s) for s in side] for side in ((4.0, 6.0, 8.0), (2.0, 2.0, 8.0)))
    found = measure.ratio(slow, fast)
    assert (found.of_medians, found.lowest, found.highest) == (3.0, 1.0, 3.0)


@pytest.mark.usefixtures("scripts")
def test_a_side_lost_in_noise_gives_no_ratio() -> None:
    measure = claim("measure")
    assert np.isnan(measure.ratio([measure.Reading(1.0, 1.0)], [measure.Reading(-0.1, 0.1)]).of_medians)


def answer(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "benchmark_speed"), *arguments], capture_output=True, text=True
    )


def test_without_a_name_every_claim_is_listed_with_what_it_says() -> None:
    listed = dict(re.findall(r"^  (\w+) +(\S.*)$", answer().stdout, re.MULTILINE))
    assert {*CLAIMS, "batched"} <= set(listed)


def test_a_misspelt_name_is_answered_in_one_line_with_the_near_one() -> None:
    done = answer("grwth")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "growth" in done.stderr
