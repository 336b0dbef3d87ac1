"""From the options to runs: settings, splits, batches and rates, each with its stream and its space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evo_mtl.documents import dump_yaml
from evo_mtl.errors import InputError
from evo_mtl.files import canonical_json, digest, make_folder, write_atomic
from thesis.splits import BEST, Setup, space_of

SETS = ("mnist", "cifar10", "cifar100", "fmnist")
"""In the order of the thesis."""
TORCHVISION = {"mnist": "MNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100", "fmnist": "FashionMNIST"}
MIXED_BATCH, MAIN_RATE = 512, 1e-5
RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Asked:
    """What is to be reproduced.

    Attributes:
        folder: Where rows and runs are.
        data: Folder of zipped sets; ``None`` for torchvision's.
        root: Folder of torchvision's sets.
        download: Whether torchvision may fetch them.
        trunk: ``offline`` or ``resnet18``.
        weights: Of ResNet-18; those of the package for the offline trunk.
        splits, batches, rates, norms, seeds: Of what is run; a rate is LR1, the first batch is the thesis' B1.
        settings: ``1``, ``2`` or both.
        size: Pixels a side.
        limit: Training images of a set, and test images; all when ``None``.
    """

    folder: Path
    data: Path | None
    root: Path | None
    download: bool
    trunk: str
    weights: str
    splits: tuple[str, ...]
    batches: tuple[int, ...]
    rates: tuple[float, ...]
    norms: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    size: int
    limit: int | None


@dataclass(frozen=True)
class Cell:
    """What a row is of, but for its seed.

    Attributes:
        order: ``sequential`` (Setting 1) or ``mixed`` (Setting 2).
        split: By its name.
        batch: Images of a batch.
        rate: LR1.
        norm: Of what is trained.
    """

    order: str
    split: str
    batch: int
    rate: float = MAIN_RATE
    norm: str = "train"


@dataclass(frozen=True)
class Work:
    """One run.

    Attributes:
        cell, seed: What it is.
        trunk, weights: On what.
        asked: Digest of all that decides its row.
        stream, space: Its files.
    """

    cell: Cell
    seed: int
    trunk: str
    weights: str
    asked: str
    stream: Path
    space: Path

    @property
    def name(self) -> str:
        """Of its run folder."""
        cell = self.cell
        words = [self.trunk, cell.order, cell.split, f"b{cell.batch}", f"{cell.rate:g}", cell.norm]
        return "-".join([*words, f"s{self.seed}", self.asked[:6]])

    @property
    def identity(self) -> dict[str, Any]:
        """What its row is found by."""
        cell = self.cell
        return {
            **{"trunk": self.trunk, "weights": self.weights, "order": cell.order, "split": cell.split},
            **{"batch": cell.batch, "rate": cell.rate, "norm": cell.norm, "seed": self.seed},
        }


def cells(asked: Asked) -> list[list[Cell]]:
    """What is run, in steps: the main column first, then Setting 2, then the other rates, then the other norms.

    Setting 2 has a control beside it: the same splits in sequence, with its batches.
    """
    main_rate = MAIN_RATE if MAIN_RATE in asked.rates else asked.rates[0]
    norm = asked.norms[0]
    main = [Cell("sequential", s, b, main_rate, norm) for s in asked.splits for b in asked.batches]
    best = [split for split in BEST if split in asked.splits]
    second = [Cell(o, s, MIXED_BATCH, main_rate, norm) for s in best for o in ("mixed", "sequential")]
    swept = [replace(cell, rate=rate) for rate in asked.rates if rate != main_rate for cell in main]
    others = [replace(cell, norm=other) for other in asked.norms[1:] for cell in main]
    if "1" not in asked.settings:
        return [second]
    return [main, second if "2" in asked.settings else [], swept, others]


def work(asked: Asked) -> list[Work]:
    """All runs, in the order in which they are done; in each step a seed before the next seed.

    Raises:
        InputError: A set is not there.
    """
    for name in SETS:
        if asked.data is not None and not (asked.data / f"{name}.zip").is_file():
            raise InputError(f"no {name}.zip", asked.data)
    return list(_all(asked))


def _all(asked: Asked) -> Iterator[Work]:
    for step in cells(asked):
        for seed in asked.seeds:
            for cell in step:
                stream = _stream(asked, cell, seed)
                setup = Setup(
                    cell.split, asked.trunk, asked.weights, cell.batch, cell.rate, cell.norm, asked.size
                )
                space = space_of(setup)
                key = digest(canonical_json({"stream": stream, "space": space, "seed": seed}))
                files = [
                    _written(asked.folder / kind / f"{key[:16]}.yaml", one)
                    for kind, one in (("streams", stream), ("spaces", space))
                ]
                yield Work(cell, seed, asked.trunk, asked.weights, key, files[0], files[1])


def _written(path: Path, data: dict[str, Any]) -> Path:
    make_folder(path.parent)
    write_atomic(path, dump_yaml(data).encode())
    return path


def _stream(asked: Asked, cell: Cell, seed: int) -> dict[str, Any]:
    stream: dict[str, Any] = {"name": f"{cell.order}-s{seed}", "regime": "online", "order": cell.order}
    stream["batch_size"] = cell.batch
    limit = {} if asked.limit is None else {"limit": asked.limit}
    stream["tasks"] = [{"name": name, **_source(asked, name), "seed": seed, **limit} for name in SETS]
    return stream


def _source(asked: Asked, name: str) -> dict[str, Any]:
    if asked.data is not None:
        return {"source": f"folder:{asked.data.absolute() / name}.zip"}
    root = {} if asked.root is None else {"root": str(asked.root.absolute())}
    return {"source": f"torchvision:{TORCHVISION[name]}", **root, "download": asked.download}
