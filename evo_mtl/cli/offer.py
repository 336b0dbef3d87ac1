"""``evo-mtl offer``: offer archived tasks routes through newer components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads_of
from evo_mtl.cli.text import say, show_json


def offer(
    run: options.RunArgument,
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this task; repeatable.")
    ] = None,
    level: Annotated[
        float, typer.Option(help="Level of the one-sided test that a route must pass to be taken.")
    ] = 0.05,
    workers: options.Workers = 1,
    engine: options.Engine = "local",
    cache: options.Cache = None,
    trust_python: options.TrustPython = False,
    json: options.Json = False,
) -> None:
    """Offer archived tasks routes through newer components; one is taken only if it is proved better.

    Example: evo-mtl offer runs/a --task signs
    """
    set_threads_of(run)
    from evo_mtl.engines.choice import engines

    engines.get(engine, "--engine")
    from evo_mtl.run.asked import check_finished, check_level, with_data
    from evo_mtl.run.folder import reopen

    check_level(level)
    folder, config, state = reopen(run)
    with_data(task, state, config, folder.path, trust_python)
    check_finished(state, folder.path)  # what is wrong is said before torch is loaded
    from evo_mtl.searching.offers import offer as make_offers

    told = (lambda row: None) if json else (lambda row: say(offer_text(row)))
    where = cache and cache.expanduser()
    found = make_offers(run, task or (), level, workers, engine, where, told, trust_python)
    if json:
        show_json({"run": run.name, "level": level, "tasks": found})


def offer_text(row: Mapping[str, Any]) -> str:
    """An offer for people."""
    if not row["newer"]:
        return f"{row['task']}: nothing newer to offer"
    if row["p"] is None:
        return f"{row['task']}: nothing that could be offered on the routes of {', '.join(row['newer'])}"
    return (
        f"{row['task']}: on the route of {row['line']} {row['new']:.4f} instead of "
        f"{row['old']:.4f} on {row['num_examples']} images held back ({row['won']} won, {row['lost']} lost), "
        f"p {row['p']:.2g}: {'taken' if row['taken'] else 'not taken'}"
    )
