"""Plain text for people: tables, numbers, durations."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from evo_mtl.documents import visible


def say(text: str, file: TextIO | None = None) -> None:
    """Prints lines, made harmless; on standard output where no file is given. All that is printed goes through here."""
    print("\n".join(visible(line) for line in text.split("\n")), file=file, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """Columns under their names, two spaces apart.

    Args:
        head: Names of the columns.
        rows: Cells; each row as long as ``head``.
        left: Columns that are aligned to the left; the others to the right.

    Example:
        >>> print(table(["task", "accuracy"], [["digits", "0.98"]]))
        task    accuracy
        digits      0.98
    """
    lines = [list(head), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    Example:
        >>> duration(42), duration(3723)
        ('0:42', '1:02:03')
    """
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def minutes_in(duration: str) -> float:
    """Minutes in a duration: a number with its unit, of minutes where it has none.

    Example:
        >>> minutes_in("90s"), minutes_in("3m"), minutes_in("1.5h"), minutes_in("2")
        (1.5, 3.0, 90.0, 2.0)

    Raises:
        ValueError: It is none, or not above 0.
    """
    text = duration.strip().lower()
    number, unit = (text[:-1], text[-1]) if text[-1:] in _MINUTES else (text, "m")
    try:
        minutes = float(number) * _MINUTES[unit]
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise ValueError(f"expected a duration such as 90s, 3m or 1h, met {duration!r}")
    return minutes


_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0}


def short(number: float) -> str:
    """A count in three digits and a letter.

    Example:
        >>> short(512), short(3_370_000), short(1.2e12)
        ('512', '3.37M', '1.20T')
    """
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            digits = 2 if abs(number) < 10 * size else 1 if abs(number) < 100 * size else 0
            return f"{number / size:.{digits}f}{letter}"
    return f"{number:.0f}"


def places(numbers: Sequence[int]) -> str:
    """Sorted whole numbers with ranges joined; a dash for none.

    Example:
        >>> places([2, 6, 7, 8]), places([])
        ('2 6-8', '-')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs) or "-"


def corrected(row: Mapping[str, Any]) -> str:
    """A task's corrected validation quality; a dash where it is unknown.

    Example:
        >>> corrected({"corrected": {"quality": 0.91}}), corrected({"corrected": None})
        ('0.9100', '-')
    """
    found = row["corrected"]
    return "-" if found is None else f"{found['quality']:.4f}"


def show_json(data: Mapping[str, Any]) -> None:
    """Prints one JSON object on standard output."""
    narrow = (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8")
    text = json.dumps(data, indent=2, ensure_ascii=narrow, allow_nan=False)
    # Outside its texts JSON has such signs only where a line ends; within, it has a way to write them.
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text), flush=True)


def ended_early(generation: int, expected_gain: float) -> str:
    """Why a search ended before its budget did, in words."""
    return (
        f"ended after generation {generation}: the next was expected to gain {expected_gain:.1e} "
        "in score for a pass of the trunk over the training images"
    )
