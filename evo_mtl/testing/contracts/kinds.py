"""What every kind of component keeps to: :func:`examples` of a registered kind, and the checks to hold them against.

@pytest.mark.parametrize("check", contracts.kinds.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("example", contracts.kinds.examples("my_kind"), ids=str)
def test_my_kind_keeps_the_contract(check, example):
    check(example)
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from evo_mtl.archive.store import ComponentStore
from evo_mtl.genome.genome import Genome, HeadGene
from evo_mtl.genome.kinds import KINDS, KindFacts
from evo_mtl.genome.sampling import seed_genome
from evo_mtl.network.components import frozen_module, load_module
from evo_mtl.network.kinds.kind import (
    Kind,
    Spec,
    build,
    head_kind,
    kind_named,
    new,
    num_parameters,
    open_for_training,
    outline,
    parameters_of,
    spec_of,
    work_of,
    wrong_spec,
)
from evo_mtl.network.pooling import Activation, main_tensor
from evo_mtl.network.streaming import MomentsPool
from evo_mtl.testing.genomes import a_space, trunk_facts

ROWS, CHANNELS, FEATURES, CLASSES = 6, 8, 24, 4
FORMS = {"conv": (ROWS, CHANNELS, 5, 5), "token": (ROWS, 9, CHANNELS), "vector": (ROWS, CHANNELS)}
"""How activations may be laid out, and a batch of each."""


@dataclass(frozen=True)
class Example:
    """A component of some kind and what it reads.

    Attributes:
        spec: Its spec.
        shape: Of what it reads, ``(B, ...)``.
    """

    spec: Spec
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.spec['kind']}-{self.spec.get('form', len(self.shape))}"

    @property
    def kind(self) -> Kind:
        """What its kind says of itself."""
        return kind_named(self.spec["kind"])

    @property
    def facts(self) -> KindFacts:
        """What genes know of its kind."""
        return KINDS.get(self.spec["kind"])

    def batch(self, seed: int = 0) -> Tensor:
        """Rows that it may read."""
        return torch.randn(self.shape, generator=drawn(seed))

    def used(self, seed: int = 0) -> nn.Module:
        """A module as after some training: nothing in it is zero or one any more; in eval mode."""
        module = new(self.spec, drawn(seed))
        with torch.no_grad():
            for name, tensor in module.state_dict().items():
                if tensor.is_floating_point():
                    fresh = torch.rand(tensor.shape, generator=drawn(seed + len(name))) + 0.5
                    tensor.copy_(
                        fresh if name.endswith(self.facts.buffers) and self.facts.buffers else fresh - 1.0
                    )
        return module.eval()


def examples(kind: str) -> list[Example]:
    """Examples of a registered kind of adapter or head."""
    facts = KINDS.get(kind)
    settings = {name: one.usual for name, one in facts.settings.items()}
    if facts.role == "adapter":
        place = {"kind": kind, "channels": CHANNELS, **settings}
        form = kind_named(kind).fields["form"]
        return [
            Example({**place, "form": name}, shape) for name, shape in FORMS.items() if form(name) is None
        ]
    widths = (FEATURES,) if facts.listed else (FEATURES, 10)
    spec = head_kind(kind).describe(a_genome_with(kind), widths, CLASSES, 5)
    return [Example(spec, (ROWS, sum(widths)))]


def a_genome_with(head: str) -> Genome:
    """A genome whose head is of some kind and new, or made of a linear one."""
    space, facts = a_space(), trunk_facts()
    gene = HeadGene(head) if KINDS.get(head).listed else HeadGene(head, "0" * 64, "linear")
    return replace(seed_genome(space.seeds[0], space, facts), head=gene)


def drawn(seed: int) -> torch.Generator:
    """A generator."""
    return torch.Generator().manual_seed(seed)


def run(module: nn.Module, batch: Activation) -> Tensor:
    """What a module gives for a batch of its own."""
    return main_tensor(module(batch.clone() if isinstance(batch, Tensor) else batch))


def a_spec_is_plain_data_with_exactly_the_keys_of_its_kind(example: Example) -> None:
    """Written, read, cut short, made longer."""
    spec = example.spec
    assert wrong_spec(json.loads(json.dumps(spec))) is None
    assert wrong_spec({**spec, "another": 1}) is not None
    for key in spec:
        assert wrong_spec({name: value for name, value in spec.items() if name != key}) is not None, key
    assert set(example.facts.settings) <= set(example.kind.fields)


def a_spec_is_refused_where_a_value_is_none_that_it_may_have(example: Example) -> None:
    """Of every key; no number is without a bound."""
    for key, value in example.spec.items():
        wrong: Sequence[object] = (
            (None, [], {}, -1, 2**80, float("nan")) if type(value) is int else (None, [], 3)
        )
        for other in wrong:
            assert wrong_spec({**example.spec, key: other}) is not None, (key, other)


def an_outline_has_no_storage_and_the_shapes_of_what_is_built(example: Example) -> None:
    """Nothing is asked for before the shapes are known."""
    shape = outline(example.spec).state_dict()
    assert all(tensor.is_meta for tensor in shape.values())
    made = build(example.spec).state_dict()
    assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in shape.items()}


def its_parameters_are_counted_from_its_spec_and_from_its_tensors_names(example: Example) -> None:
    """As pricing and ``show`` count them."""
    module = build(example.spec)
    assert parameters_of(example.spec) == num_parameters(module)
    buffers = example.facts.buffers
    named = (t.numel() for n, t in module.state_dict().items() if n.rpartition(".")[2] not in buffers)
    assert sum(named) == num_parameters(module)


def its_work_is_what_a_forward_pass_does(example: Example) -> None:
    """Multiply-adds of one example, within a tenth: small sums may be counted or not."""
    module, one = new(example.spec, drawn(0)).eval(), example.batch()[:1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(one)
    counted, said = counter.get_total_flops() / 2, work_of(example.spec, tuple(one.shape)).total
    assert abs(said - counted) <= 0.1 * max(counted, 1), f"says {said}, does {counted}"


def it_changes_nothing_when_it_is_new(example: Example) -> None:
    """An adapter is the identity bit for bit; a head answers evenly; a stage is never new."""
    if example.facts.role == "stage":
        return
    batch = example.batch()
    given = run(new(example.spec, drawn(1)).eval(), batch).detach()
    if example.facts.role == "adapter":
        assert torch.equal(given, batch)
    else:
        assert torch.equal(given, given[:, :1].expand_as(given))


def it_begins_from_its_generator_alone(example: Example) -> None:
    """The same seed, the same bits; torch's own generator is neither read nor moved."""
    if example.facts.role == "stage":
        return
    before = torch.random.get_rng_state()
    first, second = (new(example.spec, drawn(7)).state_dict() for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)


