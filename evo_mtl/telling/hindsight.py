"""Looks compared with what training then gave: were they right for a task?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evo_mtl.archive.journal import Event
from evo_mtl.evolution.candidate import Evaluation, evaluation_from_json
from evo_mtl.evolution.looks import Looks, line_of, look_from_json, rank_correlation


def hindsight(events: Iterable[Event], task: str) -> dict[str, Any] | None:
    """What the looks said of a task before its route was first found, and how well that ranked what was trained then.

    Returns:
        ``{"looks": [...], "compared": n, "rank_correlation": r}``, with Spearman's ``r`` ``None`` where fewer
        than three candidates can be compared; ``None`` for a task that was not looked at.
    """
    found: tuple[Looks | None, list[Evaluation]] = None, []
    looks: Looks | None = None
    tried: list[Evaluation] = []
    for event in events:
        if event.kind == "task" and event.payload["name"] == task:
            looks, tried = None, []
        elif event.payload.get("task") != task or event.payload.get("pass", 1) > 1:
            continue  # later passes begin with a route that looks say nothing about
        elif event.kind == "looks":
            looks = Looks(tuple(map(look_from_json, event.payload["looks"])))
        elif event.kind == "generation":
            tried += map(evaluation_from_json, event.payload["evaluations"])
        elif event.kind == "route":
            found = looks, tried
    looks, tried = found
    if looks is None:
        return None
    family = {one.candidate.id: one.candidate for one in tried}
    pairs = []
    for one in tried:
        said = looks.predicted(one.candidate.genome, line_of(one.candidate, family))
        if one.ok and one.candidate.genome.head.trained and said is not None:
            pairs.append((said, one.quality))
    return {
        "looks": [look.to_json() for look in looks.all],
        "compared": len(pairs),
        "rank_correlation": rank_correlation([said for said, _ in pairs], [gave for _, gave in pairs]),
    }
