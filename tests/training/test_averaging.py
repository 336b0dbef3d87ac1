"""Averages of weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch.testing import assert_close

from evo_mtl.network.assembly import assemble
from evo_mtl.network.kinds.kind import new
from evo_mtl.network.specs import in_features
from evo_mtl.training.averaging import Average
from evo_mtl.training.open_part import OpenPart
from tests.training.worlds import Workshop


def open_part(workshop: Workshop, folder: Path) -> OpenPart:
    genome, bench = workshop.genome(3, 3), workshop.bench(folder)
    spec = {"kind": "linear", "in_features": in_features(genome, bench.layout), "num_classes": 3}
    head = new(spec, torch.Generator())
    return OpenPart(assemble(genome, bench.layout), {"head": head}, bench.shared)


def test_an_average_forgets_faster_while_it_is_young(workshop: Workshop, tmp_path: Path) -> None:
    part = open_part(workshop, tmp_path)
    average, wanted = Average(part, 0.5), 0.0
    weight, temperature = part.own["head"].linear.weight, part.own["head"].get_buffer("temperature")
    for steps in range(1, 20):
        with torch.no_grad():
            weight.fill_(steps)
            temperature.fill_(steps)
        average.follow(steps)
        kept = min(0.5, (1 + steps) / (10 + steps))
        wanted = kept * wanted + (1 - kept) * steps
        answering = average.part.own["head"]
        assert_close(answering.linear.weight, torch.full_like(weight, wanted))
        assert float(answering.get_buffer("temperature")) == steps
    assert not answering.linear.weight.requires_grad
    assert average.part == replace(part, own=average.part.own)


def test_without_decay_what_is_trained_answers(workshop: Workshop, tmp_path: Path) -> None:
    part = open_part(workshop, tmp_path)
    average = Average(part, 0.0)
    average.follow(1)
    assert average.part is part