def training_changes_what_it_says_and_nothing_else(example: Example) -> None:
    """One step of gradient descent."""
    module = example.used()
    groups = open_for_training(module)
    before = copy.deepcopy(module.state_dict())
    trained = {id(p) for group in groups for p in group.parameters}
    assert all(0 < group.share <= 1 for group in groups)
    names = {name for name, p in module.named_parameters() if id(p) in trained}
    assert names == {name for name, p in module.named_parameters() if p.requires_grad}
    output = run(module, example.batch())
    (output * torch.randn(output.shape, generator=drawn(3))).sum().backward()
    torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1).step()
    moved = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == names


def frozen_it_gives_the_same_and_the_module_is_left_as_it_was(example: Example) -> None:
    """Up to rounding."""
    module, batch = example.used(), example.batch()
    before = copy.deepcopy(module.state_dict())
    with torch.no_grad():
        assert_close(run(example.kind.frozen(module), batch), run(module, batch), rtol=1e-3, atol=1e-3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def it_comes_back_from_a_store(example: Example) -> None:
    """With equal bits, its spec, and in bfloat16 if that is asked for."""
    module, batch = example.used(), example.batch()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        store = ComponentStore(Path(folder))
        name = store.write(module.state_dict(), spec_of(module))
        again = load_module(store.read, name)
        assert spec_of(again) == spec_of(module)
        assert not again.training
        assert torch.equal(run(again, batch), run(module.to(memory_format=torch.channels_last), batch))  # type: ignore[call-overload]
        half = frozen_module(store.read, name, "bfloat16")
        assert {p.dtype for p in half.parameters()} <= {torch.bfloat16}


def it_does_not_mix_rows(example: Example) -> None:
    """In eval mode the answer for an example is its own."""
    module, batch = example.used(), example.batch()
    with torch.no_grad():
        assert_close(run(module, batch)[:2], run(module, batch[:2]), rtol=1e-4, atol=1e-4)


def stacked_it_trains_as_alone(example: Example) -> None:
    """Outputs and a step's gradients of three members, up to rounding; members see what was trained."""
    way = example.kind.together
    if way is None:
        return
    members = [example.used(seed) for seed in range(3)]
    alone = copy.deepcopy(members)
    groups = [group for one in members for group in open_for_training(one)]
    assert all(group.share == 1 for group in groups), "what is stacked is trained at the whole learning rate"
    for one in alone:
        open_for_training(one)
    _let_temperatures_be_one(members, alone)
    batches = [example.batch(seed) for seed in range(3)]
    stack = way.stack(members)
    given = run(stack, torch.cat(batches))
    expected = torch.cat([run(one, batch) for one, batch in zip(alone, batches, strict=True)])
    assert_close(given, expected, rtol=1e-4, atol=1e-4)
    weights = torch.randn(given.shape, generator=drawn(4))
    for output, modules in ((given, [stack]), (expected, alone)):
        (output * weights).sum().backward()
        with torch.no_grad():
            for p in (p for module in modules for p in module.parameters()):
                assert p.grad is not None
                p.sub_(0.01 * p.grad)
    for one, other in zip(members, alone, strict=True):
        for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
            assert_close(p, q, rtol=1e-3, atol=1e-3, msg=f"{name} of a member is not what it is alone")


def _let_temperatures_be_one(*modules: Sequence[nn.Module]) -> None:
    """As they are while heads are trained."""
    for module in (one for several in modules for one in several):
        if "temperature" in dict(module.named_buffers()):
            module.get_buffer("temperature").fill_(1.0)


def a_head_is_described_and_made_ready_on_the_training_examples(example: Example) -> None:
    """Of three clouds: a solved head tells them apart, a trained one is standardised by them."""
    if example.facts.role != "head":
        return
    head, widths = head_kind(example.spec["kind"]), (FEATURES, 10)[: 1 if example.facts.listed else 2]
    genome = a_genome_with(example.spec["kind"])
    rng = np.random.default_rng(0)
    labels = np.arange(60) % CLASSES
    clouds = rng.normal(size=(CLASSES, sum(widths)))[labels] * 3 + rng.normal(size=(60, sum(widths)))
    taps = torch.from_numpy(clouds.astype(np.float32))
    module = new(head.describe(genome, widths, CLASSES, 5), drawn(0)).eval()
    head.ready(module, genome, lambda: taps, labels)
    assert float(module.get_buffer("temperature")) == 1.0
    if not example.facts.trained:
        assert float((run(module, taps).argmax(1).numpy() == labels).mean()) > 0.9
    assert head.solution(example.spec, genome, 60) >= 0


def a_head_streamed_is_the_head_solved_on_all_rows(example: Example) -> None:
    """Seen in any order after the first batch: scores agree, up to rounding and a ridge's strength."""
    if example.facts.role != "head" or (streaming := head_kind(example.spec["kind"]).streaming) is None:
        return
    genome = a_genome_with(example.spec["kind"])
    rng = np.random.default_rng(0)
    labels = np.arange(240) % CLASSES
    clouds = rng.normal(size=(CLASSES, FEATURES))[labels] * 3 + rng.normal(size=(240, FEATURES)) + 7
    taps, y = torch.from_numpy(clouds.astype(np.float32)), torch.from_numpy(labels)
    solved = new(example.spec, drawn(0)).eval()
    head_kind(example.spec["kind"]).ready(solved, genome, lambda: taps, labels)
    first, rest = torch.arange(240).split((48, 192))
    answers = []
    for order in (rest, rest[torch.randperm(len(rest), generator=drawn(1))]):
        streamed = new(example.spec, drawn(0)).eval()
        pool = MomentsPool(CLASSES, least=16)
        solution = pool.join(streamed, genome, ["taps"], [FEATURES])
        for rows in (first, *order.split(48)):
            pool.add({"taps": taps[rows]}, y[rows])
        assert solution.refresh()
        answers.append(run(streamed, taps))
    assert_close(answers[0], answers[1], rtol=1e-3, atol=1e-3)
    assert torch.equal(answers[0].argmax(1), run(solved, taps).argmax(1))
    if len(streaming.strengths) == 1:
        assert_close(answers[0], run(solved, taps), rtol=1e-3, atol=1e-3)


CHECKS: tuple[Any, ...] = (
    a_spec_is_plain_data_with_exactly_the_keys_of_its_kind,
    a_spec_is_refused_where_a_value_is_none_that_it_may_have,
    an_outline_has_no_storage_and_the_shapes_of_what_is_built,
    its_parameters_are_counted_from_its_spec_and_from_its_tensors_names,
    its_work_is_what_a_forward_pass_does,
    it_changes_nothing_when_it_is_new,
    it_begins_from_its_generator_alone,
    training_changes_what_it_says_and_nothing_else,
    frozen_it_gives_the_same_and_the_module_is_left_as_it_was,
    it_comes_back_from_a_store,
    it_does_not_mix_rows,
    stacked_it_trains_as_alone,
    a_head_is_described_and_made_ready_on_the_training_examples,
    a_head_streamed_is_the_head_solved_on_all_rows,
)
