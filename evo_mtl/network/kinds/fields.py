"""What a component's spec may contain: small checks that say in words what is wrong.

Bounds are generous; they keep a damaged or hostile spec from asking for more memory than there is.
"""

from __future__ import annotations

from collections.abc import Callable

Field = Callable[[object], str | None]
"""From a value to what is wrong with it, in words; ``None`` if nothing is."""


def whole(least: int, most: int) -> Field:
    """A whole number within bounds, both included.

    Example:
        >>> from evo_mtl.network.kinds.fields import whole
        >>> whole(1, 9)(12)
        'expected a whole number from 1 to 9, met 12'
        >>> whole(1, 9)(3)
    """

    def wrong(value: object) -> str | None:
        if type(value) is int and least <= value <= most:
            return None
        return f"expected a whole number from {least} to {most}, met {value!r:.60}"

    return wrong


def one_of(*words: str) -> Field:
    """One of some words."""

    def wrong(value: object) -> str | None:
        return None if value in words else f"expected one of {', '.join(words)}, met {value!r:.60}"

    return wrong


def word(value: object) -> str | None:
    """A short text."""
    short = isinstance(value, str) and 0 < len(value) <= 200
    return None if short else f"expected a short text, met {value!r:.60}"


def each(field: Field, most: int) -> Field:
    """A list of one or more values, each of which ``field`` accepts."""

    def wrong(value: object) -> str | None:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= most:
            return f"expected a list of 1 to {most} values, met {value!r:.60}"
        return next((found for one in value if (found := field(one)) is not None), None)

    return wrong


CHANNELS = whole(1, 2**20)
FEATURES = whole(1, 2**24)
CLASSES = whole(1, 2**20)
