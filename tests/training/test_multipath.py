"""Candidates of several paths, tried: what is trained, what is left alone, what it costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evo_mtl.evolution.outcome import Outcome
from evo_mtl.genome.genome import Genome, PathGene, TapGene, path_of, settle
from evo_mtl.genome.paths import with_paths
from evo_mtl.network.assembly import assemble
from evo_mtl.network.components import load_module
from evo_mtl.network.cost import adapter_parameters, line_multiply_adds, stage_parameters
from evo_mtl.network.kinds.kind import num_parameters
from evo_mtl.network.kinds.multipath import MultipathHead
from evo_mtl.network.route import INPUT, close
from evo_mtl.testing.genomes import bottleneck
from evo_mtl.testing.worlds import shared_routes
from evo_mtl.training.descent import Descent
from evo_mtl.training.groups import stackable
from evo_mtl.training.pricing import Pricing
from evo_mtl.training.trial import try_candidate
from tests.training.worlds import Workshop, candidate


def attempt(workshop: Workshop, genome: Genome, cache: Path, cache_bytes: int = 2**30) -> Outcome:
    return try_candidate(candidate(genome), workshop.bench(cache, cache_bytes))


def finished(workshop: Workshop, cache: Path, genome: Genome) -> Genome:
    outcome = attempt(workshop, genome, cache)
    assert outcome.status.ok
    return settle(genome, outcome.trained)


def main(workshop: Workshop, cache: Path, head: str = "linear") -> Genome:
    """A finished candidate that has moved away from where it began."""
    open_from = 3 if head == "linear" else 4
    return finished(workshop, cache, workshop.genome(4, open_from, head, projection_width=20))


def other(workshop: Workshop, cache: Path) -> PathGene:
    """A line with an own stage, an adapter and two taps, one of them what the main line reads too."""
    genome = replace(workshop.genome(5, 4), adapters=(bottleneck(4, 4),), taps=(TapGene(2, 2), TapGene(4)))
    path = path_of(finished(workshop, cache, genome))
    assert path is not None
    return path


def joined(workshop: Workshop, cache: Path, head: str = "linear", most: int = 2, **values: object) -> Genome:
    third = PathGene(workshop.facts.components[:6], (), (TapGene(5),))
    found = with_paths(main(workshop, cache, head), [other(workshop, cache), third], most)
    assert found is not None
    return found.with_values({"learning_rate": 0.1, **values})


def head_of(workshop: Workshop, component: str) -> MultipathHead:
    head = load_module(workshop.store.read, component)
    assert isinstance(head, MultipathHead)
    return head


def test_the_paths_share_their_nodes_and_all_taps_stand_in_one_row(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = joined(workshop, tmp_path)
    route = assemble(genome, workshop.layout)
    slots = [node.slot for node in route.nodes if node.slot]
    main_line = [f"stage:{i}" for i in range(4)]
    assert slots == [*main_line, "path 2 stage:3", "path 2 stage:4", "path 2 adapter:4", "head"]
    assert route.nodes[0].inputs == (INPUT,)
    assert route.nodes[slots.index("path 2 stage:3") + 1].inputs == (slots.index("stage:2"),)
    assert [node.open for node in route.nodes] == [False] * (len(route.nodes) - 1) + [True]
    keys = route.keys("here")
    assert len(set(keys)) == len(keys)
    pools = [route.nodes[i] for i in route.nodes[-2].inputs]
    assert [pool.grid for pool in pools] == [1, 2, 1]


@pytest.mark.parametrize("head", ["linear", "ridge", "projected_ridge", "nearest_mean"])
def test_before_training_a_route_of_several_paths_is_as_good_as_its_main_path(
    head: str, workshop: Workshop, tmp_path: Path
) -> None:
    plain = attempt(workshop, workshop.genome(4, 4, head, projection_width=20), tmp_path)
    outcome = attempt(workshop, joined(workshop, tmp_path, head), tmp_path)
    assert outcome.status.ok
    if head != "linear":
        assert outcome.curve[0] == plain.quality
    assert set(outcome.trained) == {"head"}


def test_only_router_and_connectors_change_in_training(workshop: Workshop, tmp_path: Path) -> None:
    genome = joined(workshop, tmp_path)
    files = {name: workshop.store.path(name).read_bytes() for name in workshop.store.digests()}
    bench = workshop.bench(tmp_path)
    outcome = try_candidate(candidate(genome), bench)
    assert outcome.notes.best > 0
    assert set(outcome.trained) == {"head"}
    assert {name: workshop.store.path(name).read_bytes() for name in files} == files
    new = head_of(workshop, outcome.trained["head"])
    before = load_module(workshop.store.read, str(genome.head.component)).state_dict()
    after = new.main.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(p.any() for p in new.connectors.parameters())
    assert new.router.weight.any()
    for component in assemble(genome, workshop.layout).components[:-1]:
        held, kept = (
            bench.shared.modules[component].state_dict(),
            shared_routes(workshop.store, workshop.layout).modules[component].state_dict(),
        )
        assert all(torch.equal(held[name], tensor) for name, tensor in kept.items())


def test_an_inherited_multipath_head_goes_on_from_where_it_was(workshop: Workshop, tmp_path: Path) -> None:
    genome = joined(workshop, tmp_path, most=3)
    first = attempt(workshop, genome, tmp_path)
    child = settle(genome, first.trained)
    still = attempt(workshop, child.with_values({"learning_rate": 0.0}), tmp_path)
    assert still.curve == (first.quality,) * len(still.curve)
    assert still.trained == first.trained
    fewer = attempt(
        workshop, replace(child, paths=child.paths[:1]).with_values({"learning_rate": 0.0}), tmp_path
    )
    had, has = (head_of(workshop, one.trained["head"]) for one in (first, fewer))
    assert len(has.connectors) == 1
    assert torch.equal(has.connectors[0].linear.weight, had.connectors[0].linear.weight)
    assert torch.equal(has.connectors[0].mean, had.connectors[0].mean)


def test_keeping_activations_changes_no_bit_and_the_archived_route_answers_as_its_trial(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = joined(workshop, tmp_path, views=2, flip=True)
    bench = workshop.bench(tmp_path / "kept")
    kept = try_candidate(candidate(genome), bench)
    assert kept == attempt(workshop, genome, tmp_path / "never", cache_bytes=0)
    closed = close(assemble(genome, workshop.layout), kept.trained)
    labels = bench.images.task.validation.labels
    images = {32: bench.images.validation(genome)[1]}
    archived = shared_routes(workshop.store, workshop.layout).logits([closed], images)[0]
    assert np.mean(archived.numpy().argmax(1) == labels) == kept.quality
    temperature = torch.tensor(kept.notes.temperature)
    assert torch.equal(head_of(workshop, kept.trained["head"]).temperature, temperature)


class _Steps:
    """One step of plain gradient descent on a multipath head, and what it moved."""

    def __init__(
        self, workshop: Workshop, cache: Path, monkeypatch: pytest.MonkeyPatch, **values: object
    ) -> None:
        self.gradients: dict[str, torch.Tensor] = {}
        self.moved: dict[str, torch.Tensor] = {}
        genome = joined(
            workshop, cache, momentum=0.5, schedule="constant", warmup_share=0.0, optimizer="sgd", **values
        ).with_values({"epochs": 1, "batch_size": 45, "momentum": 0.5})
        real = Descent.step

        def step(steps: Descent, *arguments: object) -> torch.Tensor:
            head = steps._logits.__self__.own["head"]  # type: ignore[attr-defined]
            before = {name: p.detach().clone() for name, p in head.named_parameters()}
            loss = real(steps, *arguments)  # type: ignore[arg-type]
            for name, p in head.named_parameters():
                if p.grad is not None:
                    self.gradients[name] = p.grad.clone()
                    self.moved[name] = p.detach() - before[name]
            return loss

        monkeypatch.setattr(Descent, "step", step)
        assert attempt(workshop, genome, cache).status.ok


def test_the_router_learns_at_a_twentieth_of_the_learning_rate(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = _Steps(workshop, tmp_path, monkeypatch, learning_rate=0.1, clip_norm=0.0)
    assert set(steps.moved) == {
        "connectors.0.linear.weight",
        "connectors.0.linear.bias",
        "router.weight",
        "router.bias",
    }
    for name, change in steps.moved.items():
        rate = 0.1 * (0.05 if name.startswith("router") else 1.0)
        torch.testing.assert_close(change, -rate * steps.gradients[name], rtol=1e-4, atol=1e-7)


def test_router_and_connectors_are_clipped_apart(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients are left as they were after clipping: each part then has the norm it is clipped to."""
    steps = _Steps(workshop, tmp_path, monkeypatch, clip_norm=0.001)
    for part in ("connectors", "router"):
        norms = [float(g.norm()) for name, g in steps.gradients.items() if name.startswith(part)]
        assert np.linalg.norm(norms) == pytest.approx(0.001, rel=0.01)


