"""Memory: what an endless source leaves behind after 1, 10 and 100 times as many batches of one search."""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from speed.measure import finish, head, peak_memory

import evo_mtl
from evo_mtl.cli.text import table
from evo_mtl.streams.raw import RawStream
from evo_mtl.testing.worlds import ONLINE_SPACE, coloured, write_space
from race.ground import parser

TIMES = (1, 10, 100)
BATCH = 8


class Camera:
    """Gives batches, and looks at the memory of this process before some of them.

    Args:
        looks: Numbers of batches after which it looks; it ends with the last.
    """

    def __init__(self, looks: Sequence[int]) -> None:
        self.looks = looks
        self.seen: list[dict[str, int]] = []

    def frames(self) -> Iterator[tuple[Any, Any]]:
        for number in range(self.looks[-1] + 1):
            if number in self.looks:
                peak, tensors = peak_memory(), live_tensors()
                self.seen.append(
                    {"batches": number, "peak": peak, "resident": resident(), "tensors": tensors}
                )
                print(self.seen[-1], flush=True)
            yield coloured(BATCH, 2, number % 7)


CAMERA = Camera(TIMES)


def source() -> RawStream:
    """What the stream file names."""
    return RawStream(("0", "1"), CAMERA.frames)


def live_tensors() -> int:
    """Bytes that tensors hold, each storage once."""
    gc.collect()
    held = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some objects warn of their age when they are asked
        for one in gc.get_objects():
            if issubclass(type(one), torch.Tensor):
                storage = one.untyped_storage()
                held[storage.data_ptr()] = storage.nbytes()
    return sum(held.values())


def resident() -> int:
    """Bytes that this process holds now; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def main(arguments: Sequence[str]) -> int:
    """Prints a row a look, and ratios to the first."""
    global CAMERA
    parse = parser("memory", __doc__)
    parse.add_argument("--base", type=int, default=20, help="batches before the first look (20)")
    options = parse.parse_args(arguments)
    base = 1 if options.quick else options.base
    looks = [base * times for times in TIMES[: 2 if options.quick else 3]]
    here = head(
        f"One search, {BATCH} images a batch, a tiny random trunk, 4 candidates, a round every 8 batches"
    )
    CAMERA = Camera(looks)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stream = folder / "stream.yaml"
        stream.write_text(
            f"name: live\nregime: online\nbatch_size: {BATCH}\nleast_aggregate: 4\n"
            f'tasks: [{{name: cam, source: "python:{__name__}:source"}}]\n'
        )
        space = write_space(folder, ONLINE_SPACE.replace("every: 2", "every: 8"))
        evo_mtl.search(stream, space=str(space), run=folder / "run")
    first = CAMERA.seen[0]
    rows = [
        [
            str(one["batches"]),
            *(f"{one[key] / 2**20:.1f}" for key in ("peak", "resident", "tensors")),
            *(f"{one[key] / max(first[key], 1):.2f}" for key in ("peak", "resident", "tensors")),
        ]
        for one in CAMERA.seen
    ]
    names = ["batches", "peak MB", "resident MB", "tensors MB", "ratio of peak", "resident", "tensors"]
    print(table(names, rows))
    return finish(options, here, seen=CAMERA.seen)
