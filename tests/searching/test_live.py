"""Streams without an end: a camera that cannot go back, searched until the clock says so, killed, and gone on with."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evo_mtl
from evo_mtl.errors import DataError
from evo_mtl.run import progress as tell
from evo_mtl.run.events import Lost, Round, history
from evo_mtl.run.folder import open_run
from evo_mtl.streams.raw import ArrayItems, RawSplit, RawStream
from evo_mtl.testing.worlds import ONLINE_SPACE, coloured, write_space

MODULE = "camera_of_a_race"


def frames(count: int | None, first: int = 0) -> Iterator[tuple[Any, Any]]:
    for number in itertools.count(first):
        if count is not None and number >= count:
            return
        images, labels = coloured(8, 2, 0)
        yield np.roll(images, number, axis=1), labels


class Camera:
    """How many batches it gives, and whether it goes back to the first when it is opened again."""

    def __init__(self, count: int | None, replayable: bool, tested: bool = True) -> None:
        self.count, self.replayable, self.tested, self.taken = count, replayable, tested, 0

    def camera(self) -> RawStream:
        images, labels = coloured(12, 2, 0)
        test = RawSplit(ArrayItems(images, MODULE), labels) if self.tested else None
        return RawStream(("0", "1"), self.batches, test=test, replayable=self.replayable)

    def batches(self) -> Iterator[tuple[Any, Any]]:
        for batch in frames(self.count, 0 if self.replayable else self.taken):
            self.taken += 1
            yield batch


def world(folder: Path, monkeypatch: pytest.MonkeyPatch, made: Camera) -> tuple[Path, str]:
    module = types.SimpleNamespace(camera=made.camera)
    monkeypatch.setitem(sys.modules, MODULE, module)  # type: ignore[arg-type]
    stream = folder / "stream.yaml"
    stream.write_text(
        "name: live\nregime: online\nbatch_size: 8\nleast_aggregate: 4\n"
        f'tasks:\n  - {{name: cam, source: "python:{MODULE}:camera"}}\n'
    )
    return stream, str(write_space(folder, ONLINE_SPACE))


def test_a_stream_that_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, space = world(tmp_path, monkeypatch, Camera(7, replayable=True))
    run = evo_mtl.search(stream, space=space, run=tmp_path / "run")
    found = run.evaluate()["tasks"][0]
    assert found["num_examples"] == 12
    last = [event for event in history(tmp_path / "run" / "journal.jsonl") if isinstance(event, Round)][-1]
    assert (last.batches, last.races[0].examples) == (7, 56)


def test_a_stream_without_an_end_is_ended_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, space = world(tmp_path, monkeypatch, Camera(None, replayable=False, tested=False))
    run = evo_mtl.search(stream, space=space, run=tmp_path / "run", minutes=0.02)
    state = open_run(run)[2]
    assert state.position.stopped
    assert list(state.routes) == ["cam"]
    assert run.load().predict(coloured(2, 2, 0)[0], task="cam").labels
    with pytest.raises(DataError, match="no test examples"):
        run.evaluate()


@pytest.mark.parametrize("replayable", [True, False])
def test_a_camera_that_cannot_go_back_loses_what_was_not_written_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replayable: bool
) -> None:
    whole, space = world(tmp_path, monkeypatch, Camera(9, replayable))
    evo_mtl.search(whole, space=space, run=tmp_path / "whole")
    stream, space = world(tmp_path, monkeypatch, Camera(9, replayable))
    heard = 0

    def stop(event: tell.Event) -> None:
        nonlocal heard
        heard += isinstance(event, tell.RoundDone)
        if heard == 2:
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        evo_mtl.search(stream, space=space, run=run, progress=stop)
    evo_mtl.resume(run, trust_python=True)
    events = history(run / "journal.jsonl")
    lost = [event.batches for event in events if isinstance(event, Lost)]
    same = (run / "journal.jsonl").read_bytes() == (tmp_path / "whole" / "journal.jsonl").read_bytes()
    assert (lost, same) == (([], True) if replayable else ([4], False))
    assert list(open_run(run)[2].routes) == ["cam"]
