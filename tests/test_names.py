"""Names of files are said in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import evo_mtl
from evo_mtl import names

PACKAGE = Path(evo_mtl.__file__).parent
SAID = {
    part
    for value in vars(names).values()
    for part in (value if isinstance(value, tuple) else (value,))
    if isinstance(part, str) and "." in part and len(part) < 30
}


def test_no_other_module_says_the_name_or_the_ending_of_a_file_of_the_program() -> None:
    assert len(SAID) > 10
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "names.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in SAID
    ]
    assert found == []
