"""A tiny stream and a tiny space for tests that search for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SPACE = """\
name: tiny
trunk: {name: mobilenetv2_035, weights: random, cut: group}
stages: {boundaries: [3], clone: false}
heads: [ridge]
hyperparameters: {image_size: {values: [32], default: 32}}
budget: {generations: 1, children: 1}
seeds:
  - {name: depth_ridge, taps: groups, head: ridge}
"""


def write_npz(path: Path, seed: int, count: int = 24) -> None:
    """Dark and bright images of two classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(0, 100, (count, 12, 12), dtype=np.uint8) + (120 * labels[:, None, None]).astype(
        np.uint8
    )
    np.savez(path, images=images, labels=labels)


def write_world(folder: Path) -> Path:
    """A stream of two tasks and a space in ``folder``."""
    for seed, name in enumerate(("one", "two")):
        write_npz(folder / f"{name}.npz", seed)
    (folder / "space.yaml").write_text(SPACE)
    (folder / "stream.yaml").write_text(
        'name: tiny\ntasks:\n  - {name: one, source: "npz:one.npz"}\n  - {name: two, source: "npz:two.npz"}\n'
    )
    return folder
