"""``evo-mtl choose``: another candidate of a task's front as its route."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads_of
from evo_mtl.cli.text import say, short, show_json


def choose(
    run: options.RunArgument,
    task: Annotated[str, typer.Option(metavar="NAME", help="Whose route.", show_default=False)],
    candidate: Annotated[
        str,
        typer.Option(
            metavar="G/C", help="Generation and child, as show --task has them.", show_default=False
        ),
    ],
    json: options.Json = False,
) -> None:
    """Make a kept candidate of a task's front its route; no other task's answers change.

    Example: evo-mtl choose runs/a --task digits --candidate 2/1
    """
    set_threads_of(run)
    from evo_mtl.run.asked import choosable
    from evo_mtl.run.folder import open_run

    folder, config, state = open_run(run)
    choosable(state, config, task, candidate, folder.path)  # what is wrong is said before torch is loaded
    from evo_mtl.searching.front import choose as choose_in_run

    found = choose_in_run(run, task, candidate)
    show_json(found) if json else say(choice_text(found))


def choice_text(found: dict[str, Any]) -> str:
    """A choice for people."""
    cost = found["cost"]
    same = found["former"] == found["candidate"]
    return (
        f"{found['task']}: candidate {found['candidate']} is the route"
        f"{' already' if same else ', in the place of ' + found['former']}: validation {found['quality']:.4f}, "
        f"{short(cost['added_parameters'])} parameters added, {short(cost['inference'])} multiply-adds an image"
    )
