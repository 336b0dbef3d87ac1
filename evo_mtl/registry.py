"""Names for parts, each registered explicitly; a second part of the same name is refused."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from evo_mtl.errors import InputError

T = TypeVar("T")


def suggestion(word: str, known: Iterable[str]) -> str:
    """``' (did you mean "x"?)'``, or nothing when no known word is similar.

    Example:
        >>> from evo_mtl.registry import suggestion
        >>> suggestion("folded", ["folder", "npz"])
        ' (did you mean "folder"?)'
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""


class Registry(Generic[T]):
    """A table of named parts.

    Args:
        what: What the parts are, for messages: ``"data source"``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._parts: dict[str, T] = {}

    def add(self, name: str, part: T) -> T:
        """Enters ``part``. Raises ``ValueError`` if the name is taken."""
        if name in self._parts:
            raise ValueError(f"{self._what} {name!r} is registered twice")
        self._parts[name] = part
        return part

    def entry(self, name: str) -> Callable[[T], T]:
        """``add`` as a decorator."""
        return lambda part: self.add(name, part)

    def get(self, name: str, place: object = None) -> T:
        """The part of that name.

        Raises:
            InputError: No such name; the message suggests a near one.
        """
        if not isinstance(name, str) or name not in self._parts:  # a file may say anything
            known = ", ".join(self._parts)
            raise InputError(
                f"unknown {self._what} {name!r}{suggestion(str(name), self._parts)}; known: {known}", place
            )
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._parts
