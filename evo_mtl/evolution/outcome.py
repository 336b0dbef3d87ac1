"""What came of a trial: how it ended, what it reached, and what was noted on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from evo_mtl.genome.answer_views import WHOLE, View
from evo_mtl.plain import Count, Digest, Share

Temperature = Annotated[float, Field(gt=0)]


class Ended(StrEnum):
    """How a trial ended."""

    OK = "ok"
    FAILED = "failed"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Status:
    """How a trial ended, and why there where it did not come to its end.

    Attributes:
        ended: In a word.
        reason: In words; empty for one that was trained to its end.
    """

    ended: Ended
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was trained to its end."""
        return self.ended is Ended.OK

    @property
    def failed(self) -> bool:
        """Whether it could not be trained."""
        return self.ended is Ended.FAILED

    @property
    def rejected(self) -> bool:
        """Whether it was given up while it trained."""
        return self.ended is Ended.REJECTED

    def __str__(self) -> str:
        return f"{self.ended}: {self.reason}" if self.reason else str(self.ended)


OK = Status(Ended.OK)
"""Of what was trained to its end."""


def failed(reason: object) -> Status:
    """Of what could not be trained."""
    return Status(Ended.FAILED, str(reason))


def rejected(reason: str) -> Status:
    """Of what was given up while it trained."""
    return Status(Ended.REJECTED, reason)


@dataclass(frozen=True)
class Right:
    """Which images were answered rightly at each validation; :mod:`evo_mtl.evolution.optimism` packs and unpacks it.

    Attributes:
        images: How many.
        bits: A text of hex digits for each validation, eight images a byte.
    """

    images: Count
    bits: tuple[Annotated[str, Field(pattern="^[0-9a-f]*$")], ...]

    def __post_init__(self) -> None:
        if not self.bits or any(len(text) != 2 * -(-self.images // 8) for text in self.bits):
            raise ValueError(f"expected a text of bits for {self.images} images at each validation")


@dataclass(frozen=True)
class Pooled:
    """What a quality was pooled over, where labels are few.

    Attributes:
        folds: Parts of the training images that were left out in turn.
        images: That were answered: validation images, and training images left out.
        validation: Quality on the validation images alone.
    """

    folds: Count
    images: Count
    validation: Share


@dataclass(frozen=True)
class Notes:
    """What a trial notes; ``None``, or empty, what it has nothing to say of.

    Attributes:
        temperature: Of its logits, fitted on the images that it answered.
        best: Place in its curve of the validation that counts, where it was trained by gradient descent.
        alpha: Strength of the ridge that its head was solved with.
        leave_one_out_error: Of that head on the training images.
        right: Which images it answered rightly.
        pooled: What its quality was pooled over.
        copies: Components of each copy that was fitted without a part of the images, by slot.
        group: Children it was trained together with.
        ridge_share: Of the ridge solution in a head that was finished by it.
        views: Of an image, whose answers are averaged.
    """

    temperature: Temperature | None = None
    best: Count | None = None
    alpha: float | None = None
    leave_one_out_error: float | None = None
    right: Right | None = None
    pooled: Pooled | None = None
    copies: tuple[Mapping[str, Digest], ...] = ()
    group: tuple[Count, ...] = ()
    ridge_share: Share | None = None
    views: tuple[View, ...] = WHOLE


@dataclass(frozen=True)
class Outcome:
    """What a trial gives; components are named by digest.

    Attributes:
        status: How it ended.
        quality: The task's metric on its validation split, in [0, 1]; higher is better. 0 when failed, the best
            so far when given up.
        curve: Quality at each validation, the first before any training.
        trained: Slot to digest of the components it wrote.
        notes: What it noted.
    """

    status: Status
    quality: Share = 0.0
    curve: tuple[Share, ...] = ()
    trained: Mapping[str, Digest] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
