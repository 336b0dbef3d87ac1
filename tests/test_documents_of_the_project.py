"""The documents are right: their commands, files, floors, links and names exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import evo_mtl
from evo_mtl.cli.main import app
from evo_mtl.documents import parse_yaml, validate
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.files import canonical_json
from evo_mtl.genome.space import SearchSpace, known_spaces, read_space
from evo_mtl.streams.config import StreamConfig
from tests.scripts import load_script

ROOT = Path(evo_mtl.__file__).parents[1]
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(
        [*ROOT.glob("*.md"), *(path for top in ROOT.glob("[a-z]*/") for path in top.glob("*.md"))]
    )
}
BLOCKS = [
    (name, language, block)
    for name, text in DOCUMENTS.items()
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
]


def lines() -> Iterator[tuple[str, str]]:
    """Document and command line, of every shell block."""
    for name, language, block in BLOCKS:
        if language in ("bash", "sh", "console"):
            for line in block.splitlines():
                if command := line.split(" #")[0].strip():
                    yield name, command


def commands() -> list[list[str]]:
    """Words of every line that calls this program, without what the shell does with its output."""
    found = [shlex.split(line.partition(" > ")[0]) for _, line in lines()]
    return [words for words in found if words[0] == "evo-mtl"]


def leaves(command: Any, name: str = "") -> Iterator[str]:
    """``"search"``, ``"tasks list"``, …: every command of the program."""
    if not hasattr(command, "commands"):
        yield name
        return
    for word, inner in command.commands.items():
        yield from leaves(inner, f"{name} {word}".strip())


def test_the_documents_are_all_there() -> None:
    places = ("", "evo_mtl/", "runs/", "scripts/", "search_spaces/")
    assert {f"{place}README.md" for place in places} | {"CHANGELOG.md", "CONTRIBUTING.md"} <= DOCUMENTS.keys()
    assert (ROOT / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len(DOCUMENTS["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_in_a_document_exists_with_its_options(words: list[str]) -> None:
    command, rest = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands"):
        assert rest[0] in command.commands
        command, rest = command.commands[rest[0]], rest[1:]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in rest if word.startswith("--")} <= options
    if "--space" in rest:
        space = rest[rest.index("--space") + 1]
        assert space in known_spaces() or space.endswith(".yaml")  # one of the reader's own


def test_every_command_is_shown_in_some_document() -> None:
    shown = " ".join(" ".join(words) for words in commands())
    assert [name for name in leaves(typer.main.get_command(app)) if f"evo-mtl {name}" not in shown] == []


def test_every_script_that_a_document_names_is_there_and_every_script_is_named() -> None:
    named = {name for text in DOCUMENTS.values() for name in re.findall(r"\bscripts/([a-z_]+)\b", text)}
    there = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix}
    assert {"test", "quickstart"} <= there
    folders = {path.name for path in (ROOT / "scripts").iterdir() if path.is_dir()}
    assert named - folders == there - {"environment"}


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    broken = []
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("https://"):
                continue
            file, _, heading = target.partition("#")
            path = (ROOT / name).parent / file if file else ROOT / name
            if not path.exists() or (heading and heading not in headings(path.read_text(encoding="utf-8"))):
                broken.append(f"{name}: {target}")
    assert broken == []


def headings(text: str) -> set[str]:
    """What a link to a heading of a Markdown file may name."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def test_no_document_names_a_place_on_somebodys_machine() -> None:
    wrong = [
        f"{name}: {found}"
        for name, text in DOCUMENTS.items()
        for found in re.findall(r"(?<![\w.~)])/(?:work|tmp|home|root|Users|mnt|opt|var)\b\S*", text)
    ]
    assert wrong == []


def test_every_script_is_short_and_stops_at_the_first_error() -> None:
    for name in ("check", "test", "quickstart"):
        text = (ROOT / "scripts" / name).read_text()
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "set -euo pipefail" in text
        assert len(text.splitlines()) < 20


def test_every_part_of_the_package_is_on_a_floor_of_its_readme_and_of_its_page() -> None:
    parts = {
        path.stem
        for path in (ROOT / "evo_mtl").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and not path.stem.startswith("__")
    }
    assert {part for part in parts if f"`{part}`" not in DOCUMENTS["evo_mtl/README.md"]} == set()
    assert {part for part in parts - {"testing"} if f"`{part}`" not in (evo_mtl.__doc__ or "")} == set()


def test_every_file_that_the_page_of_the_code_names_is_there() -> None:
    named = set(re.findall(r"`((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.py)?)`", DOCUMENTS["evo_mtl/README.md"]))
    assert len(named) > 10
    missing = {name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "evo_mtl"))}
    assert missing == set()


def test_every_yaml_of_a_document_can_be_read(tmp_path: Path) -> None:
    read = []
    for name, language, block in BLOCKS:
        if language != "yaml":
            continue
        data = parse_yaml(block.encode(), name).data
        if "tasks" in data:
            validate(StreamConfig, parse_yaml(block.encode(), name))
            read.append("stream")
        elif "like" in data:
            (tmp_path / "mine.yaml").write_text(block)
            assert read_space(str(tmp_path / "mine.yaml")).name == data["name"]
            read.append("like")
        else:  # some keys of a search space
            defaults = {
                "name": "some",
                "seeds": [{"name": "a"}],
                **({"looks": {}} if "seeds" in data else {}),
            }
            SearchSpace.model_validate_json(canonical_json({**defaults, **data}))
            read.append("space")
    assert {"stream", "space", "like"} <= set(read)


def test_the_tables_of_keys_are_those_of_the_schemas() -> None:
    document = DOCUMENTS["search_spaces/README.md"]
    assert load_script("document_keys").text(document) == document, "renew it: python scripts/document_keys"


def test_every_space_and_every_algorithm_has_a_line() -> None:
    document = DOCUMENTS["search_spaces/README.md"]
    assert [name for name in (*known_spaces(), *algorithms) if f"`{name}`" not in document] == []


def test_a_network_is_drawn_where_its_routes_leave_the_trunk() -> None:
    def stage(owner: str) -> dict[str, Any]:
        return {"operation": "stage", "of_trunk": owner == "trunk", "shared_with": ["a"] * (owner == "a")}

    def task(name: str, owners: list[str], **more: Any) -> dict[str, Any]:
        usual = {"adapters": [], "taps": [[0, 1], [0, 2]], "head": "ridge", "paths": 1}
        return {"name": name, "depth": len(owners), "nodes": [stage(o) for o in owners], **usual, **more}

    tasks = [
        task("a", ["trunk", "own"]),
        task("b", ["trunk", "a", "own"], adapters=[1]),
        task("c", ["trunk"]),
    ]
    assert load_script("draw").drawing(3, tasks).splitlines() == [
        "stage   0  1  2",
        "trunk ──■──■──■",
        "a       └──□─ ridge head on 0",
        "b       └──◇──□─ ridge head on 0, adapters behind 1",
        "c       └─ ridge head on 0",
        "■ of the trunk, frozen, □ the task's own, ◇ shared by tasks",
    ]


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
