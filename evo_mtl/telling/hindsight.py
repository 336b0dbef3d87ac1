"""Looks compared with what training then gave: were they right for a task?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.looks import Look, Looks, line_of, rank_correlation
from evo_mtl.plain import plain
from evo_mtl.run.events import Arrived, Found, Generation, Happened, Looked, OfRun


def hindsight(events: Iterable[Happened], task: str) -> dict[str, Any] | None:
    """What the looks said of a task before its route was first found, and how well that ranked what was trained then.

    Returns:
        ``{"looks": [...], "compared": n, "rank_correlation": r}``, with Spearman's ``r`` ``None`` where fewer
        than three candidates can be compared; ``None`` for a task that was not looked at.
    """
    found: tuple[Looks | None, list[Evaluation]] = None, []
    looks: Looks | None = None
    tried: list[Evaluation] = []
    for event in events:
        if isinstance(event, OfRun) or event.task != task:
            continue
        match event:
            case Arrived():
                looks, tried = None, []
            case Looked(pass_=1):  # later passes begin with a route that looks say nothing of
                looks = Looks(event.looks)
            case Generation(pass_=1):
                tried += event.evaluations
            case Found(pass_=1):
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
        "looks": [_told(look) for look in looks.all],
        "compared": len(pairs),
        "rank_correlation": rank_correlation([said for said, _ in pairs], [gave for _, gave in pairs]),
    }


def _told(look: Look) -> dict[str, Any]:
    return {**plain(look), "parent": look.parent and str(look.parent)}
