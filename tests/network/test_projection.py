from __future__ import annotations

import numpy as np
import torch

from evo_mtl.network.projection import project, projection_matrix

GOLDEN_SIGNS = ["++-+---+", "-+-+--+-", "+-+--+++", "+---++++"]


def test_the_projection_matrix_of_a_seed_is_always_the_same() -> None:
    signs = projection_matrix(7, 4, 8) > 0
    assert ["".join("+" if s else "-" for s in row) for row in signs.tolist()] == GOLDEN_SIGNS


def test_the_projection_matrix_holds_both_signs_evenly_with_size_one_over_root_in_features() -> None:
    matrix = projection_matrix(0, 100, 300)
    assert matrix.dtype == torch.float32
    assert torch.equal(matrix.abs(), torch.full((100, 300), 0.1))
    assert abs(float((matrix > 0).float().mean()) - 0.5) < 0.015


def test_projected_features_are_never_negative_and_equal_the_formula() -> None:
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32))
    matrix = projection_matrix(1, 10, 20)
    result = project(features, matrix)
    plain = features @ matrix
    assert torch.equal(result, torch.where(plain > 0, plain, 0.0))
    assert 0 < (result == 0).sum() < result.numel()
