"""Rows of numbers at the foot of a route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from evo_mtl.errors import DataError
from evo_mtl.files import canonical_json, digest
from evo_mtl.seeding import generator
from evo_mtl.streams.raw import Form
from evo_mtl.streams.vectors import as_rows, to_row

if TYPE_CHECKING:  # what is told of a run loads no torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Vector:
    """Rows of ``width`` numbers, as they are: what reads them standardises them.

    Attributes:
        width: Numbers a row.
    """

    kind: ClassVar[str] = "vector"
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)

    width: Annotated[int, Field(ge=1, le=2**20)]

    @classmethod
    def plain(cls, form: Form) -> Vector:
        """Rows of the form's width."""
        return cls(form.width)

    @property
    def size(self) -> int:
        """Numbers a row."""
        return self.width

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D,)``."""
        return (self.width,)

    @property
    def key(self) -> str:
        """Digest of the width."""
        return digest(canonical_json({"vector": asdict(self)}))

    def at(self, image_size: int) -> Vector:
        """Itself: there is no image."""
        return self

    def row(self, example: np.ndarray) -> np.ndarray:
        """``(D,)`` float32 as it is."""
        if example.shape != self.shape:
            raise DataError(f"expected rows of {self.width} numbers, met {example.shape}")
        return example

    def examples(self, given: np.ndarray | Tensor | Sequence[Any]) -> Iterator[np.ndarray]:
        """Rows ``(D,)`` float32, one after another.

        Args:
            given: ``(B, D)`` numbers: an array, a tensor, or a sequence of rows.

        Raises:
            DataError: Another width, or a number that is nan or infinite; names row and feature.
        """
        rows = _rows(given)
        if rows.shape[1] != self.width:
            raise DataError(f"expected rows of {self.width} numbers, met {rows.shape[1]}")
        for i, row in enumerate(rows):
            yield to_row(row, f"row {i}")

    def first(self, batch: Tensor) -> Tensor:
        """``(B, D)`` float32 as it is."""
        return batch

    def probes(self, count: int) -> np.ndarray:
        """Normal numbers ``(count, D)`` float32."""
        return generator(0, "probe vectors").standard_normal((count, self.width), dtype=np.float32)

    def module(self) -> nn.Module:
        """``(B, D)`` float as it is."""
        from torch import nn

        return nn.Identity()


def _rows(given: Any) -> np.ndarray:
    if hasattr(given, "detach"):  # a tensor
        given = given.detach().cpu().numpy()
    if not isinstance(given, np.ndarray):
        try:
            given = np.asarray(given)
        except ValueError:  # rows of several lengths
            raise DataError("expected rows (B, D) of one width") from None
    return as_rows(given)
