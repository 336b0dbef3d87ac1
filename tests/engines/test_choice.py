"""Engines by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evo_mtl.engines.choice import engines, make_engine
from evo_mtl.engines.local import ProcessEngine, SerialEngine
from evo_mtl.engines.plan import Site
from evo_mtl.errors import InputError
from evo_mtl.run.options import Options
from tests.worlds import config, journal, search

SITE = Site(Path("run"), Path("cache"), 0)


def test_every_registered_engine_is_made_with_one_worker() -> None:
    for name in engines:
        engine = make_engine(name, 1, SITE)
        assert engine.num_workers == 1
        engine.close()


def test_local_is_this_process_for_one_worker_and_others_for_more() -> None:
    assert isinstance(make_engine("local", 1, SITE), SerialEngine)
    engine = make_engine("local", 2, SITE)
    engine.close()
    assert isinstance(engine, ProcessEngine)


def test_the_serial_engine_has_one_worker() -> None:
    with pytest.raises(InputError, match="--workers: expected 1 with the serial engine, met 2"):
        make_engine("serial", 2, SITE)


def test_an_unknown_engine_is_refused_before_anything_is_written_or_torch_is_loaded(tmp_path: Path) -> None:
    made = config(tmp_path, "one")
    with pytest.raises(InputError, match=r'--engine: unknown engine .*did you mean "local"'):
        search(tmp_path / "run", made, Options(engine="locale"))
    assert not (tmp_path / "run").exists()
    code = (
        "import sys; from evo_mtl.cli.main import main; status = main(sys.argv[1:]); "
        "sys.exit(3 if 'torch' in sys.modules else status)"
    )
    asked = ["search", "--tasks", str(tmp_path / "stream.yaml"), "--engine", "ray"]
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True)
    assert (done.returncode, "unknown engine 'ray'" in done.stderr) == (2, True)


def test_an_engine_that_somebody_else_wrote_is_used_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines._parts, "counting", f"{__name__}:Counting")
    Counting.jobs = 0
    search(tmp_path / "one", config(tmp_path, "one"), Options(engine="counting"))
    search(tmp_path / "other", config(tmp_path, "one"))
    assert Counting.jobs > 0
    assert journal(tmp_path / "one") == journal(tmp_path / "other")


class Counting(SerialEngine):
    """Counts what it is given."""

    jobs = 0

    def __init__(self, num_workers: int, site: Site) -> None:
        super().__init__(site)

    def run(self, plan, jobs, done):  # type: ignore[no-untyped-def]
        Counting.jobs += len(jobs)
        return super().run(plan, jobs, done)
