"""Seeds as an option says them."""

from __future__ import annotations

from evo_mtl.errors import InputError


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds of ``0,1,2``. Raises ``InputError`` for anything else."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise InputError(f"expected different whole numbers such as 0,1,2, met {text!r}", "--seeds")
    return tuple(map(int, words))
