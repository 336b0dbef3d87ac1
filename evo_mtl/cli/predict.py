"""``evo-mtl predict``: classify images, or rows of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads_of
from evo_mtl.cli.text import say, show_json, table


def predict(
    run: options.RunArgument,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|FOLDER...", help="Images, or .npy and .npz files of rows; and folders of them."
        ),
    ],
    task: Annotated[
        str, typer.Option(metavar="NAME|all", help="The task, or all of them.", show_default=False)
    ],
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Classes printed for each example.")] = 1,
    json: options.Json = False,
) -> None:
    """Classify images or rows of numbers; needs the run, not the data sets.

    Example: evo-mtl predict runs/a photo.png --task digits --top 3
    """
    set_threads_of(run)
    from evo_mtl.run.asked import to_answer
    from evo_mtl.run.folder import open_run
    from evo_mtl.streams.decoding import example_files

    folder, config, state = open_run(run)
    first = to_answer(task, state, config, folder.path)[0]
    next(
        example_files(images, state.answer(first).way.route.input.kind)
    )  # what is wrong with the run and with names is said before torch is loaded
    from evo_mtl.answering.prediction import predict as predict_files

    found = predict_files(run, images, task, top)
    show_json(found) if json else say(prediction_text(found, top))


def prediction_text(found: dict[str, Any], top: int) -> str:
    """Predictions for people: a line for each example and task."""
    noun = "row" if "row" in found["predictions"][0] else "image"
    head = [noun, "task", "label", "probability", *(["next"] if top > 1 else [])]
    rows = []
    for row in found["predictions"]:
        others = ", ".join(f"{label} {probability:.3f}" for label, probability in row["top"][1:])
        cells = [row[noun], row["task"], row["label"], f"{row['probability']:.3f}"]
        rows.append([*cells, *([others] if top > 1 else [])])
    return table(head, rows, left=(0, 1, 2, 4))
