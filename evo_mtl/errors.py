"""The errors a user can meet, as a tree.

Everything the program refuses is an :class:`EvoMtlError`. :class:`InputError` and what is below it
say that something handed in is wrong (a file, a key, an image, a folder): the command line prints
the one-line message and ends with status 2. Anything else is a fault of the program.

    EvoMtlError
    ├── InputError           what was handed in is wrong
    │   ├── ConfigError      a YAML document: file, line, key
    │   ├── DataError        a data source, an image, a split
    │   ├── TrunkError       a trunk's name or its weights
    │   ├── RunError         a run folder: not one, another configuration, in use
    │   └── CorruptionError  bytes on disk are not what was written
    └── CandidateError       a candidate could not be trained (its score is "failed")
"""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """What an error of somebody else's code says, in one short line; its kind where it says nothing.

    Example:
        >>> reason(KeyError("k")), reason(ValueError("first\\nsecond")), reason(MemoryError())
        ("KeyError: 'k'", 'first', 'MemoryError')
    """
    try:
        said = next(iter(str(error).strip().splitlines()), "")[:200]
    except Exception:  # an error whose text cannot be had
        said = ""
    kind = type(error).__name__
    return f"{kind}: {said}" if said and isinstance(error, KeyError) else said or kind


class EvoMtlError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(EvoMtlError):
    """What was handed in is wrong; exit status 2.

    Args:
        message: What was expected and what was met, in one line.
        place: Where: a file, ``file:line``, ``file: key``; put before the message.
    """

    def __init__(self, message: str, place: object = None) -> None:
        self.message = message
        self.place = None if place is None else str(place)
        super().__init__(message if place is None else f"{place}: {message}")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str | None]]:
        return type(self), (self.message, self.place)


class ConfigError(InputError):
    """A document (stream, search space, run configuration) says something that is not allowed."""


class DataError(InputError):
    """A data source, an image or a split cannot be used."""


class TrunkError(InputError):
    """A trunk or its weights cannot be used."""


class RunError(InputError):
    """A run folder cannot be used for what was asked."""


class CorruptionError(InputError):
    """Bytes on disk are not what was written; names the file."""


class CandidateError(EvoMtlError):
    """A candidate cannot be trained or scored (diverged, out of memory)."""
