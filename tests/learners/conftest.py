from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evo_mtl.learners.learner import Settings, TaskData
from evo_mtl.network.trunks import Trunk, build_trunk

COLOURS = np.array([[220, 30, 30], [30, 220, 30], [30, 30, 220]])


def coloured(num_images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy squares of three colours, which any features of a trunk tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_images) % 3
    noise = rng.integers(-30, 30, size=(num_images, 32, 32, 3))
    return (COLOURS[labels][:, None, None] + noise).clip(0, 255).astype(np.uint8), labels


@pytest.fixture
def data() -> TaskData:
    arrays = [*coloured(18, 0), *coloured(9, 1)]
    for array in arrays:
        array.setflags(write=False)
    return TaskData("colours", 3, "accuracy", *arrays)


@pytest.fixture(scope="session")
def trunk() -> Trunk:
    return build_trunk("mobilenetv2_050", "random")


@pytest.fixture
def settings() -> Settings:
    return Settings(seed=0, grid="1e-3x1", device="cpu", cache=None, say=lambda line: None)


@pytest.fixture
def write_stream(tmp_path: Path) -> Callable[..., Path]:
    """Writes a stream of coloured tasks as folders of PNG files."""

    def write(*names: str) -> Path:
        for name in names:
            for split, seed in (("train", 2), ("test", 3)):
                for i, (image, label) in enumerate(zip(*coloured(18, seed))):
                    folder = tmp_path / name / split / f"class{label}"
                    folder.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(image).save(folder / f"{i}.png")
        lines = [f'  - {{name: {name}, source: "folder:{name}"}}' for name in names]
        path = tmp_path / "stream.yaml"
        path.write_text("name: colours\ntasks:\n" + "\n".join(lines) + "\n")
        return path

    return write
