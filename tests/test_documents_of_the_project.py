"""The README is right: its commands, files, floors and names exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

import evo_mtl
from evo_mtl.cli.main import app
from evo_mtl.documents import parse_yaml, validate
from evo_mtl.genome.space import known_spaces
from evo_mtl.streams.config import StreamConfig

ROOT = Path(evo_mtl.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
LINES = [
    line.split(" #")[0].strip()
    for language, block in BLOCKS
    if language in ("bash", "sh", "console")
    for line in block.splitlines()
    if line.split(" #")[0].strip()
]


def commands() -> list[list[str]]:
    """Words of every line of the README that calls this program."""
    return [words for words in map(shlex.split, LINES) if words[0] == "evo-mtl"]


def test_the_readme_shows_commands() -> None:
    assert len(commands()) >= 4


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    command, rest = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands"):
        assert rest[0] in command.commands
        command, rest = command.commands[rest[0]], rest[1:]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in rest if word.startswith("--")} <= options
    if "--space" in rest:
        assert rest[rest.index("--space") + 1] in known_spaces()


def test_every_script_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"\bscripts/[a-z_]+\b", README))
    assert {"scripts/test", "scripts/quickstart"} <= named
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_every_script_is_short_and_stops_at_the_first_error() -> None:
    for name in ("check", "test", "quickstart"):
        text = (ROOT / "scripts" / name).read_text()
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "set -euo pipefail" in text
        assert len(text.splitlines()) < 20


def test_every_part_of_the_package_is_on_a_floor_of_the_readme_and_of_the_packages_page() -> None:
    parts = {
        path.stem
        for path in (ROOT / "evo_mtl").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and not path.stem.startswith("__")
    } - {"testing"}
    for text in (README, evo_mtl.__doc__ or ""):
        assert {part for part in parts if f"`{part}`" not in text} == set()


def test_the_stream_file_of_the_readme_can_be_read() -> None:
    streams = [block for language, block in BLOCKS if language == "yaml" and "tasks:" in block]
    assert streams
    for block in streams:
        assert validate(StreamConfig, parse_yaml(block.encode(), "README.md")).tasks


def test_every_name_that_the_package_exports_is_there_and_imported_when_asked_for() -> None:
    assert set(evo_mtl.__all__) == {"__version__", "evaluate", "load", "resume", "search"}
    for name in evo_mtl.__all__:
        assert getattr(evo_mtl, name)
    with pytest.raises(AttributeError, match="serch"):
        _ = evo_mtl.serch


def test_every_module_says_what_it_is_for() -> None:
    silent = []
    for path in (ROOT / "evo_mtl").rglob("*.py"):
        if not re.match(r'\s*(#[^\n]*\n)*r?"""', path.read_text(encoding="utf-8")):
            silent.append(str(path))
    assert silent == []
