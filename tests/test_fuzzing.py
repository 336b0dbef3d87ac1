"""Whatever is handed in, a command ends with a status and at most one line: no traceback, no hang, nothing elsewhere.

Each input follows from its kind and its number: ``attempt(world, "journal", 17)`` makes it again.
"""

from __future__ import annotations

import contextlib
import io
import random
import resource
import shutil
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evo_mtl.cli.main import main
from tests import mutations
from tests.cli.worlds import SPACE, write_world

SECONDS = 30
"""An input may take so long; the slowest of a good one takes a few."""
MEMORY = 3 * 2**30
"""Bytes that may be asked for beyond what the process has."""

STREAM = """\
name: tiny
regime: offline
order: sequential
batch_size: 16
tasks:
  - {name: one, source: "npz:one.npz", limit: 20, validation: 0.25, metric: accuracy, classes: [0, 1], seed: 3}
  - {name: two, source: "npz:two.npz", root: ".", private: false, download: false}
  - {name: dirs, source: "folder:dirs"}
  - {name: rows, source: "npz:rows.npz"}
"""

RICH = """\
name: rich
trunk: {name: mobilenetv2_035, weights: random, cut: group}
stages: {boundaries: [1, 3], depths: [4, 5], clone: true}
taps: {stages: groups, grids: [1, 2]}
heads: [linear, ridge]
hyperparameters:
  mutation_probability: {values: [0.2, 0.4], default: 0.4}
  image_size: {values: [32], default: 32}
  learning_rate: {values: [0.003, 0.03], default: 0.003}
  epochs: {values: [1, 2], default: 1}
  adapter_width: {values: [4, 8], default: 4}
budget: {generations: 2, children: 2}
validations: 2
looks: {sizes: [24], parents: 2}
seeds:
  - {name: depth_ridge, depth: 5, taps: groups, head: ridge}
  - {name: tune, depth: 4, open_from: 3, head: linear, follow: [image_size, parent]}
"""


