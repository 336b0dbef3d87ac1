"""A ridge head on random ReLU features (McDonnell 2023, RanPAC)."""

from __future__ import annotations

from evo_mtl.network.closed_form import ridge_multiply_adds
from evo_mtl.network.kinds.fields import whole
from evo_mtl.network.kinds.heads import head_kind_of
from evo_mtl.network.kinds.kind import Spec
from evo_mtl.network.kinds.ridge import STREAMING, solve

LARGEST = 2**28
"""Numbers of a projection at most: it is not stored, so no file's size bounds it."""


def _limit(spec: Spec) -> str | None:
    size = spec["in_features"] * spec["projection_width"]
    return None if size <= LARGEST else f"a projection of {size} numbers; at most {LARGEST}"


KIND = head_kind_of(
    "projected_ridge",
    solve,
    lambda spec, genome, count: ridge_multiply_adds(count, spec["projection_width"]),
    fields={"projection_width": whole(1, 2**20), "projection_seed": whole(0, 2**64 - 1)},
    limit=_limit,
    streaming=STREAMING,
)
