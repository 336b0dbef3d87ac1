"""Specs of components: what is refused, before memory is asked for, in one line that names the file."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evo_mtl.archive.store import ComponentStore
from evo_mtl.errors import CorruptionError
from evo_mtl.network.components import Modules, load_module
from evo_mtl.network.kinds.kind import new, wrong_spec

HEAD: dict[str, Any] = {"kind": "linear", "in_features": 6, "num_classes": 3}
PROJECTED: dict[str, Any] = {**HEAD, "kind": "projected_ridge", "projection_width": 8, "projection_seed": 1}
ADAPTER: dict[str, Any] = {"kind": "bottleneck", "form": "conv", "channels": 6, "width": 2}
STAGE: dict[str, Any] = {"kind": "stage", "trunk": "mobilenetv2_035", "cut": "group", "index": 0}
SEVERAL: dict[str, Any] = {"kind": "multipath", "main": HEAD, "widths": [4]}
VAST = "vit_giant_patch14_reg4_dinov2"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "haed"}, "unknown kind of component 'haed'"),
        ({"kind": ["linear"]}, "unknown kind of component"),
        ({"in_features": 6}, "unknown kind of component None"),
        ({**HEAD, "bias": True}, "a linear has no 'bias'; it has in_features, num_classes"),
        ({"kind": "linear", "in_features": 6}, "num_classes of a linear: missing"),
        ({**HEAD, "num_classes": 3.0}, "num_classes of a linear: expected a whole number"),
        ({**HEAD, "num_classes": True}, "num_classes of a linear: expected a whole number"),
        ({**HEAD, "in_features": 0}, "in_features of a linear: expected a whole number from 1"),
        ({**HEAD, "in_features": 10**12}, "in_features of a linear: expected a whole number from 1"),
        ({**HEAD, "dtype": "float8"}, "dtype of a linear: expected one of bfloat16"),
        ({**PROJECTED, "in_features": 10**6, "projection_width": 10**6}, "a projection of 1000000000000"),
        ({**ADAPTER, "form": "table"}, "form of a bottleneck: expected one of conv, token"),
        ({**STAGE, "trunk": 7}, "trunk of a stage: expected a short text"),
        ({**SEVERAL, "widths": []}, "widths of a multipath: expected a list"),
        ({**SEVERAL, "main": SEVERAL}, "main of a multipath: expected the spec of a head of one line"),
        ({**SEVERAL, "main": ADAPTER}, "main of a multipath: 'bottleneck' is no head"),
        ({**SEVERAL, "main": {**HEAD, "in_features": -1}}, "main of a multipath: in_features of a linear"),
    ],
)
def test_a_spec_that_says_something_else_than_its_kind_allows_is_refused(
    spec: dict[str, Any], message: str
) -> None:
    assert message in (wrong_spec(spec) or "")


@pytest.mark.parametrize(
    "spec",
    [HEAD, PROJECTED, ADAPTER, STAGE, SEVERAL, {**HEAD, "dtype": "bfloat16"}, {**SEVERAL, "main": PROJECTED}],
)
def test_a_spec_that_the_program_writes_is_allowed(spec: dict[str, Any]) -> None:
    assert wrong_spec(spec) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({**HEAD, "in_features": 10**6, "num_classes": 10**6}, "its spec implies"),
        ({**ADAPTER, "channels": 10**6, "width": 10**6}, "its spec implies"),
        ({**PROJECTED, "in_features": 2**14, "projection_width": 2**14}, "its spec implies"),
        ({**STAGE, "trunk": VAST}, "its spec implies"),
        ({**STAGE, "trunk": "mobilenetv2_0350"}, 'timm knows no model "mobilenetv2_0350"'),
        ({**STAGE, "index": 99}, "has stages 0 to"),
        ({**SEVERAL, "widths": [2**24] * 60}, "its spec implies"),
        (ADAPTER, "its spec implies"),
    ],
)
def test_shapes_that_are_not_what_the_spec_implies_are_refused_before_memory_is_asked_for(
    spec: dict[str, Any], message: str, tmp_path: Path
) -> None:
    store = ComponentStore(tmp_path)
    name = store.write(new(HEAD, torch.Generator()).state_dict(), spec)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    for load in (lambda: load_module(store.read, name), lambda: Modules(store.read)[name]):
        with pytest.raises(CorruptionError) as error:
            load()
        assert str(error.value).startswith(f"{store.path(name)}: ")
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024
    assert time.monotonic() - started < 60


def test_of_a_vast_trunk_no_more_than_the_stage_is_built(tmp_path: Path) -> None:
    """Its stem is small; the whole model has more than a billion weights."""
    spec, store = {**STAGE, "trunk": VAST}, ComponentStore(tmp_path)
    shapes = {"cls_token": (1, 1, 1536), "reg_token": (1, 4, 1536), "pos_embed": (1, 1369, 1536)}
    shapes |= {"patch_embed.proj.weight": (1536, 3, 14, 14), "patch_embed.proj.bias": (1536,)}
    name = store.write({key: np.zeros(shape, np.float32) for key, shape in shapes.items()}, spec)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not load_module(store.read, name).training
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024


def test_a_damaged_component_is_said_to_be_damaged_whatever_it_says(tmp_path: Path) -> None:
    store = ComponentStore(tmp_path)
    name = store.write(new(HEAD, torch.Generator()).state_dict(), HEAD)
    path = store.path(name)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"linear", b"limear"))
    with pytest.raises(CorruptionError, match="are not what was written"):
        load_module(store.read, name)
