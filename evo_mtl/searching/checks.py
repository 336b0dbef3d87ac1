"""What must be right before a search writes anything: where it writes, the device, the trunk, every image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from evo_mtl.errors import InputError
from evo_mtl.genome.space import SearchSpace, check_against_trunk
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.root import Root, draft_root
from evo_mtl.streams.raw import Form
from evo_mtl.streams.task import Split, Task
from evo_mtl.training.arrays import check_cache_folder

THREADS = 2


def check_places(folder: RunFolder, cache: Path | None) -> None:
    """Makes sure that nothing is written or removed but a run's own files and kept arrays.

    Args:
        folder: The run's, which need not be there.
        cache: Folder of kept arrays; the run's own when ``None``.

    Raises:
        RunError: A link, a pipe or a device lies in the place of one of the run's files.
        InputError: The cache is in the run folder, or other things are in it.
    """
    folder.check_own()
    if cache is not None:
        real, run = cache.resolve(), folder.path.resolve()
        if run in (real, *real.parents) and real != run / folder.cache.name:
            raise InputError(f"expected a folder outside the run {folder.path}", cache)
    check_cache_folder(cache or folder.cache)


def check_device(device: str) -> None:
    """Raises ``InputError`` when trials cannot run there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA device here; use cpu", "--device cuda")


def check_root(space: SearchSpace, form: Form | None = None) -> Root:
    """The root of a space as it would be.

    Args:
        space: Says which trunk.
        form: Of the examples; as the trunk reads them mostly, when ``None``.

    Raises:
        TrunkError: The trunk or its weights cannot be had.
        ConfigError: The space asks for stages that the trunk does not have.
    """
    root = draft_root(space, form)
    check_against_trunk(space, root.facts, f"search space {space.name}")
    return root


def check_images(task: Task) -> None:
    """Decodes every training and validation image once.

    Raises:
        DataError: An image is broken; names it.
    """
    for split in (task.train, task.validation):
        _decode(split)


def _decode(split: Split) -> None:
    def look(index: int) -> None:
        split.examples[index]

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(look, range(len(split))):
            pass
