"""Answers for files of examples: what ``predict`` prints. It needs the run, not the data sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from evo_mtl.answering.model import Model, load
from evo_mtl.answering.reading import READERS, Named
from evo_mtl.run.asked import to_answer
from evo_mtl.streams.decoding import example_files

BATCH = 512
"""Examples held at once."""


def predict(run: str | Path, paths: Sequence[str | Path], task: str, top: int = 1) -> dict[str, Any]:
    """Classifies the examples in files.

    Args:
        run: The run folder.
        paths: Images; or ``.npy`` and ``.npz`` files of rows ``(N, D)`` (the array ``features``), for tasks of such;
            and folders searched for those at any depth.
        task: A task's name, or ``"all"`` for every archived one.
        top: How many classes are given for each example.

    Returns:
        The object that ``predict --json`` prints: an entry for each example and task, files in order of name. An example
        is named by its file under ``"image"``, or by file and number under ``"row"``.

    Raises:
        InputError: No such path, no image in a folder, a file that is no image, rows of another width, an
            unknown task.
    """
    model = load(run)
    tasks = to_answer(task, model.state, model.config, model.place)
    source = model.input_of(tasks)
    reader = READERS.get(source.kind)
    files = list(example_files(paths, source.kind))
    examples = (named for file in files for named in reader.read(file, source))
    found: list[dict[str, Any]] = []
    for part in _parts(examples):
        found += _answers(model, part, tasks, top, reader.noun)
    return {"predictions": found}


def _answers(
    model: Model, named: Sequence[Named], tasks: Sequence[str], top: int, noun: str
) -> list[dict[str, Any]]:
    predictions = model.predict_many([example for _, example in named], tasks)
    return [
        {
            noun: name,
            "task": prediction.task,
            "label": prediction.labels[i],
            "probability": prediction.top(i, 1)[0][1],
            "top": [[label, probability] for label, probability in prediction.top(i, top)],
        }
        for i, (name, _) in enumerate(named)
        for prediction in predictions
    ]


def _parts(examples: Iterator[Named]) -> Iterator[list[Named]]:
    while part := list(islice(examples, BATCH)):
        yield part
