"""``evo-mtl search``: grow one network over the tasks of a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads
from evo_mtl.cli.interruption import resumable
from evo_mtl.cli.text import duration, say, short, show_json, table


def search(
    tasks: Annotated[Path, typer.Option(metavar="STREAM.yaml", help="The stream file.", show_default=False)],
    space: Annotated[str, typer.Option(metavar="NAME|FILE", help="The search space.")] = "small",
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run folder; default runs/<stream>-<space>-s<seed>."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random draw.")] = 0,
    algorithm: Annotated[str | None, typer.Option(metavar="NAME", help="Instead of the space's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A key of the space, e.g. budget.children=2."),
    ] = None,
    minutes: options.Minutes = None,
    per_task: options.PerTask = None,
    workers: options.Workers = 1,
    threads: Annotated[
        int, typer.Option(min=1, max=256, help="Threads of a trial; results depend on their number.")
    ] = 1,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where trials run.")] = "cpu",
    passes: options.Passes = 1,
    engine: options.Engine = "local",
    cache: options.Cache = None,
    research: options.Research = False,
    optuna_storage: options.OptunaStorage = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only print what would be searched, and about how long that takes."),
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Grow one network over the tasks of a stream; goes on with the run if it has been begun.

    Example: evo-mtl search --tasks search_spaces/streams/quickstart.yaml --space quickstart --workers 2
    """
    set_threads(threads)
    from evo_mtl.engines.choice import engines
    from evo_mtl.run.config import make_config
    from evo_mtl.run.folder import RunFolder, default_folder

    engines.get(engine, "--engine")
    config = make_config(
        tasks,
        space,
        seed=seed,
        algorithm=algorithm,
        overrides=set_ or (),
        threads=threads,
        device=device,
        passes=passes,
    )
    folder = default_folder(config, algorithm) if run is None else RunFolder(run.expanduser())
    folder.exists()  # a folder that is no run is refused before torch is loaded
    if optuna_storage is not None:
        from evo_mtl.telling.optuna_storage import check_storage

        check_storage(optuna_storage)
    with resumable(folder.path):
        if dry_run:
            from evo_mtl.searching.estimate import estimate

            found = estimate(folder, config, workers)
            show_json(found) if json else say(estimate_text(found))
            return
        from evo_mtl.cli.carry_out import carry_out
        from evo_mtl.run.options import Options

        asked = Options(
            workers=workers,
            engine=engine,
            cache=cache,
            minutes=minutes,
            minutes_per_task=per_task,
            research=research,
            optuna_storage=optuna_storage,
            trust_python=True,  # the stream file was handed in
        )
        carry_out(folder, config, asked, quiet, json)


def estimate_text(found: dict[str, Any]) -> str:
    """An estimate for people."""
    lines = [
        f"search space {found['space']} ({found['algorithm']}), trunk {found['trunk']['name']} with "
        f"{found['trunk']['stages']} stages and {short(found['trunk']['parameters'])} parameters; "
        f"the run would be {found['run']}"
    ]
    if found["archived"]:
        lines.append(f"archived already: {', '.join(found['archived'])}")
    rows = [
        [
            row["name"],
            *(str(row[key]) for key in ("classes", "num_train", "num_validation", "candidates")),
            short(row["images"]),
            short(row["multiply_adds"]),
            f"about {duration(row['seconds'])}",
        ]
        for row in [*found["tasks"]]
    ]
    total = ["total", "", "", "", str(found["candidates"]), short(found["images"])]
    rows.append([*total, short(found["multiply_adds"]), f"about {duration(found['seconds'])}"])
    head = ["task", "classes", "training", "validation", "candidates", "images", "multiply-adds", "time"]
    return "\n".join([*lines, table(head, rows)])
