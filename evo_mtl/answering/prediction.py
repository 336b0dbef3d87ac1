"""Answers for image files: what ``predict`` prints. It needs the run, not the data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evo_mtl.answering.model import Model, load
from evo_mtl.errors import DataError, InputError, RunError
from evo_mtl.streams.images import to_rgb

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".tif", ".tiff"}
)
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
    if task == "auto":
        raise InputError("inferring the task of an image is not available yet; name it or say all", "--task")
    files = list(image_files(paths))
    model = load(run)
    if not model.tasks:
        raise RunError("no task has been archived in this run yet", model.place)
    tasks = list(model.tasks) if task == "all" else [task]
    for name in tasks:
        model.route(name)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(files), BATCH):
        rows += _answers(model, files[start : start + BATCH], tasks, top)
    return {"predictions": rows}


def _answers(model: Model, files: Sequence[Path], tasks: Sequence[str], top: int) -> list[dict[str, Any]]:
    images = [to_rgb(_read(file), file) for file in files]
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


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", file) from None


def image_files(paths: Sequence[str | Path]) -> Iterator[Path]:
    """The files that paths name: files as given, folders by their image files at any depth, sorted.

    Raises:
        DataError: No such path, or a folder without an image.
    """
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
            if not found:
                raise DataError("a folder without an image", path)
            yield from found
        elif path.exists():
            yield path
        else:
            raise DataError("no such file or folder", path)
