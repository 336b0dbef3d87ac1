"""The tables of the comparison, in plain text or in Markdown."""

from __future__ import annotations

from evo_mtl.cli.text import short, table
from search.drawing import Draw, markdown
from search.intervals import Interval
from search.learning import FIXED_SPLIT
from search.methods import CLOCKED
from search.results import BEST_BASELINE, NO_SEARCH, Results, finite

POINT = 0.01
"""One point of accuracy."""


def everything(results: Results, as_markdown: bool) -> str:
    """All tables that have something to say."""
    draw: Draw = markdown if as_markdown else lambda head, rows: table(head, rows)
    parts = [
        ("Test quality by task, mean over seeds", by_task(results, draw)),
        (
            f"{results.main} minus each, in points: paired over seeds, and what each costs a task",
            cost(results, draw),
        ),
        ("By task, in points: paired bootstrap over test images and seeds", paired(results, draw)),
        ("What a part is worth: with it minus without it, in points", ablations(results, draw)),
        ("The fixed split along the stream", fixed_split(results, draw)),
    ]
    return "\n\n".join(f"{title}\n\n{text}" for title, text in parts if text)


def by_task(results: Results, draw: Draw) -> str:
    """A line a method, a column a task; ``(2)`` after a figure: of so many seeds where others have more."""
    rows = []
    for method in results.methods:
        most = max(len(results.seeds(method, task)) for task in results.tasks)
        cells = []
        for task in results.tasks:
            count = len(results.seeds(method, task))
            figure = _quality(results.mean(method, "test", task))
            cells.append(figure if count in (most, 0) else f"{figure} ({count})")
        whole = len(results.seeds(method))
        mean = _quality(results.mean(method, "test")) if whole else "-"
        rows.append([method, str(most), *cells, mean + (f" ({whole})" if 0 < whole < most else "")])
    return draw(["method", "n", *results.tasks, "mean"], rows)


def cost(results: Results, draw: Draw) -> str:
    """A line a method: difference to the main one, and what a task cost."""
    rows = []
    for method in results.methods:
        difference = results.difference(results.main, method)
        told = _points(difference.interval) if method != results.main else ""
        if method != results.main and 0 < difference.num_tasks < len(results.tasks):
            told += f" on {difference.num_tasks} tasks"
        planned, images = results.mean(method, "planned_multiply_adds"), results.mean(method, "images")
        rows.append(
            [
                method,
                _quality(results.mean(method, "test")) if results.seeds(method) else "-",
                told,
                _number(100 * results.added_share(method), 1, " %"),
                short(images) if finite(images) else "-",
                short(planned) if finite(planned) else "-",
                _number(results.mean(method, "candidates"), 1),
                _number(results.mean(method, "cpu_seconds"), 0),
                _number(results.mean(method, "seconds"), 0),
            ]
        )
    head = ["method", "mean", "difference (95 %)", "added", "images", "multiply-adds", "candidates"]
    return draw([*head, "processor s", "clock s"], rows)


def paired(results: Results, draw: Draw) -> str:
    """A line a task: the main search against those that matter most."""
    others = [
        name
        for name in ("random", NO_SEARCH, "fine_tuning", BEST_BASELINE)
        if name in results.methods and name != results.main
    ]
    if not others or results.main not in results.methods:
        return ""
    rows = []
    for task in results.tasks:
        best = results.chosen_baselines(task)
        found = {name: results.on_task(results.main, name, task) for name in others}
        below = BEST_BASELINE in found and is_below(found[BEST_BASELINE])
        rows.append(
            [
                task,
                *(_points(found[name]) for name in others),
                ", ".join(f"{name} {count}" for name, count in best.items()) or "-",
                "BELOW" if below else "",
            ]
        )
    return draw(["task", *others, "best on validation in so many seeds", ""], rows)


def is_below(interval: Interval) -> bool:
    """Whether an interval lies wholly more than a point below zero."""
    return interval.known and interval.high < -POINT


def ablations(results: Results, draw: Draw) -> str:
    """A line a part that was left out."""
    rows = []
    for method in results.methods:
        if method.startswith("without "):
            difference = results.difference(results.main, method)
            wins = [results.on_task(results.main, method, task).mean for task in results.tasks]
            rows.append(
                [
                    method.removeprefix("without "),
                    _points(difference.interval),
                    str(difference.num_tasks),
                    *(_number(100 * win, 1, sign=True) for win in wins),
                ]
            )
    return draw(["part", "worth (95 %)", "tasks", *results.tasks], rows) if rows else ""


def fixed_split(results: Results, draw: Draw) -> str:
    """Quality right after a task (Val1) and after all of them (Val2), with the shares that the cut gave."""
    rows = results.rows(FIXED_SPLIT)
    if not rows:
        return ""
    frozen, common, own = (100 * share for share in rows[0]["shares"])
    first, second = rows[0]["chosen"]["stages"]
    lines = [
        [
            task,
            _quality(results.mean(FIXED_SPLIT, "val1", task)),
            _quality(results.mean(FIXED_SPLIT, "test", task)),
        ]
        for task in results.tasks
    ]
    lines.append(
        ["mean", _quality(results.mean(FIXED_SPLIT, "val1")), _quality(results.mean(FIXED_SPLIT, "test"))]
    )
    told = (
        f"frozen {frozen:.1f} %, trained by all {common:.1f} % (from stage {first}), own {own:.1f} % "
        f"(from stage {second}) of the trunk's parameters; {len(results.seeds(FIXED_SPLIT))} seeds"
    )
    return f"{told}\n\n{draw(['task', 'Val1', 'Val2'], lines)}"


def clocked(results: Results) -> list[str]:
    """Searches whose budget was seconds."""
    return [name for name in results.methods if name.endswith(CLOCKED)]


def _points(interval: Interval) -> str:
    """A difference in points with its interval and the seeds it rests on."""
    if interval.count == 0:
        return "-"
    ends = f" [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}]" if interval.known else ""
    return f"{100 * interval.mean:+.2f}{ends} n={interval.count}"


def _quality(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1) if finite(value) else "-"


def _number(value: float, digits: int, unit: str = "", sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''}.{digits}f}{unit}" if finite(value) else "-"