class TooLong(BaseException):
    """An input took longer than :data:`SECONDS`."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a stream, spaces, images, a finished run as ``good``, and nothing in ``elsewhere``."""
    folder = write_world(tmp_path_factory.mktemp("fuzzing"))
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for kind in ("png", "jpg", "gif", "bmp", "webp", "tif", "ppm"):
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(folder / "images" / f"a.{kind}")
    np.savez(folder / "rows.npz", features=rng.normal(size=(20, 5)), labels=np.arange(20) % 2)
    for name in ("a", "b"):
        (folder / "dirs" / name).mkdir(parents=True)
        for i in range(6):
            image = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
            image.save(folder / "dirs" / name / f"{i}.png")
    space = SPACE.replace("clone: false", "clone: true").replace("children: 1", "children: 2")
    (folder / "space.yaml").write_text(f"{space}objective: {{keep_front: true}}\n")
    line = ["search", "--tasks", "stream.yaml", "--space", "space.yaml", "--run", "run", "--quiet", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(line) == 0
    (folder / "good").mkdir()
    for part in ("run.yaml", "journal.jsonl"):
        shutil.copy(folder / "run" / part, folder / "good" / part)
    shutil.copytree(folder / "run" / "components", folder / "good" / "components")
    (folder / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch, _bounded_memory():
        patch.chdir(folder / "elsewhere")
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT"):
            patch.setenv(name, "1")
        yield folder


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """More than is good for a machine is an error at once, not an end of the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def stream(world: Path, rng: random.Random) -> list[list[str]]:
    """A stream file; its data are looked through."""
    (world / "fuzzed.yaml").write_bytes(mutations.yaml_document(STREAM, rng))
    return [["tasks", "check", "../fuzzed.yaml"]]


def space(world: Path, rng: random.Random) -> list[list[str]]:
    """A search space."""
    (world / "fuzzed.yaml").write_bytes(mutations.yaml_document(RICH, rng))
    return [["spaces", "check", "../fuzzed.yaml"]]


def settings(world: Path, rng: random.Random) -> list[list[str]]:
    """The configuration of a run."""
    run = _run(world)
    (run / "run.yaml").write_bytes(mutations.yaml_document((run / "run.yaml").read_text(), rng))
    return _questions(rng)


def journal(world: Path, rng: random.Random) -> list[list[str]]:
    """A journal whose chain is right."""
    run = _run(world)
    (run / "journal.jsonl").write_bytes(mutations.journal((run / "journal.jsonl").read_bytes(), rng))
    return _questions(rng)


def component(world: Path, rng: random.Random) -> list[list[str]]:
    """A component that the journal names as it is."""
    mutations.with_component(_run(world), lambda raw: mutations.component(raw, rng), rng)
    return _questions(rng)


def image(world: Path, rng: random.Random) -> list[list[str]]:
    """An image file."""
    file = rng.choice(sorted((world / "images").iterdir()))
    (world / f"fuzzed{file.suffix}").write_bytes(mutations.flipped(file.read_bytes(), rng))
    return [["predict", "../good", f"../fuzzed{file.suffix}", "--task", "one"]]


KINDS: dict[str, Callable[[Path, random.Random], list[list[str]]]] = {
    one.__name__: one for one in (stream, space, settings, journal, component, image)
}


def _run(world: Path) -> Path:
    shutil.rmtree(world / "run", ignore_errors=True)
    shutil.copytree(world / "good", world / "run")
    return world / "run"


def _questions(rng: random.Random) -> list[list[str]]:
    """What is asked of a run: always what it holds and an answer, now and then more."""
    task = rng.choice(["one", "two"])
    lines = [
        ["show", "../run"],
        ["show", "../run", "--task", task],
        ["predict", "../run", "../images/a.png", "--task", "all"],
    ]
    more = [
        ["evaluate", "../run"],
        ["offer", "../run"],
        ["resume", "../run", "--quiet", "--passes", rng.choice("12")],
        ["choose", "../run", "--task", task, "--candidate", rng.choice(["0/0", "1/0", "1/1"])],
    ]
    return [*lines, *([rng.choice(more)] if rng.random() < 0.5 else [])]


def attempt(world: Path, kind: str, number: int) -> list[str]:
    """Makes an input, hands it in, and tells what was wrong with the answer."""
    lines = KINDS[kind](world, random.Random(f"{kind} {number}"))
    before, found = _beside(world), []
    for line in lines:
        wrong = _wrong(line)
        found += [f"{kind} {number}: {' '.join(line)}: {wrong}"] if wrong else []
    if _beside(world) != before:
        found.append(f"{kind} {number}: files beside the run changed")
    return found


def _beside(world: Path) -> list[tuple[str, int, int]]:
    """Every file and folder that no command may touch."""
    return [
        (str(path), path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in sorted(world.rglob("*"))
        if path.relative_to(world).parts[0] != "run"
    ]


def _wrong(line: list[str]) -> str:
    """What is wrong with how a command line ended; empty where nothing is."""
    out, err = io.StringIO(), io.StringIO()
    former = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = main(line)
    except TooLong:
        return f"more than {SECONDS} seconds"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]!r} at {place.filename}:{place.lineno}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
    told = err.getvalue()
    if status not in (0, 1, 2) or (status == 0) == ("evo-mtl: error:" in told):
        return f"status {status}, {told[:200]!r}"
    if told.count("\n") > 1 or "Traceback" in told or "\x1b" in out.getvalue() + told:
        return f"more than one plain line: {told[:400]!r}"
    return ""


def _too_long(*_: object) -> None:
    raise TooLong


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_wrong_inputs_of_each_kind_are_answered(world: Path, kind: str) -> None:
    assert [wrong for number in range(10) for wrong in attempt(world, kind, number)] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_wrong_inputs_are_answered(world: Path, kind: str) -> None:
    count = {"image": 600}.get(kind, 280)
    assert [wrong for number in range(10, 10 + count) for wrong in attempt(world, kind, number)] == []
