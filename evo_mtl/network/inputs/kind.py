"""The faces of a kind of input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

if TYPE_CHECKING:  # what is told of a run loads no torch
    from torch import Tensor, nn

from evo_mtl.streams.raw import Form


class Input(Protocol):
    """From examples to the first activation of a route: a frozen record, equal where all of it is.

    Of one set of examples there may be batches of several sizes; those of one size are the same for every
    input of a kind.
    """

    @classmethod
    def plain(cls, form: Form) -> Self:
        """The input that reads examples of a form and normalises nothing."""
        ...

    @property
    def kind(self) -> str:
        """Its name in the registry."""
        ...

    @property
    def size(self) -> int:
        """Names its batches among those of the same examples: side of an image, width of a vector."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row of a batch."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of a batch."""
        ...

    @property
    def key(self) -> str:
        """Digest of all that the first activation depends on besides the examples."""
        ...

    def at(self, image_size: int) -> Self:
        """The same for images of a size; itself where there are none."""
        ...

    def row(self, example: np.ndarray) -> np.ndarray:
        """A row of a batch from an example as the data have it.

        Raises:
            DataError: The example does not fit.
        """
        ...

    def examples(self, given: Any) -> Iterator[np.ndarray]:
        """Examples, one after another, from what a caller hands over.

        Raises:
            DataError: It is in none of the accepted forms; names the example.
        """
        ...

    def first(self, batch: Tensor) -> Tensor:
        """A batch ``(B, *shape)`` to the first activation."""
        ...

    def probes(self, count: int) -> np.ndarray:
        """A batch of made-up examples, the same in every process."""
        ...

    def module(self) -> nn.Module:
        """From what a plain module is given to the first activation."""
        ...
