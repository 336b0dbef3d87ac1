"""What ``evo-mtl offer`` prints."""

from __future__ import annotations

import shutil
from pathlib import Path

from evo_mtl.cli.offer import offer_text
from tests.cli.conftest import Command

ROW = {
    "task": "signs",
    "newer": ["scans", "flowers"],
    "line": "scans",
    "old": 0.9,
    "new": 0.95,
    "num_examples": 200,
    "won": 13,
    "lost": 3,
    "p": 0.0106,
    "taken": True,
}


def test_an_offer_is_told_in_a_line_with_what_was_gained_how_sure_that_is_and_what_was_done() -> None:
    assert offer_text(ROW) == (
        "signs: on the route of scans 0.9500 instead of 0.9000 on 200 images held back (13 won, 3 lost), "
        "p 0.011: taken"
    )
    assert offer_text({**ROW, "taken": False}).endswith(": not taken")
    assert offer_text({**ROW, "p": None}).endswith(
        "nothing that could be offered on the routes of scans, flowers"
    )


def test_a_run_of_routes_that_stand_on_the_trunk_alone_has_nothing_to_offer(
    command: Command, finished: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run)
    answer = command("offer", run)
    assert (answer.status, answer.out) == (0, "one: nothing newer to offer\ntwo: nothing newer to offer\n")
    answer = command("offer", run, "--task", "two", "--json")
    assert [row["task"] for row in answer.json["tasks"]] == ["two"]
    assert command("offer", run, "--task", "onee").status == 2
