"""Same search: the same genomes with every batch through the whole trunk, against ours, by kind of candidate.

The naive side decodes once too, and has the same frozen modules, allocator, threads and batch size: it
differs in nothing but that no activation is kept and no pass is shared.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo_mtl.cli.text import table
from evo_mtl.engines.workbench import make_bench, set_threads
from evo_mtl.genome.genome import Genome
from evo_mtl.network.cost import line_multiply_adds
from evo_mtl.training.trial import Bench
from speed import whole
from speed.epochs import epochs
from speed.measure import finish, head, middle, num_rounds, parser, ratios
from speed.world import Place, a_place, a_plan, a_task


@dataclass(frozen=True)
class Kind:
    """A kind of candidate.

    Attributes:
        name: For people.
        genome: One of it.
        predicted: The ratio that the arithmetic says; ``None`` where it says none.
        epochs: Of our longer trial.
    """

    name: str
    genome: Genome
    predicted: float | None
    epochs: int = 3


def main(arguments: Sequence[str]) -> int:
    """Prints epochs by kind, then whole searches."""
    parse = parser("same", __doc__)
    parse.add_argument(
        "--images", type=int, default=400, help="images of the task, a quarter validates (400)"
    )
    parse.add_argument("--size", type=int, default=48, help="their side in pixels (48)")
    parse.add_argument("--threads", type=int, default=1, help="of both sides (1: best with a worker a core)")
    parse.add_argument("--part", choices=("kinds", "whole", "both"), default="both")
    options = parse.parse_args(arguments)
    images, size = (24, 32) if options.quick else (options.images, options.size)
    set_threads(options.threads)
    here = head(f"{images} images of {size} px, float32, batches of 32, {options.threads} thread(s)")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        place = a_place(Path(name), options.quick)
        plan = a_plan(place, a_task(Path(name), "squares", images, size), size, options.threads)
        if options.part != "whole":
            found["kinds"] = _measured(
                kinds(place, size, options.quick), make_bench(plan, place.site), num_rounds(options)
            )
        if options.part != "kinds":
            found["whole"] = whole.measured(place, plan, size, options.quick, num_rounds(options))
    return finish(options, here, **found)


def kinds(place: Place, size: int, quick: bool) -> list[Kind]:
    """A head alone, adapters at every group end from some on, open from some boundaries on, all open."""
    depth, ends = place.facts.num_stages, place.facts.group_ends
    work = line_multiply_adds(place.layout, depth, (), size)

    def behind(stage: int) -> float:
        return sum(work[stage + 1 :]) / sum(work)

    long = 2 if quick else 12
    found = [
        Kind("head only", place.genome(depth, depth, taps="last", image_size=size), None, long),
        Kind("head only, many taps", place.genome(depth, depth, image_size=size), None, long),
    ]
    starts = ends[-2:-1] if quick else ends[1:-1:2]
    for first in starts:
        adapters, f = [end for end in ends if end >= first], behind(first)
        genome = place.genome(depth, depth, adapters, "last", image_size=size)
        found.append(Kind(f"adapters behind {first}", genome, (1 + f) / (2 * f)))
    for first in starts:
        f = behind(first)
        genome = place.genome(depth, first + 1, taps="last", image_size=size)
        found.append(Kind(f"open behind {first}", genome, (1 + 2 * f) / (3 * f)))
    if not quick:
        found.append(Kind("whole trunk", place.genome(depth, 0, taps="last", image_size=size), 1.0, 2))
    return found


def _measured(asked: Sequence[Kind], ours: Bench, rounds: int) -> dict[str, Any]:
    rows, found = [], {}
    for kind in asked:
        readings, away = epochs(kind.genome, ours, kind.epochs, rounds)
        by = ratios(readings["naive"], readings["ours"])
        naive, own = (middle(readings[side], "cpu") for side in ("naive", "ours"))
        predicted = f"{kind.predicted:.2f}" if kind.predicted else "-"
        cells = [f"{naive:.3f}", f"{own:.4f}", str(by["wall"]), str(by["cpu"]), predicted, f"{away:.4f}"]
        rows.append([kind.name, *cells])
        print(f"{kind.name}: {by['cpu']}", file=sys.stderr, flush=True)
        found[kind.name] = {"ratios": by, "predicted": kind.predicted, "difference": away, **readings}
    print("An epoch of training and a validation after it, when the trunk has been passed once (CPU seconds)")
    names = ["candidate", "naive", "ours", "ratio (wall)", "ratio (CPU)", "arithmetic", "quality apart"]
    print(table(names, rows))
    print("arithmetic: (1 + f) / (2f) for adapters, (1 + 2f) / (3f) for open stages; f: the share of the")
    print("forward's multiply-adds behind that stage\n", flush=True)
    return found
