"""Frozen forward: images a second of plain timm in float32 against ours, each in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.cli.text import table
from evo_mtl.genome.sections import TrunkChoice
from speed.measure import (
    Reading,
    Readings,
    alternate,
    finish,
    head,
    in_fresh_process,
    middle,
    num_rounds,
    parser,
    ratios,
    timed,
)

BATCH = 64
WARM_UP = 3


def main(arguments: Sequence[str]) -> int:
    """Prints a table of sizes."""
    parse = parser("forward", __doc__)
    parse.add_argument("--sizes", default="48,64,96,128", help="sides in pixels (48,64,96,128)")
    parse.add_argument(
        "--images", type=int, default=1024, help="images a reading at 48 px, fewer above (1024)"
    )
    options = parse.parse_args(arguments)
    sizes = [32] if options.quick else [int(size) for size in options.sizes.split(",")]
    here = head("Frozen forward of the whole trunk, uint8 pixels in memory to pooled features, 1 thread")
    sides = ["plain", "float32", *(["bfloat16"] if "dtype" in TrunkChoice.model_fields else [])]
    found: dict[str, Any] = {}
    rows = []
    for size in sizes:
        images = (
            BATCH if options.quick else max(2 * BATCH, options.images * 48**2 // size**2 // BATCH * BATCH)
        )
        readings, features = _measured(size, images, sides, options)
        for side in sides[1:]:
            by = ratios(readings["plain"], readings[side])
            away = _difference(features["plain"], features[side])
            speeds = [f"{images / middle(readings[name]):.0f}" for name in ("plain", side)]
            rows.append([f"{size} px", side, *speeds, str(by["wall"]), str(by["cpu"]), f"{away:.1e}"])
            found[f"{size} {side}"] = {"ratios": by, "difference": away}
        found[f"{size} readings"] = {"images": images, **readings}
    names = ["size", "ours", "plain images/s", "ours images/s", "ratio (wall)", "ratio (CPU)", "difference"]
    print(table(names, rows, (0, 1)))
    print("difference: largest of the features' differences over their largest value")
    return finish(options, here, forward=found)


def _measured(
    size: int, images: int, sides: Sequence[str], options: Any
) -> tuple[Readings, dict[str, list[float]]]:
    """Readings and a few features of every side."""
    features: dict[str, list[float]] = {}

    def read(side: str) -> Reading:
        request = {"size": size, "images": images, "quick": options.quick, "side": side}
        answer = in_fresh_process("forward", request)
        features[side] = answer["features"]
        return Reading(answer["wall"], answer["cpu"])

    return alternate({side: partial(read, side) for side in sides}, num_rounds(options)), features


def _difference(plain: list[float], ours: list[float]) -> float:
    a, b = np.asarray(plain), np.asarray(ours)
    return float(np.abs(a - b).max() / np.abs(a).max())


def in_child(request: dict[str, Any]) -> dict[str, Any]:
    """Seconds of one pass over the images, after some to warm up; a few features to compare."""
    rng = np.random.default_rng(0)
    size = request["size"]
    pixels = rng.integers(0, 256, (request["images"], size, size, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        run = (_plain if request["side"] == "plain" else _ours)(Path(folder), request)
        for _ in range(WARM_UP):
            features = run(pixels[:BATCH])
        reading = timed(
            lambda: [run(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
        )
    return {"wall": reading.wall, "cpu": reading.cpu, "features": features[:2].flatten().tolist()}


def _plain(folder: Path, request: dict[str, Any]) -> Any:
    """timm's own model as it comes: float32, contiguous, the allocator as it is."""
    import timm
    import torch

    from evo_mtl.network.trunks import build_trunk
    from evo_mtl.network.trunks.weights import load_weights
    from speed.world import TINY_TRUNK, TRUNK

    torch.set_num_threads(1)
    choice = TINY_TRUNK if request["quick"] else TRUNK
    model: Any = timm.create_model(choice.name, pretrained=False).eval()
    trunk = build_trunk(choice.name, choice.weights, choice.cut)
    if choice.weights == "random":  # the same tensors in the same order as ours
        tensors = [t for stage in trunk.stages for t in stage.state_dict().values()]
        own = model.state_dict()
        model.load_state_dict(dict(zip(own, tensors)), strict=False)
    else:
        load_weights(model, choice.name, choice.weights)

    @torch.no_grad()
    def run(pixels: np.ndarray) -> torch.Tensor:
        x = trunk.input.first(torch.from_numpy(pixels)).contiguous(memory_format=torch.contiguous_format)
        return model.forward_features(x).mean((2, 3))

    return run


def _ours(folder: Path, request: dict[str, Any]) -> Any:
    """A route of the whole trunk, run as kept activations are computed."""
    import torch

    from evo_mtl.archive.store import ComponentStore
    from evo_mtl.engines.workbench import set_threads
    from evo_mtl.network.components import Modules
    from evo_mtl.network.forward import CHUNK, SharedRoutes
    from evo_mtl.network.route import Node, Route
    from evo_mtl.run.root import read_root, write_root
    from speed.world import TINY_TRUNK, TRUNK

    set_threads(1)
    choice = TINY_TRUNK if request["quick"] else TRUNK
    if request["side"] != "float32":
        choice = choice.model_copy(update={"dtype": request["side"]})
    store = ComponentStore(folder)
    root = read_root(write_root(choice, store))
    layout, facts = root.layout, root.facts
    stages = [
        Node("stage", (i - 1,), component, f"stage:{i}") for i, component in enumerate(facts.components)
    ]
    pooled = Node("pool", (len(stages) - 1,), grid=1)
    route = Route(layout.input.at(request["size"]), (*stages, pooled))
    shared = SharedRoutes(Modules(store.read))

    def run(pixels: np.ndarray) -> Any:
        chunks = [{request["size"]: pixels[start : start + CHUNK]} for start in range(0, len(pixels), CHUNK)]
        outputs = [shared.outputs([route], [[len(stages)]], chunk)[0][len(stages)] for chunk in chunks]
        return torch.cat(outputs)

    return run
