"""Answers for image files: what ``predict`` prints. It needs the run, not the data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evo_mtl.answering.model import Model, load
from evo_mtl.files import read_file
from evo_mtl.run.asked import to_answer
from evo_mtl.streams.images import MAX_FILE_BYTES, image_files, to_rgb

BATCH = 512
"""Images decoded at once."""


def predict(run: str | Path, paths: Sequence[str | Path], task: str, top: int = 1) -> dict[str, Any]:
    """Classifies image files.

    Args:
        run: The run folder.
        paths: Images, and folders searched for images at any depth.
        task: A task's name, or ``"all"`` for every archived one.
        top: How many classes are given for each image.

    Returns:
        The object that ``predict --json`` prints: a row for each image and task, images in order of name.

    Raises:
        InputError: No such path, no image in a folder, a file that is no image, an unknown task.
    """
    files = list(image_files(paths))
    model = load(run)
    tasks = to_answer(task, model.state, model.config, model.place)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(files), BATCH):
        rows += _answers(model, files[start : start + BATCH], tasks, top)
    return {"predictions": rows}


def _answers(model: Model, files: Sequence[Path], tasks: Sequence[str], top: int) -> list[dict[str, Any]]:
    images = [to_rgb(read_file(file, MAX_FILE_BYTES), file) for file in files]
    predictions = model.predict_many(images, tasks)
    return [
        {
            "image": str(file),
            "task": prediction.task,
            "label": prediction.labels[i],
            "probability": prediction.top(i, 1)[0][1],
            "top": [[label, probability] for label, probability in prediction.top(i, top)],
        }
        for i, file in enumerate(files)
        for prediction in predictions
    ]
