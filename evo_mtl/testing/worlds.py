"""Image tasks that are easy for any trunk, and what is needed to try candidates on them in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from evo_mtl.archive.store import ComponentStore
from evo_mtl.genome.sections import TrunkChoice
from evo_mtl.genome.trunk_facts import TrunkFacts
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.run.root import read_root, write_root
from evo_mtl.run.state import ArchiveState
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.task import open_task
from evo_mtl.training.arrays import ArrayCache
from evo_mtl.training.images import TaskImages
from evo_mtl.training.trial import Bench

SMALL_TRUNK = "mobilenetv2_035"

GENES = """\
name: NAME
trunk: {name: mobilenetv2_035, weights: random, cut: group}
stages: {boundaries: [1, 3], depths: [4, 5], clone: true}
taps: {stages: groups, grids: [1, 2]}
heads: [linear, ridge]
hyperparameters:
  mutation_probability: {values: [0.2, 0.3, 0.4], default: 0.4}
  image_size: {values: [32], default: 32}
  learning_rate: {values: [0.003, 0.01, 0.03], default: 0.01}
  adapter_width: {values: [4, 8], default: 4}
"""
"""The beginning of a space; further hyperparameters may follow."""

SPACE = (
    GENES.replace("NAME", "tiny")
    + """\
  epochs: {values: [1, 2], default: 1}
budget: {generations: 2, children: 2}
validations: 2
looks: {sizes: [24], parents: 2}
seeds:
  - {name: depth_ridge, depth: 5, taps: groups, head: ridge}
  - {name: tune, depth: 4, open_from: 3, head: linear, follow: [image_size, parent]}
"""
)

ONLINE_SPACE = (
    GENES.replace("NAME", "tiny_online")
    + """\
  repeats: {values: [1, 2], default: 1}
  average: {values: [0.0, 0.9], default: 0.0}
  mask_classes: {values: [false, true], default: false}
  batch_size: {values: [8, 16], default: 8}
race: {population: 4, age: 24, every: 2, window: 32}
seeds:
  - {name: depth_ridge, depth: 5, taps: groups, head: ridge}
  - {name: tune, depth: 4, open_from: 3, head: linear}
"""
)


def coloured(num_images: int, num_classes: int, seed: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Noisy squares, a colour for each class: images ``(N, S, S, 3)`` uint8 and labels ``(N,)``."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(40, 216, (num_classes, 3))
    labels = np.arange(num_images) % num_classes
    noise = rng.integers(-40, 40, (num_images, size, size, 3))
    return (colours[labels][:, None, None] + noise).clip(0, 255).astype(np.uint8), labels


def write_task(path: Path, seed: int, num_images: int = 60, num_classes: int = 3) -> Path:
    """A task as an npz file, its test images included."""
    images, labels = coloured(num_images + 12, num_classes, seed)
    train, test = slice(0, num_images), slice(num_images, None)
    np.savez(
        path,
        images=images[train],
        labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
    )
    return path


def write_stream(folder: Path, names: Iterable[str], online: str = "") -> Path:
    """``stream.yaml`` with a coloured task of each name; data that is there is left as it is.

    ``online`` are keys of an online stream, ``regime`` among them; an offline one has a share for validation.
    """
    share = "" if online else ", validation: 0.25"
    lines = ["name: tiny", *([online] if online else []), "tasks:"]
    for name in names:
        path = folder / f"{name}.npz"
        if not path.exists():
            write_task(path, seed=sum(name.encode()), num_classes=2 + len(name) % 2)
        lines.append(f'  - {{name: {name}, source: "npz:{path.name}"{share}}}')
    stream = folder / "stream.yaml"
    stream.write_text("\n".join(lines) + "\n")
    return stream


def write_space(folder: Path, text: str = SPACE) -> Path:
    """``space.yaml``."""
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def a_trunk(
    folder: Path, name: str = SMALL_TRUNK, cut: str = "group", dtype: str = "float32"
) -> tuple[ComponentStore, TrunkLayout, TrunkFacts]:
    """A store that holds a trunk of random weights, and the trunk's facts."""
    store = ComponentStore(folder)
    choice = TrunkChoice(name=name, weights="random", cut=cut, dtype=dtype)  # type: ignore[arg-type]
    root = read_root(write_root(choice, store))
    return store, root.layout, root.facts


def shared_routes(store: ComponentStore, layout: TrunkLayout) -> SharedRoutes:
    """Runs a store's components."""
    return SharedRoutes(Modules(store.read))


def a_bench(
    store: ComponentStore, layout: TrunkLayout, npz: Path, cache: Path, cache_bytes: int = 2**30
) -> Bench:
    """A bench for one npz task."""
    task = open_task(TaskConfig(name=npz.stem, source=f"npz:{npz}", validation=0.25))
    kept = ArrayCache(cache, cache_bytes)
    images = TaskImages(task, 0, kept)
    return Bench(0, layout, shared_routes(store, layout), store.write, images, kept, validations=2)


def living(state: ArchiveState) -> set[str]:
    """Components of the root and of every route: what may be there once all turns are over."""
    return set(state.root_components).union(*(state.answer(name).components for name in state.routes))