def test_routes_of_several_paths_are_never_trained_together(workshop: Workshop, tmp_path: Path) -> None:
    genome = joined(workshop, tmp_path)
    listed = [candidate(genome, 0), candidate(genome, 1), candidate(workshop.genome(4, 4), 2)]
    assert stackable(listed, workshop.layout, 3) == ((0,), (1,), (2,))


def pricing(workshop: Workshop, **users: int) -> Pricing:
    known = dict.fromkeys(workshop.facts.components, 1) | users
    return Pricing(workshop.layout, 45, 15, 3, known, image_size=32, validations=2)


def test_a_route_of_two_paths_is_charged_each_node_and_each_component_once(
    workshop: Workshop, tmp_path: Path
) -> None:
    genome = joined(workshop, tmp_path, epochs=3, views=2)
    [path] = genome.paths
    foreign = {str(path.stages[4]): 1, str(path.adapters[0].component): 1}
    cost = pricing(workshop, **foreign).cost(genome)

    layout, count = workshop.layout, stage_parameters(workshop.layout.name, workshop.layout.cut)
    c = layout.channels
    adapter = adapter_parameters(layout, bottleneck(4, 4))
    width = c[2] * 4 + c[4]
    connector, router = width * 3 + 3, 3 * 2 + 2
    head = c[3] * 3 + 3 + connector + router
    # Main: trunk 0 to 2, own 3. The other: trunk 0 to 3, its own 4 and adapter.
    assert cost.active_parameters == sum(count[:5]) + count[3] + adapter + head
    assert cost.added_parameters == count[3] + head
    shared = sum(count[:4]) + count[4] + adapter
    assert cost.accounted_parameters == pytest.approx(shared / 2 + count[3] + head)

    work = line_multiply_adds(layout, 5, (bottleneck(4, 4),), 32)
    frozen = sum(work) + work[3]
    finished_head, trained = c[3] * 3, width * 3 + 2 * (3 * 2)
    assert cost.inference == frozen + finished_head + trained
    forward = 45 + 15 * 3
    assert cost.images == 45 * 3 + forward
    assert cost.multiply_adds == (
        frozen * (45 * 2 + 15) + finished_head * (45 * 3 + forward) + trained * (3 * 45 * 3 + forward)
    )


@pytest.mark.parametrize("head", ["linear", "projected_ridge"])
def test_what_is_written_for_several_paths_has_as_many_parameters_as_the_price_adds(
    head: str, workshop: Workshop, tmp_path: Path
) -> None:
    genome = joined(workshop, tmp_path, head, most=3)
    outcome = attempt(workshop, genome, tmp_path)
    route = assemble(genome, workshop.layout)
    others = dict.fromkeys(set(route.components[:-1]), 1)
    written = num_parameters(head_of(workshop, outcome.trained["head"]))
    assert pricing(workshop, **others).cost(genome).added_parameters == written
