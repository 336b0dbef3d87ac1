"""Nothing of a single example outlives its batch: not in memory, and not in any byte that is written."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import evo_mtl
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.pooling import main_tensor
from evo_mtl.run.folder import RunFolder
from evo_mtl.searching import online
from evo_mtl.streams.experience import Batch, Experience
from evo_mtl.testing.worlds import ONLINE_SPACE, coloured, write_space

CANARIES, SIZE = 2, 32


@pytest.fixture
def canaries(tmp_path: Path) -> np.ndarray:
    """Pictures like no others in a stream of two classes, ``(2, 32, 32, 3)`` uint8."""
    images, labels = coloured(72, 2, 0, SIZE)
    marked = np.random.default_rng(9).integers(0, 256, (CANARIES, SIZE, SIZE, 3), dtype=np.uint8)
    images[[3, 50]] = marked
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        part = "train" if i < 60 else "test"
        path = tmp_path / "aa" / part / f"class{label}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)  # files, so that the source itself holds no picture
    (tmp_path / "stream.yaml").write_text(
        "name: canaries\nregime: online\nbatch_size: 8\nleast_aggregate: 8\n"
        'tasks:\n  - {name: aa, source: "folder:aa"}\n'
    )
    write_space(tmp_path, ONLINE_SPACE.replace("every: 2", "every: 3"))
    return marked


class Watched:
    """An experience that calls back when a batch is closed."""

    def __init__(self, inner: Experience, closed: Any) -> None:
        self.inner, self.closed = inner, closed
        self.tasks, self.num_batches, self.replayable = inner.tasks, inner.num_batches, inner.replayable

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.inner:
            yield batch
            batch.close()
            self.closed()


def traces_of(canaries: np.ndarray, folder: RunFolder) -> list[np.ndarray]:
    """Each canary as pixels, as the first activation, and behind every stage, whole and pooled; flat float32 arrays."""
    _, _, state = folder, folder.read_config(), folder.read_state()
    store = folder.store()
    shared = SharedRoutes(Modules(store.read))
    rooted = next(iter(state.roots.values()))
    activation: Any = rooted.layout.input.at(SIZE).first(torch.from_numpy(canaries))
    found = [activation]
    with torch.no_grad():
        for component in rooted.components:
            activation = shared.modules[component](activation)
            main = main_tensor(activation)
            found += [main, main.mean((2, 3)), torch.nn.functional.adaptive_avg_pool2d(main, 2).flatten(1)]
    return [one[i].reshape(-1).numpy().astype(np.float32) for one in found for i in range(len(canaries))]


def live_arrays() -> Iterator[np.ndarray]:
    """Every tensor and array of numbers that this process holds."""
    seen: set[int] = set()
    for thing in gc.get_objects():
        for one in (thing, *(gc.get_referents(thing) if type(thing) in (dict, list, tuple) else ())):
            if id(one) in seen:
                continue
            seen.add(id(one))
            if (
                issubclass(type(one), torch.Tensor)
                and not one.is_meta
                and one.dtype in (torch.float32, torch.float64)
            ):
                yield one.detach().cpu().numpy()
            elif issubclass(type(one), np.ndarray) and one.dtype in (np.float32, np.float64, np.uint8):
                yield one


def holds(array: np.ndarray, trace: np.ndarray) -> bool:
    """Whether a trace lies anywhere in an array, as it is or nearly: by its first eight numbers."""
    flat = np.asarray(array).reshape(-1)
    start = trace[:8]
    if len(flat) < len(trace):
        return False
    first = flat[: len(flat) - len(start) + 1]
    for i in np.flatnonzero(np.abs(first - start[0]) <= 1e-4 * abs(start[0])):
        if np.allclose(flat[i : i + len(start)], start, rtol=1e-4, atol=1e-7):
            return True
    return False


def test_no_canary_outlives_its_batch(
    canaries: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, scratch = tmp_path / "run", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    traces: list[np.ndarray] = []
    checked = 0

    def check() -> None:
        nonlocal checked
        gc.collect()
        if not traces:
            traces.extend(
                one
                for one in traces_of(canaries, RunFolder(run))
                if len(one) >= 8 and np.abs(one[:8]).min() > 0
            )
            assert len(traces) > 8
        own = {id(one) for one in traces}
        for array in live_arrays():
            if id(array) in own or (array.base is not None and id(array.base) in own):
                continue
            if array is canaries or array.base is canaries:
                continue
            assert not any(holds(array, trace) for trace in traces), array.shape
        raw = [one.tobytes()[:32] for one in traces] + [one.tobytes()[:32] for one in canaries]
        for path in [*run.rglob("*"), *scratch.rglob("*")]:
            if path.is_file():
                content = path.read_bytes()
                assert not any(piece in content for piece in raw), path
        checked += 1

    opened = online.open_experience
    monkeypatch.setattr(
        online, "open_experience", lambda *args, **kwargs: Watched(opened(*args, **kwargs), check)
    )
    evo_mtl.search(tmp_path / "stream.yaml", space=str(tmp_path / "space.yaml"), run=run)
    assert checked == 8


def test_what_is_looked_for_would_be_found(canaries: np.ndarray) -> None:
    kept = torch.from_numpy(canaries.astype(np.float32))
    trace = canaries[1].reshape(-1).astype(np.float32)
    assert any(holds(array, trace) for array in live_arrays() if array.shape == tuple(kept.shape))
