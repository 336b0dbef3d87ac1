"""Candidates of one open shape trained together against one by one: heads on kept taps, and adapters.

The limits of ``evo_mtl/training/groups.py`` are read off these tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evo_mtl.documents import parse
from evo_mtl.engines.workbench import set_threads
from evo_mtl.evolution.candidate import DRAW, Candidate
from evo_mtl.genome.genome import AdapterGene, Genome, HeadGene, StageGene, TapGene
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.genome.sections import SeedCandidate
from evo_mtl.genome.space import SearchSpace
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.kinds.kind import new
from evo_mtl.network.route import INPUT, Node, Route
from evo_mtl.testing.worlds import a_bench, a_trunk, write_task
from evo_mtl.training.fit import Member, fit_together
from evo_mtl.training.inputs import Gathered
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.trial import try_candidate, try_group
from speed.measure import alternate, finish, head, num_rounds, parser, ratios, timed

HEADS = [(d, k, b) for d in (512, 1280, 5120) for k in (10, 40, 100) for b in (16, 32, 64)]
ADAPTERS = [(size, batch) for size in (48, 64, 96) for batch in (16, 32, 64)]
RATES = (0.01, 0.003, 0.001, 0.03)


def main(argv: list[str]) -> int:
    """Prints how many times longer one by one takes."""
    options = parser("batched", __doc__)
    options.add_argument("--members", type=int, nargs="+", default=[2, 4, 8, 16])
    options.add_argument("--only", choices=["heads", "adapters"])
    asked = options.parse_args(argv)
    here = head("Candidates trained together against one by one: times faster, median (lowest to highest)")
    set_threads(1)
    members = [2] if asked.quick else asked.members
    found: dict[str, Any] = {}
    if asked.only != "adapters":
        shapes = [(32, 3, 16)] if asked.quick else HEADS
        found["heads"] = [_head_row(*shape, members, num_rounds(asked), asked.quick) for shape in shapes]
    if asked.only != "heads":
        found["adapters"] = list(_adapter_rows(members, num_rounds(asked), asked.quick))
    return finish(asked, here, **found)


def _head_row(
    numbers: int, classes: int, batch: int, members: list[int], rounds: int, quick: bool
) -> dict[str, Any]:
    """An epoch of 2,000 rows, AdamW."""
    drawn = np.random.default_rng(0)
    count = 64 if quick else 2000
    labels = np.arange(count) % classes
    taps = drawn.normal(size=(count, numbers)).astype(np.float32)
    train, validation = (
        Gathered(INPUT, torch.from_numpy(taps)),
        Gathered(INPUT, torch.from_numpy(taps[:64])),
    )
    route = Route(Pixels(32, (), ()), (Node("head", (INPUT,), None, "head", True),))
    shared = SharedRoutes(Modules(lambda name, check=None: ({}, {})))

    spec = {"kind": "linear", "in_features": numbers, "num_classes": classes}

    def fit(numbers_of_members: range) -> None:
        made = [
            Member(
                OpenPart(route, {"head": new(spec, torch.Generator())}, shared),
                _genome(batch, RATES[i % len(RATES)]),
                np.random.default_rng(i),
            )
            for i in numbers_of_members
        ]
        fit_together(made, [train], labels, validation, lambda _: 0.0, 1)

    print(f"{numbers:>5} numbers, {classes:>3} classes, batch {batch}:", end="", flush=True)
    row: dict[str, Any] = {"numbers": numbers, "classes": classes, "batch": batch}
    for count in members:

        def one_by_one(count: int = count) -> None:
            for i in range(count):
                fit(range(i, i + 1))

        row[str(count)] = _measured(one_by_one, lambda count=count: fit(range(count)), rounds, count)
    print()
    return row


def _adapter_rows(members: list[int], rounds: int, quick: bool) -> Iterator[dict[str, Any]]:
    """Whole trials of two epochs with adapters behind two stages, frozen activations kept."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        store, layout, facts = a_trunk(world, *(() if quick else ("tf_efficientnet_lite0",)))
        npz = write_task(world / "task.npz", 0, 60 if quick else 400)
        bench = replace(a_bench(store, layout, npz, world / "cache"), validations=1)
        for size, batch in [(32, 16)] if quick else ADAPTERS:
            values = {"image_size": size, "batch_size": batch, "epochs": 2, "optimizer": "adamw"}
            depth = len(layout.channels)
            seed = SeedCandidate(name="a", depth=depth, open_from=depth, head="linear", values=values)
            space = parse(SearchSpace, {"name": "a", "seeds": [seed.model_dump(mode="json")]})
            plain = seed_genome(seed, space, facts)
            places = layout.group_ends[-4:-2]
            adapted = replace(
                plain, adapters=tuple(AdapterGene(place, "bottleneck", (("width", 16),)) for place in places)
            )
            candidates = [
                Candidate("task", 0, i, None, DRAW, adapted.with_values({"learning_rate": RATES[i % 4] / 10}))
                for i in range(max(members))
            ]
            print(f"adapters behind stages {places}, {size} px, batch {batch}:", end="", flush=True)
            row: dict[str, Any] = {"size": size, "batch": batch}
            for count in (each for each in members if each <= 8):
                chosen = candidates[:count]
                row[str(count)] = _measured(
                    lambda chosen=chosen: [try_candidate(candidate, bench) for candidate in chosen],
                    lambda chosen=chosen: try_group(chosen, bench),
                    rounds,
                    count,
                )
            print()
            yield row


def _measured(one_by_one: Any, together: Any, rounds: int, count: int) -> dict[str, Any]:
    together()
    readings = alternate(
        {"one by one": lambda: timed(one_by_one), "together": lambda: timed(together)}, rounds
    )
    found = ratios(readings["one by one"], readings["together"])
    print(f"  x{count} {found['cpu']}", end="", flush=True)
    return {"readings": readings, "ratio": found}


def _genome(batch: int, rate: float) -> Genome:
    values = {
        "batch_size": batch,
        "learning_rate": rate,
        "optimizer": "adamw",
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "clip_norm": 0.0,
        "schedule": "cosine",
        "warmup_share": 0.1,
        "norm": "eval",
        "epochs": 1,
    }
    return Genome("root", 0, (StageGene(""),), (), (TapGene(0),), HeadGene(), tuple(sorted(values.items())))
