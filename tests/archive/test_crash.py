"""A run that dies at any file operation leaves an archive that opens, and goes on to the same end."""

import os
import subprocess
import sys
from pathlib import Path

import evo_mtl
from evo_mtl.archive import ComponentStore, Journal, read_journal, verify_components

ROOT = Path(evo_mtl.__file__).parents[1]
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from evo_mtl.archive import ComponentStore, Journal, read_journal
run = Path(sys.argv[1])
store = ComponentStore(run)
with Journal.open(run / "journal.jsonl") as journal:
    done = journal.count
    if done < 1:
        journal.append("run", seed=0)
    if done < 2:
        journal.append("root", root="r", components=[])
    for index, name in enumerate(["a", "b"]):
        if done < 3 + 2 * index:
            journal.append("task", name=name, root="r")
        if done < 4 + 2 * index:
            weight = np.full(3, index, "float32")
            journal.append("route", task=name, components=[store.write({"weight": weight}, {})])
store.sweep({name for event in read_journal(journal.path) for name in event.payload.get("components", [])})
"""


def start(folder: Path, crash_at: int | None = None) -> int:
    environment = {key: value for key, value in os.environ.items() if key != "EVOMTL_CRASH_AT"}
    if crash_at is not None:
        environment["EVOMTL_CRASH_AT"] = str(crash_at)
    return subprocess.run([sys.executable, "-c", SCRIPT, folder], env=environment, cwd=ROOT).returncode


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_crash_at_any_operation_leaves_a_prefix_and_resumes_to_the_same_bytes(tmp_path):
    assert start(tmp_path / "whole") == 0
    whole = read_journal(tmp_path / "whole" / "journal.jsonl")
    expected = contents(tmp_path / "whole")
    crashes, prefixes = 0, set()
    while True:
        folder = tmp_path / str(crashes + 1)
        status = start(folder, crash_at=crashes + 1)
        if status == 0:
            break
        assert status == 70
        crashes += 1
        journal = folder / "journal.jsonl"
        if journal.exists():
            events = read_journal(journal)
            assert events == whole[: len(events)]
            prefixes.add(len(events))
            pinned = [name for event in events for name in event.payload.get("components", ())]
            assert verify_components(ComponentStore(folder), pinned) == ()
            with Journal.open(journal) as opened:
                assert opened.count == len(events)
        if crashes % 3 == 0:
            assert start(folder) == 0
            assert contents(folder) == expected
    assert crashes >= 20
    assert prefixes == set(range(len(whole) + 1))
