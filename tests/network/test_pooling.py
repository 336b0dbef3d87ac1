"""Taps: pooling leaves means of cells, whatever the activation looks like."""

from __future__ import annotations

import pytest
import torch

from evo_mtl.errors import TrunkError
from evo_mtl.network.pooling import pool, pooled_size


def features(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_conv_pooling_gives_the_mean_of_each_cell_of_each_channel():
    x = features(2, 3, 4, 4)
    expected = torch.stack(
        [x[:, c, i : i + 2, j : j + 2].mean((1, 2)) for c in range(3) for i in (0, 2) for j in (0, 2)], dim=1
    )
    torch.testing.assert_close(pool(x, 2), expected)


def test_token_pooling_at_grid_one_is_the_mean_of_patch_tokens_only():
    x = features(2, 1 + 9, 5)
    assert torch.equal(pool(x, 1, 1), x[:, 1:].mean(1))


def test_token_pooling_equals_conv_pooling_of_the_same_square():
    x = features(2, 5, 4, 4)
    tokens = torch.cat([torch.full((2, 3, 5), 100.0), x.flatten(2).transpose(1, 2)], dim=1)
    torch.testing.assert_close(pool(tokens, 2, 3), pool(x, 2))


@pytest.mark.parametrize("grid", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2, 6, 5, 5), (2, 26, 6)])
def test_the_pooled_vector_has_the_stated_size(shape, grid):
    assert pool(features(*shape), grid, 1).shape == (2, pooled_size(6, grid))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(2, 6, 4, 4), (2, 16, 6)])
def test_the_pooled_vector_is_float32_whatever_comes_in(shape, dtype):
    x = features(*shape).to(dtype)
    assert torch.equal(pool(x, 2), pool(x.float(), 2))


def test_the_main_tensor_of_a_tuple_is_pooled():
    x = features(2, 3, 4, 4)
    assert torch.equal(pool((x, features(2, 9, 8, 8)), 2), pool(x, 2))


def test_channels_last_input_gives_the_same_contiguous_vector():
    x = features(2, 3, 4, 4)
    y = pool(x.to(memory_format=torch.channels_last), 2)
    assert y.is_contiguous()
    torch.testing.assert_close(y, pool(x, 2))


def test_a_map_smaller_than_the_grid_is_still_pooled_to_the_grid():
    x = features(2, 3, 1, 1)
    assert torch.equal(pool(x, 2), x.flatten(1).repeat_interleave(4, dim=1))


def test_tokens_that_form_no_square_are_refused_for_a_grid():
    with pytest.raises(TrunkError, match="not 12 tokens"):
        pool(features(2, 12, 3), 2, 0)
