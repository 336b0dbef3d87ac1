"""A whole search whose answers are averaged over views: what is archived, answered, shown, and passed over again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from evo_mtl.answering.evaluation import evaluate
from evo_mtl.answering.model import load
from evo_mtl.cli.show import details_text
from evo_mtl.genome.answer_views import SETS, WHOLE
from evo_mtl.run.events import Found, Generation
from evo_mtl.telling.summary import summarize, task_details
from evo_mtl.testing.worlds import coloured
from evo_mtl.training import answer_views
from tests.worlds import config, events, search

VIEWS = ("hyperparameters.answer_views={values: [1, 4], default: 4}",)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whatever validation images say, all views that a gene allows are taken."""
    monkeypatch.setattr(answer_views, "log_likelihood", _rising())
    search(tmp_path / "run", config(tmp_path, "one", "three", overrides=VIEWS))
    return tmp_path / "run"


def _rising() -> Callable[..., int]:
    calls: list[int] = []
    return lambda *_: calls.append(0) or len(calls)


def test_what_was_chosen_is_archived_priced_and_answers(run: Path) -> None:
    found = evaluate(run, split="validation")
    model = load(run)
    for row, event in zip(found["tasks"], events(run, Found), strict=True):
        way, told = event.answer.way, event.answer.told
        most = way.genome["answer_views"] == 4
        assert way.route.views == (SETS[-1] if most else WHOLE)
        assert row["accuracy"] == row["validation_quality"] == told.quality
        assert row["logits_unchanged"]
        assert len(set(row["route"])) == len(row["route"])
        images = coloured(8, 3, seed=1, size=32)[0]
        with torch.no_grad():
            plain = model.as_module(row["name"])(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
        expected = model.logits(list(images), [row["name"]])[0]
        torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-4)
    assert found["forgetting"] == 0
    tried = [one for event in events(run, Generation) for one in event.evaluations]
    assert {len(one.notes.views) for one in tried} == {one.candidate.genome["answer_views"] for one in tried}


def test_it_is_shown(run: Path) -> None:
    rows = summarize(run)["tasks"]
    views = {row["name"]: row["answer_views"] for row in rows}
    assert list(SETS[-1]) in views.values()
    name = next(name for name, one in views.items() if len(one) == 4)
    details = task_details(run, name)
    assert [node["view"] for node in details["nodes"] if node["operation"] == "view"] == list(SETS[-1][1:])
    assert details["nodes"][-1]["operation"] == "mean"
    text = details_text(details)
    assert "averaged: whole, mirrored, zoomed, zoomed_mirrored" in text
    assert text.count(" head ") == 1


def test_a_later_pass_begins_with_the_route_and_its_views(run: Path, tmp_path: Path) -> None:
    before = events(run, Found)
    made = config(tmp_path, "one", "three", overrides=VIEWS).model_copy(update={"passes": 2})
    search(run, made)
    own = [
        event.evaluations[0] for event in events(run, Generation) if event.pass_ == 2 and event.number == 0
    ]
    for evaluation, event in zip(own, before, strict=True):
        assert evaluation.notes.views == event.answer.way.route.views
        assert evaluation.cost.inference == event.answer.told.cost.inference
    assert evaluate(run)["forgetting"] == 0
