"""``evo-mtl evaluate``: how well an archived network does on test images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads_of
from evo_mtl.cli.text import corrected, say, short, show_json, table


def evaluate(
    run: options.RunArgument,
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this task; repeatable.")
    ] = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Which images.")] = "test",
    task_id: Annotated[
        Literal["given", "inferred"], typer.Option(help="Whether the task of an image is told.")
    ] = "given",
    after: Annotated[
        str | None, typer.Option(metavar="NAME", help="As it was when this task had been archived.")
    ] = None,
    trust_python: options.TrustPython = False,
    json: options.Json = False,
) -> None:
    """Evaluate a run's tasks on their test images.

    Example: evo-mtl evaluate runs/a --json
    """
    set_threads_of(run)
    from evo_mtl.run.asked import as_after, check_task_id, with_data
    from evo_mtl.run.folder import open_run

    check_task_id(task_id)
    folder, config, state = open_run(run)
    if after is not None:
        state = as_after(after, folder, config, state)
    with_data(task, state, config, folder.path, trust_python)  # what is wrong is said before torch is loaded
    from evo_mtl.answering.evaluation import evaluate as evaluate_run

    found = evaluate_run(run, task, split, task_id, trust_python, after)
    show_json(found) if json else say(evaluation_text(found))


def evaluation_text(found: dict[str, Any]) -> str:
    """An evaluation for people."""
    head = ["task", found["split"], "balanced", "validation", "corrected", "images", "calibration error"]
    head += ["added", "active", "multiply-adds", "logits unchanged", "follows", "versions behind"]
    rows = [
        [
            row["name"],
            f"{row['accuracy']:.4f}",
            f"{row['balanced_accuracy']:.4f}",
            f"{row['validation_quality']:.4f}",
            corrected(row),
            str(row["num_examples"]),
            f"{row['expected_calibration_error']:.4f}",
            short(row["added_parameters"]),
            short(row["active_parameters"]),
            short(row["multiply_adds"]),
            "yes" if row["logits_unchanged"] else "NO",
            str(row["follows"] or "-"),
            str(row["versions_behind"]) if row["follows"] else "-",
        ]
        for row in found["tasks"]
    ]
    return "\n".join(
        [
            table(head, rows),
            ", ".join(
                [
                    *(_figure(found, name) for name in ("average_accuracy", "forgetting")),
                    f"{short(found['total_parameters'])} parameters in all",
                ]
            ),
        ]
    )


def _figure(found: dict[str, Any], name: str) -> str:
    """A figure with the id of its definition; where it is undefined, why."""
    identity = found["definitions"][name].partition(":")[0]
    value = found[name]
    return (
        f"{identity} {value:.4f}"
        if value is not None
        else f"{identity} undefined ({found['undefined'][name]})"
    )
