"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evo_mtl.cli.text import minutes_in


def _minutes(text: str) -> float:
    try:
        return minutes_in(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.", show_default=False)]
Workers = Annotated[
    int,
    typer.Option(
        min=1, max=1024, help="Processes that try candidates; the result does not depend on their number."
    ),
]
Engine = Annotated[str, typer.Option(metavar="NAME", help="What runs the workers: local, serial, processes.")]
Minutes = Annotated[
    float | None,
    typer.Option(min=0.0, help="Clock limit for the whole search, shared by the tasks that are left."),
]
PerTask = Annotated[
    float | None,
    typer.Option(
        "--per-task",
        parser=_minutes,
        metavar="DURATION",
        help="Clock limit for each task, such as 90s, 3m or 1h; a generation that would pass it is not begun.",
        show_default=False,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where activations are kept: a folder of its own, new or made so before; by default in the run folder.",
    ),
]
Passes = Annotated[
    int,
    typer.Option(min=1, help="Visits of each task: all tasks once, then all again; may be raised later."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Research = Annotated[
    bool,
    typer.Option("--research", help="Search tasks again whose data have changed since they were archived."),
]
TrustPython = Annotated[
    bool,
    typer.Option(
        "--trust-python", help="Call the functions that the run's python: tasks name; this runs their code."
    ),
]
OptunaStorage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Show every committed candidate as an Optuna trial: sqlite:///FILE or journal:FILE.",
    ),
]
