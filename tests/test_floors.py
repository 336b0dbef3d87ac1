"""Imports run downhill: read from the source, so that no import has to happen."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import evo_mtl

PACKAGE = Path(evo_mtl.__file__).parent
FLOORS = {
    **dict.fromkeys(("errors", "names", "seeding", "registry", "files", "documents", "plain"), 0),
    **dict.fromkeys(("genome", "streams"), 1),
    **dict.fromkeys(("evolution", "network", "archive"), 2),
    **dict.fromkeys(("training", "learners", "engines"), 3),
    "run": 4,
    "answering": 5,
    "telling": 6,
    "searching": 7,
    "face": 8,
    **dict.fromkeys(("cli", "__main__"), 9),
}
SIBLINGS = {
    "registry": {"errors"},
    "files": {"errors", "names"},
    "documents": {"errors", "files", "registry"},
    "plain": {"documents"},
    "engines": {"training"},
    "learners": {"training", "engines"},
    "__main__": {"cli"},
}
"""Parts of one floor that a part may import; all others of its floor it does not know."""
OUTSIDE = ("", "testing")  # the package's own page, and what only tests import
WITHOUT_TORCH = (
    "errors",
    "names",
    "seeding",
    "registry",
    "files",
    "documents",
    "plain",
    "genome",
    "streams",
    "evolution",
    "archive",
)
MAY_IMPORT_LATE = ("cli", "", "__main__")  # so that a command answers before torch is loaded


def modules() -> dict[str, ast.Module]:
    """Dotted name below ``evo_mtl`` to the parsed source of every module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(node: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """What is imported, and whether inside a function; imports for type checkers are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                is_module = whole.removeprefix("evo_mtl.") in MODULES
                yield (whole if is_module else child.module or "", inside)
        elif for_types_only(child):
            continue
        else:
            yield from imports(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def own_imports(name: str) -> Iterator[tuple[str, bool]]:
    """Modules of this package that a module imports."""
    for imported, inside in imports(MODULES[name]):
        if imported == "evo_mtl" or imported.startswith("evo_mtl."):
            yield imported.removeprefix("evo_mtl").removeprefix("."), inside


def part(name: str) -> str:
    return name.partition(".")[0]


def in_circles(graph: dict[str, set[str]]) -> set[str]:
    """Those that lie on a circle or lead to one, of whatever imports whatever."""
    left = dict(graph)
    while free := {name for name, found in left.items() if not found & set(left)}:
        left = {name: found for name, found in left.items() if name not in free}
    return set(left)


def test_a_circle_would_be_seen() -> None:
    assert in_circles({"a": {"b"}, "b": {"c"}, "c": set()}) == set()
    assert in_circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == {"a", "b", "c"}


def test_every_part_of_the_package_has_a_floor() -> None:
    assert len(MODULES) > 60
    assert {part(name) for name in MODULES} - set(OUTSIDE) == set(FLOORS)


def test_every_import_runs_downhill_or_stays_in_its_part() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if part(name) not in OUTSIDE
        for imported, _ in own_imports(name)
        if part(imported) != part(name)
        and (part(imported) in OUTSIDE or FLOORS[part(imported)] > FLOORS[part(name)])
    ]
    assert wrong == []


def test_parts_of_one_floor_know_only_the_siblings_that_are_said_and_all_of_those() -> None:
    met: dict[str, set[str]] = {}
    for name in MODULES:
        for imported, _ in own_imports(name):
            one, other = part(name), part(imported)
            if one != other and one not in OUTSIDE and FLOORS[one] == FLOORS.get(other):
                met.setdefault(one, set()).add(other)
    assert met == SIBLINGS


def test_no_parts_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        if part(name) not in OUTSIDE:
            graph.setdefault(part(name), set()).update(part(imported) for imported, _ in own_imports(name))
    assert in_circles({one: found - {one, *OUTSIDE} for one, found in graph.items()}) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {i for i, inside in own_imports(name) if i != name and not inside} for name in MODULES}
    assert in_circles({name: found & set(MODULES) for name, found in graph.items()}) == set()


def test_no_function_imports_from_this_package_outside_the_command_line() -> None:
    late = [
        f"{name} imports {imported}"
        for name in MODULES
        if part(name) not in (*MAY_IMPORT_LATE, "testing")
        for imported, inside in own_imports(name)
        if inside
    ]
    assert late == []


def test_nothing_but_tests_imports_the_tiny_worlds() -> None:
    users = {name for name in MODULES for imported, _ in own_imports(name) if part(imported) == "testing"}
    assert {part(name) for name in users} <= {"testing"}


def test_floors_that_need_no_torch_do_not_name_it_at_import() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if part(name) in WITHOUT_TORCH
        for imported, inside in imports(MODULES[name])
        if not inside and imported.partition(".")[0] in ("torch", "torchvision", "timm", "safetensors.torch")
    ]
    assert wrong == []


def test_importing_the_package_its_data_and_its_search_loads_no_torch() -> None:
    code = (
        "import sys, evo_mtl, evo_mtl.genome.space, evo_mtl.streams.config, evo_mtl.evolution.algorithms; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent).returncode == 0
