"""``runs/README.md`` names every key that a command prints as JSON, and every kind of event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

import evo_mtl
from evo_mtl.archive.journal import read_journal
from tests.cli.conftest import Command

DOCUMENT = (Path(evo_mtl.__file__).parents[1] / "runs" / "README.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z_]+)`", DOCUMENT))
FREE = ("definitions", "hyperparameters", "cost")
"""Mappings whose keys are not the command's own."""


def keys(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield key
            if key not in FREE:
                yield from keys(value)
    elif isinstance(found, list):
        for one in found:
            yield from keys(one)


def test_every_key_of_every_json_object_is_named(command: Command, finished: Path, tmp_path: Path) -> None:
    run, stream, space = (finished / name for name in ("run", "stream.yaml", "space.yaml"))
    Image.new("L", (12, 12), 40).save(tmp_path / "dark.png")
    commands: list[tuple[object, ...]] = [
        ("evaluate", run),
        ("show", run),
        ("show", run, "--task", "one"),
        ("predict", run, tmp_path / "dark.png", "--task", "all"),
        ("search", "--tasks", stream, "--space", space, "--run", tmp_path / "new", "--dry-run"),
        ("tasks", "list"),
        ("tasks", "check", stream),
        ("spaces", "list"),
        ("spaces", "check", space),
    ]
    unnamed = {f"{words[0]}: {key}" for words in commands for key in keys(command(*words, "--json").json)} - {
        f"{words[0]}: {key}" for words in commands for key in NAMED
    }
    assert unnamed == set()


def test_every_kind_of_event_of_a_run_is_named(finished: Path) -> None:
    kinds = {event.kind for event in read_journal(finished / "run" / "journal.jsonl")}
    assert {"run", "root", "task", "generation", "route"} <= kinds
    assert kinds <= NAMED
