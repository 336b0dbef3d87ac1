"""Views of an image that an answer may be the mean of: as it is, mirrored, zoomed in.

References:
    Krizhevsky 2012, ImageNet classification with deep convolutional neural networks (answers averaged over crops and
    mirror images). Touvron 2019, Fixing the train-test resolution discrepancy: random crops make things look larger in
    training than they are in answers.
"""

from __future__ import annotations

from typing import Literal

View = Literal["whole", "mirrored", "zoomed", "zoomed_mirrored"]

WHOLE: tuple[View, ...] = ("whole",)

SETS: tuple[tuple[View, ...], ...] = (
    WHOLE,
    ("whole", "mirrored"),
    ("whole", "zoomed"),
    ("whole", "mirrored", "zoomed", "zoomed_mirrored"),
)
"""What an answer may be the mean of, the cheapest first."""
