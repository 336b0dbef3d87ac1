"""Where a task's examples are among those of its source: enough to open it again without reading them all.

The order of a task's examples follows from their content, so finding it means reading every one, those of the test
split too. What was found is an index; as long as the files are those that it was found in, a task is opened by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evo_mtl.files import digest

FORMAT = 1
_DIGEST = 32  # bytes of a SHA-256


@dataclass(frozen=True, eq=False)
class Index:
    """The training and validation examples of a task.

    Attributes:
        train: ``(N,)`` int64, their places among the training examples of the source, in the task's order.
        validation: ``(V,)`` int64, the same.
        given: Whether the source has validation examples of its own, among which those places are.
        digests: Of the training split, the validation split and the whole task.
        stamp: Of the files while they were read; ``None`` where it does not vouch for them.
    """

    train: np.ndarray
    validation: np.ndarray
    given: bool
    digests: tuple[str, str, str]
    stamp: str | None

    def to_array(self) -> np.ndarray:
        """One array ``(M,)`` int64 of all of it; :func:`index_from_array` reads it back."""
        names = (*self.digests, self.stamp or "00" * _DIGEST)
        named = np.frombuffer(bytes.fromhex("".join(names)), np.uint8).astype(np.int64)
        head = [FORMAT, self.given, self.stamp is not None, len(self.train)]
        return np.concatenate([np.array(head, np.int64), named, self.train, self.validation])


def index_from_array(array: np.ndarray) -> Index | None:
    """Reads what :meth:`Index.to_array` gave; ``None`` where another version wrote it."""
    start = 4 + 4 * _DIGEST
    if len(array) < start or array[0] != FORMAT:
        return None
    _, given, stamped, num_train = array[:4].tolist()
    names = [bytes(part.astype(np.uint8)).hex() for part in array[4:start].reshape(4, _DIGEST)]
    places = np.array(array[start:])
    return Index(
        train=places[:num_train],
        validation=places[num_train:],
        given=bool(given),
        digests=(names[0], names[1], names[2]),
        stamp=names[3] if stamped else None,
    )


def index_key(task_digest: str) -> str:
    """Under which a task's index is kept."""
    return digest(f"index {FORMAT} of {task_digest}".encode())
