"""``evo-mtl tasks``: data sources and stream files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads
from evo_mtl.cli.text import say, show_json, table
from evo_mtl.documents import visible

if TYPE_CHECKING:
    from evo_mtl.streams.check import TaskReport

app = typer.Typer(rich_markup_mode=None, help="Data sources and stream files.")


@app.command("list")
def list_(json: options.Json = False) -> None:
    """List the data sources that a stream file can name."""
    set_threads(1)
    from evo_mtl.streams.check import list_sources

    sources = list_sources()
    if json:
        show_json({"sources": [asdict(source) for source in sources]})
    else:
        rows = [[source.name, source.description, source.needs] for source in sources]
        say(table(["source", "what it is", "needs"], rows, left=(0, 1, 2)))


@app.command()
def check(
    stream: Annotated[Path, typer.Argument(metavar="STREAM.yaml", help="The stream file.")],
    json: options.Json = False,
) -> None:
    """Check a stream's data: counts, sizes, duplicates between train and test, broken images.

    Of a source that gives batches one after another only the first is looked at. What would stop a search is an error (status 2); what may spoil it is only reported.
    """
    set_threads(1)
    from evo_mtl.errors import DataError
    from evo_mtl.streams.check import check_task
    from evo_mtl.streams.config import read_stream
    from evo_mtl.streams.experience import open_experience

    config = read_stream(stream)
    online = config.regime == "online"
    reports = [check_task(task, online) for task in config.tasks]
    if json:
        show_json({"stream": config.name, "tasks": [asdict(report) for report in reports]})
    else:
        say("\n".join(visible(line) for report in reports for line in report_lines(report)))
    for report in reports:
        if report.stopping is not None:
            raise DataError(report.stopping, f"task {report.name}")
    if online:
        open_experience(config, seed=0, trust_python=True)  # whether its tasks can come in this order


@app.command()
def schema() -> None:
    """Print the JSON Schema of a stream file, for editors.

    Example: evo-mtl tasks schema > stream.schema.json
    """
    from evo_mtl.documents import json_schema
    from evo_mtl.streams.config import StreamConfig

    show_json(json_schema(StreamConfig, "evo-mtl stream"))


def report_lines(report: TaskReport) -> list[str]:
    """A task's report for people."""
    lines = [f"{report.name} ({report.source})"]
    noun = "row" if report.width else "image"
    if report.classes:
        names = ", ".join(report.classes[:8]) + (", ..." if len(report.classes) > 8 else "")
        lines.append(f"  {len(report.classes)} classes: {names}")
    if report.first_batch is not None:
        lines.append(f"  batches one after another; the first has {report.first_batch} {noun}s")
    found = {"training": report.train, "validation": report.validation, "test": report.test}
    for what, split in found.items():
        if split is not None:
            lines.append(f"  {what}: {split.count} {noun}s, {split.class_min} to {split.class_max} a class")
    if report.width:
        lines.append(f"  numbers a row: {report.width}")
    sizes = ["x".join(map(str, reversed(size))) for size in report.sizes]
    if sizes:
        lines.append(f"  width x height: {sizes[0]} smallest, {sizes[1]} median, {sizes[2]} largest")
    if report.colour_modes:
        modes = ", ".join(f"{mode} {count}" for mode, count in report.colour_modes)
        lines.append(f"  colours: {modes}")
    return [*lines, *(f"  problem: {problem}" for problem in report.problems)]
