"""Quality over time as a picture: one line a side, seconds on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 860, 460, 60, 20, 280, 50
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#b8860b", "#6a3d9a", "#555555", "#d2691e", "#008b8b")


def write_svg(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draws curves of (seconds, quality) as steps; one of a single point is a dot."""
    points = [point for steps in curves.values() for point in steps]
    first, last = (math.log10(max(f(s for s, _ in points), 0.1)) for f in (min, max))
    low, high = (f(q for _, q in points) for f in (min, max))
    low, span = low - 0.02, max(high - low + 0.04, 1e-6)

    def x(seconds: float) -> float:
        share = (math.log10(max(seconds, 0.1)) - first) / max(last - first, 1e-6)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(quality: float) -> float:
        return HEIGHT - BOTTOM - (quality - low) / span * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for k in range(5):
        quality = low + span * k / 4
        parts.append(f'<text x="8" y="{y(quality) + 4:.0f}">{quality:.3f}</text>')
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(quality):.0f}" y2="{y(quality):.0f}" stroke="#ddd"/>'
        )
    for power in range(math.floor(first), math.ceil(last) + 1):
        for digit in (1, 2, 5):
            seconds = digit * 10.0**power
            if first - 1e-9 <= math.log10(seconds) <= last + 1e-9:
                parts.append(f'<text x="{x(seconds) - 8:.0f}" y="{HEIGHT - BOTTOM + 18}">{seconds:g}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 10}">seconds a task (logarithmic); mean test quality</text>')
    for number, (name, steps) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        if len(steps) == 1:
            parts.append(
                f'<circle cx="{x(steps[0][0]):.1f}" cy="{y(steps[0][1]):.1f}" r="4" fill="{colour}"/>'
            )
        corners = []
        for i, (seconds, quality) in enumerate(steps):
            if i:
                corners.append(f"{x(seconds):.1f},{y(steps[i - 1][1]):.1f}")
            corners.append(f"{x(seconds):.1f},{y(quality):.1f}")
        parts.append(
            f'<polyline points="{" ".join(corners)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(
            f'<text x="{WIDTH - RIGHT + 15}" y="{TOP + 16 * (number + 1)}" fill="{colour}">{escape(name)}</text>'
        )
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")
