"""What must not be in the source: anything that runs what a file says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evo_mtl

PACKAGE = Path(evo_mtl.__file__).parent
SOURCES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
FORBIDDEN_MODULES = ("cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")
FORBIDDEN_CALLS = (
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.load_all",
    "yaml.full_load",
    "yaml.unsafe_load",
    "torch.save",
    "np.random.seed",
    "random.seed",
    "torch.hub.load",
)
MOVES_GLOBAL_GENERATORS = "testing/contracts/algorithms.py"
"""The contract that nobody else does has to, to see it."""
OWN_GENERATORS = (
    "np.random.default_rng",
    "np.random.Generator",
    "np.random.PCG64",
    "np.random.SeedSequence",
)


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """File, dotted name and node of every call."""
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield file, ast.unparse(node.func), node


def moves_generators(file: str) -> bool:
    return file.endswith(MOVES_GLOBAL_GENERATORS)


def keyword(call: ast.Call, name: str) -> object:
    return next((ast.literal_eval(k.value) for k in call.keywords if k.arg == name), None)


def test_sources_are_found() -> None:
    assert len(SOURCES) > 60
    assert sum(1 for _ in calls()) > 1000


def test_nothing_that_unpickles_is_imported_and_of_pickle_only_an_error_is_named() -> None:
    found = []
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [(file, alias.name) for alias in node.names if alias.name in FORBIDDEN_MODULES]
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
                found += [(file, node.attr)] if node.attr != "UnpicklingError" else []
            if isinstance(node, ast.ImportFrom) and node.module in ("pickle", *FORBIDDEN_MODULES):
                found.append((file, node.module))
    assert found == []


@pytest.mark.parametrize("name", FORBIDDEN_CALLS)
def test_a_call_that_could_run_foreign_code_or_move_global_state_is_not_made(name: str) -> None:
    found = [file for file, called, _ in calls() if called == name]
    assert [file for file in found if not (name.endswith("random.seed") and moves_generators(file))] == []


def test_torch_loads_weights_only() -> None:
    found = [(file, keyword(call, "weights_only")) for file, name, call in calls() if name == "torch.load"]
    assert found
    assert all(value is True for _, value in found)


def test_numpy_loads_no_objects() -> None:
    found = [
        (file, keyword(call, "allow_pickle"))
        for file, name, call in calls()
        if name in ("np.load", "numpy.load")
    ]
    assert found
    assert all(value is False for _, value in found)


def test_no_draw_comes_from_a_global_generator() -> None:
    drawn = [
        (file, name)
        for file, name, call in calls()
        if not moves_generators(file)
        and (
            (name.startswith("np.random.") and not name.startswith(OWN_GENERATORS))
            or name.startswith("random.")
            or name == "torch.manual_seed"
            or (name in ("torch.rand", "torch.randn", "torch.randint") and not has_generator(call))
        )
    ]
    assert drawn == []


def has_generator(call: ast.Call) -> bool:
    return any(k.arg == "generator" for k in call.keywords)


def test_no_shell_is_started() -> None:
    assert [file for file, _, call in calls() if keyword_is_true(call, "shell")] == []


def keyword_is_true(call: ast.Call, name: str) -> bool:
    return any(
        k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is True for k in call.keywords
    )


def test_state_dicts_of_torchvision_are_read_as_weights_only() -> None:
    found = [
        (file, keyword(call, "weights_only"))
        for file, name, call in calls()
        if name.endswith((".get_state_dict", "load_state_dict_from_url"))
    ]
    assert found
    assert all(value is True for _, value in found)
