"""Names that come from outside are shown by the terminal, and never obeyed."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evo_mtl.cli import main as command_line
from evo_mtl.cli import text
from evo_mtl.cli.pace import Pace, Plan
from evo_mtl.cli.progress import StatusLine, shown
from evo_mtl.run.progress import MirrorFailed
from tests.cli.conftest import Command
from tests.cli.worlds import SPACE
from tests.streams.worlds import files, write

CLEAR = "\x1b[2J\x9b31m\u202e"
NAMES = (f"{CLEAR}cat", "dog\nevo-mtl: all is well")


def _harmless(answer: str) -> None:
    assert not set(answer) & set(CLEAR.replace("2J", "").replace("31m", "").replace("[", ""))
    assert "\nevo-mtl: all is well" not in answer


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over a folder whose classes' names are made to be obeyed."""
    folder = tmp_path_factory.mktemp("names")
    write(folder / "data", files({f"train/{name}": 6 for name in NAMES} | {f"test/{NAMES[0]}": 2}))
    (folder / "space.yaml").write_text(SPACE)
    (folder / "stream.yaml").write_text('name: s\ntasks:\n  - {name: pets, source: "folder:data"}\n')
    line = ["search", "--tasks", "stream.yaml", "--space", "space.yaml", "--run", "run", "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert command_line.main(line) == 0
    return folder


def test_no_command_prints_a_name_as_it_is(command: Command, searched: Path) -> None:
    image = searched / "data" / "train" / NAMES[0] / "0.png"
    (searched / f"{CLEAR}.png").write_text("no image")
    lines = [
        ["tasks", "check", searched / "stream.yaml"],
        ["show", searched / "run", "--task", "pets"],
        ["predict", searched / "run", image, "--task", "pets", "--top", "2"],
        ["predict", searched / "run", searched / f"{CLEAR}.png", "--task", "pets"],
        ["evaluate", searched / "run", "--task", CLEAR],
        ["show", searched / CLEAR],
        [CLEAR],
    ]
    for line in lines:
        answer = command(*line)
        _harmless(answer.out + answer.err)
        assert "\\x1b[2J" in answer.out + answer.err or line[0] == "show"


def test_json_keeps_names_whole_and_harmless(command: Command, searched: Path) -> None:
    image = searched / "data" / "train" / NAMES[0] / "0.png"
    answer = command("predict", searched / "run", image, "--task", "pets", "--top", "2", "--json")
    _harmless(answer.out)
    told = answer.json["predictions"][0]
    assert {label for label, _ in told["top"]} == set(NAMES)
    assert told["image"] == str(image)


def test_a_name_that_is_no_text_is_printed_all_the_same(searched: Path) -> None:
    image = next((searched / "data").rglob("*.png"))
    strange = os.fsencode(searched) + b"/caf\xe9.png"
    Path(os.fsdecode(strange)).write_bytes(image.read_bytes())
    line = [sys.executable, "-m", "evo_mtl", "predict", str(searched / "run"), strange, "--task", "pets"]
    for more, encoding in (([], "utf-8"), (["--json"], "ascii")):
        done = subprocess.run(
            [*line, *more], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\\udce9.png" in done.stdout
        if more:
            assert json.loads(done.stdout)["predictions"][0]["image"] == os.fsdecode(strange)


def test_progress_is_harmless_on_a_terminal_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plan = Plan(1, 1, 1)
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        with shown(plan, quiet=False, minutes=None) as progress:
            progress(MirrorFailed(f"{CLEAR}[red]no[/red]"))
        assert "\\x1b[2J\\x9b31m\\u202e[red]no[/red]" in stream.getvalue().replace("\n", "")
    line = StatusLine(Pace(plan, None), plan)
    line._task = CLEAR
    _harmless(str(line.render().text))


def test_the_command_line_prints_in_one_place() -> None:
    folder = Path(text.__file__).parent
    printing = [
        path.name
        for path in sorted(folder.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("print", "typer.echo", "sys.stdout.write")
    ]
    assert set(printing) == {"text.py"}
