"""``evo-mtl spaces``: search spaces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads
from evo_mtl.cli.text import say, show_json, table

if TYPE_CHECKING:
    from evo_mtl.genome.space import SearchSpace

app = typer.Typer(rich_markup_mode=None, help="Search spaces.")


@app.command("list")
def list_(json: options.Json = False) -> None:
    """List the search spaces that come with the program."""
    set_threads(1)
    from evo_mtl.genome.space import known_spaces, read_space

    rows = [{**described(read_space(name)), "file": str(path)} for name, path in known_spaces().items()]
    if json:
        show_json({"spaces": rows})
        return
    cells = [
        [row["name"], row["trunk"], " ".join(row["heads"]), str(row["candidates"]), row["file"]]
        for row in rows
    ]
    say(table(["space", "trunk", "heads", "candidates a task", "file"], cells, left=(0, 1, 2, 4)))


@app.command()
def check(
    space: Annotated[str, typer.Argument(metavar="NAME|FILE", help="The search space.")],
    json: options.Json = False,
) -> None:
    """Check a search space against its trunk and print what is in it."""
    set_threads(1)
    from evo_mtl.evolution.algorithms import algorithms
    from evo_mtl.genome.space import read_space
    from evo_mtl.searching.checks import check_root

    read = read_space(space)
    algorithms.get(read.algorithm, f"{space}: algorithm")
    found = {**described(read), "stages": check_root(read).facts.num_stages}
    show_json(found) if json else say(space_text(found))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a search-space file, for editors.

    Example: evo-mtl spaces schema > space.schema.json
    """
    from evo_mtl.evolution.algorithms import algorithms
    from evo_mtl.genome.schema import space_schema

    show_json(space_schema(algorithms))


def described(space: SearchSpace) -> dict[str, Any]:
    """What is in a search space."""
    budget = space.budget
    return {
        "name": space.name,
        "trunk": space.trunk.name,
        "weights": space.trunk.weights,
        "heads": list(space.heads),
        "seeds": [seed.name for seed in space.seeds],
        "hyperparameters": len(space.hyperparameters),
        "settings": math.prod(len(listed.values) for listed in space.hyperparameters.values()),
        "boundaries": len(space.stages.boundaries),
        "depths": max(1, len(space.stages.depths)),
        "algorithm": space.algorithm,
        "generations": budget.generations,
        "children": budget.children,
        "candidates": len(space.seeds) + budget.generations * budget.children,
        "images": budget.images,
        "multiply_adds": budget.multiply_adds,
    }


def space_text(found: dict[str, Any]) -> str:
    """A search space for people."""
    limits = [f"{found[key]:g} {key.replace('_', '-')}" for key in ("images", "multiply_adds") if found[key]]
    return "\n".join(
        [
            f"{found['name']}: good",
            f"  trunk: {found['trunk']} ({found['weights']}), {found['stages']} stages",
            f"  heads: {', '.join(found['heads'])}; seed candidates: {', '.join(found['seeds'])}",
            f"  {found['hyperparameters']} hyperparameters with {found['settings']:.3g} settings, "
            f"{found['boundaries']} boundaries, {found['depths']} depths",
            f"  {found['algorithm']}: {found['candidates']} candidates a task "
            f"({found['generations']} generations of {found['children']})"
            + (f", at most {' and '.join(limits)}" if limits else ""),
        ]
    )
