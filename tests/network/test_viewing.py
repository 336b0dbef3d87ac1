"""How an image is seen."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from evo_mtl.genome.answer_views import SETS
from evo_mtl.network.viewing import seen

IMAGES = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def test_the_whole_image_is_seen_as_it_is() -> None:
    assert seen(IMAGES, "whole") is IMAGES


def test_a_mirrored_image_has_left_and_right_exchanged() -> None:
    mirrored = seen(IMAGES, "mirrored")
    assert torch.equal(mirrored[:, :, :, 0], IMAGES[:, :, :, -1])
    assert torch.equal(seen(mirrored, "mirrored"), IMAGES)


def test_a_zoomed_image_is_its_middle_at_the_same_size() -> None:
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    zoomed = seen(ramp, "zoomed")
    assert zoomed.shape == ramp.shape
    # The middle is 28 of 32 wide: its outermost columns are the third and the third last.
    assert_close(zoomed[0, 0, 0, [0, -1]], torch.tensor([2.0, 29.0]))
    assert_close(zoomed.mean(), ramp.mean())


def test_both_are_the_mirror_image_of_the_zoomed_one() -> None:
    assert torch.equal(seen(IMAGES, "zoomed_mirrored"), seen(seen(IMAGES, "zoomed"), "mirrored"))


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_the_smallest_images_are_seen_too(side: int) -> None:
    images = IMAGES[..., :side, :side]
    assert all(seen(images, view).shape == images.shape for view in SETS[-1])
