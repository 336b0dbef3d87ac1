"""What a kind of component says about itself, and what is done with components of any kind.

A component is tensors and a *spec*: plain data that says how to build the module that they fill. A module that was
built from a spec knows it, and so its kind: nobody else asks what a module is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.errors import InputError
from evo_mtl.files import canonical_json
from evo_mtl.genome.genome import Genome
from evo_mtl.genome.kinds import KINDS
from evo_mtl.network.kinds.fields import Field, one_of
from evo_mtl.network.moments import Sums
from evo_mtl.network.trunks import work_in

Spec = Mapping[str, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """Multiply-adds of one example.

    Attributes:
        trained: In what training may change.
        fixed: In what it never changes.
    """

    trained: int
    fixed: int = 0

    @property
    def total(self) -> int:
        """Of the whole component."""
        return self.trained + self.fixed


@dataclass(frozen=True)
class Group:
    """Parameters that are trained alike, and whose gradients are clipped together.

    Attributes:
        parameters: Which; weight decay acts on those of two or more axes.
        share: Of the learning rate.
    """

    parameters: Sequence[nn.Parameter]
    share: float = 1.0


@dataclass(frozen=True)
class Together:
    """How several components of one spec are trained at once (:mod:`evo_mtl.training.stacked`).

    Attributes:
        stack: Their modules as one that takes all members' rows, one member after another; their weights become
            views of its weights.
        pays: Whether that is faster than one by one, from the spec, the batch size and the side of the images.
    """

    stack: Callable[[Sequence[nn.Module]], nn.Module]
    pays: Callable[[Spec, int, int], bool]


@dataclass(frozen=True)
class Chosen:
    """What a closed form chose: a ridge's strength and its mean squared leave-one-out error."""

    alpha: float | None = None
    leave_one_out_error: float | None = None


@dataclass(frozen=True)
class Streaming:
    """How a head is solved from sums over a stream (:mod:`evo_mtl.network.streaming`).

    Attributes:
        solve: Weight ``(K, D)`` and bias ``(K,)`` on standardised columns, under one of its strengths.
        strengths: The strengths it may have, rising; the stream chooses. One where there is nothing to choose.
    """

    solve: Callable[[Sums, float], tuple[Tensor, Tensor]]
    strengths: tuple[float, ...] = (1.0,)


Condensed = tuple[Callable[[Tensor], Tensor], Sequence[nn.Module]]
"""What is done to features once, and modules to be trained on what comes of it."""


def _not_condensed(heads: Sequence[nn.Module]) -> Condensed | None:
    return None


def _not_standardised(head: nn.Module) -> tuple[Tensor, Tensor] | None:
    return None


def _as_inherited(module: nn.Module, spec: Spec) -> nn.Module:
    return module


@dataclass(frozen=True)
class HeadKind:
    """What a kind that ends a route says in addition. Its modules have a buffer ``temperature``.

    Attributes:
        describe: Spec of a new head from its genome, the numbers that each line's taps give, the number of classes
            and a seed.
        ready: Makes a candidate's head ready on the training images: solves it where it is new, leaves it with a
            temperature of 1 where it is to be trained. It is given the genome, a function that gives
            the taps ``(N, D)``, and the labels ``(N,)``; it returns what was chosen.
        solution: Multiply-adds that ``ready`` spends on so many images, without computing their taps.
        reads_again: Whether ``ready`` reads the taps of an inherited head too.
        inherit: A candidate's head from the module that its genome names, and the spec it is to have.
        standardised: The buffers ``(D,)`` of a head by which it standardizes what it reads, mean and scale; ``None`` where
            it does not.
        begin_solved: Gives a new head that is to be trained the values of a solved one that reads the same; ``None`` where it
            cannot begin so.
        beside: The ridge solution on what a trained head reads, weight ``(K, D)`` and bias ``(K,)`` on its features, from taps
            ``(N, D)`` and labels; ``None`` where none can be mixed in.
        condense: If several heads do the same to features before the part that is trained: that step, and the rest.
        streaming: How it is solved from sums over a stream; ``None`` for a kind that gradient descent trains.
    """

    describe: Callable[[Genome, Sequence[int], int, int], dict[str, Any]]
    ready: Callable[[nn.Module, Genome, Callable[[], Tensor], np.ndarray], Chosen]
    solution: Callable[[Spec, Genome, int], float]
    reads_again: bool = False
    inherit: Callable[[nn.Module, Spec], nn.Module] = _as_inherited
    condense: Callable[[Sequence[nn.Module]], Condensed | None] = _not_condensed
    standardised: Callable[[nn.Module], tuple[Tensor, Tensor] | None] = _not_standardised
    begin_solved: Callable[[nn.Module, nn.Module], None] | None = None
    beside: Callable[[nn.Module, Tensor, np.ndarray], tuple[Tensor, Tensor]] | None = None
    streaming: Streaming | None = None


def _nothing(module: nn.Module) -> None:
    pass


def unlimited(spec: Spec) -> str | None:
    """Nothing is wrong with it."""
    return None


def _alike(module: nn.Module) -> tuple[Group, ...]:
    return (Group(list(module.parameters())),)


def _as_it_is(module: nn.Module) -> nn.Module:
    return module


def counted(spec: Spec, shape: Shape) -> Work:
    """Multiply-adds as counted in a module without storage, on one example ``(1, ...)``."""
    return Work(work_in([outline(spec)], torch.zeros(shape, device="meta"))[0].multiply_adds)


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of component.

    Attributes:
        fields: Every key of its spec but ``kind``, and what may stand there.
        make: A module of a spec's shape. It is called where the default device is ``"meta"``, so that nothing is
            drawn and no memory is asked for.
        begin: Gives every parameter and stored buffer of a new module its first value, such that a route with it
            answers like one without it.
        limit: What is wrong with a spec whose fields are right one by one, in words.
        complete: Computes what a module needs and its component does not store.
        filled: A module of a spec's shape with storage, where it is not the one of ``make``.
        work: Multiply-adds from a spec and the shape ``(1, ...)`` of one example.
        groups: What of a module training may change.
        frozen: The form in which a module is run where nothing in it is trained, in eval mode; the module is left as it was.
        together: How several are trained at once; ``None`` where they never are.
        head: For a kind that ends a route.
    """

    fields: Mapping[str, Field]
    make: Callable[[Spec], nn.Module]
    begin: Callable[[nn.Module, torch.Generator], None]
    limit: Callable[[Spec], str | None] = unlimited
    complete: Callable[[nn.Module], None] = _nothing
    filled: Callable[[Spec], nn.Module] | None = None
    work: Callable[[Spec, Shape], Work] = counted
    groups: Callable[[nn.Module], tuple[Group, ...]] = _alike
    frozen: Callable[[nn.Module], nn.Module] = _as_it_is
    together: Together | None = None
    head: HeadKind | None = field(default=None)


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        InputError: There is none; the message suggests a near one.
    """
    return cast(Kind, import_module(KINDS.get(name).home).KIND)


def head_kind(name: str) -> HeadKind:
    """What the kind of a head says of itself as a head."""
    head = kind_named(name).head
    if head is None:
        raise InputError(f"{name!r} is not a kind of head")
    return head


def spec_of(module: nn.Module) -> dict[str, Any]:
    """The spec that a module was built from."""
    return dict(cast(Spec, module.component_spec))


def kind_of(module: nn.Module) -> Kind:
    """The kind of a module that was built from a spec."""
    return kind_named(cast(Spec, module.component_spec)["kind"])


def described(module: nn.Module, spec: Spec) -> nn.Module:
    """The module, which from now on carries this spec."""
    module.component_spec = {key: value for key, value in spec.items() if key != "dtype"}  # type: ignore[assignment]
    return module


def wrong_spec(spec: Spec) -> str | None:
    """What is wrong with a spec, in words; ``None`` for one from which something can be built."""
    name = spec.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        return f"unknown kind of component {name!r:.60}; known: {', '.join(KINDS)}"
    kind = kind_named(name)
    known = {**kind.fields, **({"dtype": one_of("bfloat16")} if "dtype" in spec else {})}
    for key in spec:
        if key != "kind" and key not in known:
            return f"a {name} has no {key!r:.60}; it has {', '.join(kind.fields)}"
    for key, wrong in known.items():
        if key not in spec:
            return f"{key} of a {name}: missing"
        if (found := wrong(spec[key])) is not None:
            return f"{key} of a {name}: {found}"
    return kind.limit(spec)


def check(spec: Spec, shapes: Mapping[str, Sequence[int]]) -> None:
    """Compares a component's spec with what its kind allows, and the shapes of its tensors with what the spec implies.

    It asks for no memory that depends on either.

    Args:
        spec: As read.
        shapes: By name of a tensor.

    Raises:
        ValueError: What is wrong, in words.
    """
    if (wrong := wrong_spec(spec)) is not None:
        raise ValueError(wrong)
    try:
        expected = {name: tuple(tensor.shape) for name, tensor in outline(spec).state_dict().items()}
    except InputError as error:
        raise ValueError(str(error)) from None
    for name in sorted({*expected, *shapes}):
        ours, found = expected.get(name), shapes.get(name)
        if ours is None or found is None or ours != tuple(found):
            said = "none" if ours is None else f"{list(ours)}"
            met = "none" if found is None else f"{list(found)}"
            raise ValueError(f"tensor {name!r:.100}: its spec implies {said}, it is {met}")


def outline(spec: Spec) -> nn.Module:
    """A module of a spec's shape without storage; shared, to be left as it is."""
    return _outline(kind_named(spec["kind"]), _text(spec))


def _text(spec: Spec) -> bytes:
    """A spec without its precision, to be looked up by."""
    return canonical_json({key: value for key, value in spec.items() if key != "dtype"})


@lru_cache(maxsize=1024)
def _outline(kind: Kind, text: bytes) -> nn.Module:
    return _made(kind, json.loads(text))


def _made(kind: Kind, spec: Spec) -> nn.Module:
    with torch.device("meta"):
        return described(kind.make(spec), spec)


def build(spec: Spec) -> nn.Module:
    """A module of a checked spec; its weights are unspecified. torch's generator is neither read nor advanced."""
    kind = kind_named(spec["kind"])
    if kind.filled is not None:
        return described(kind.filled(spec), spec)
    module = _made(kind, spec).to_empty(device="cpu")
    kind.complete(module)
    return module


def new(spec: Spec, generator: torch.Generator) -> nn.Module:
    """A new component's module, which changes nothing in what a route answers.

    Args:
        spec: Checked, or made here.
        generator: The only source of its random numbers.
    """
    module = build(spec)
    with torch.no_grad():
        kind_named(spec["kind"]).begin(module, generator)
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def num_parameters(module: nn.Module) -> int:
    """Learnable numbers of a module; buffers are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


def parameters_of(spec: Spec) -> int:
    """Learnable numbers of a component."""
    return num_parameters(outline(spec))


def work_of(spec: Spec, shape: Shape) -> Work:
    """Multiply-adds of a component for one example of some shape ``(1, ...)``."""
    return _work(kind_named(spec["kind"]), _text(spec), shape)


@lru_cache(maxsize=4096)
def _work(kind: Kind, text: bytes, shape: Shape) -> Work:
    return kind.work(json.loads(text), shape)


def open_for_training(module: nn.Module) -> list[Group]:
    """What training may change in a module; gradients are enabled there and nowhere else."""
    groups = [group for group in kind_of(module).groups(module) if group.parameters]
    module.requires_grad_(False)
    for group in groups:
        for parameter in group.parameters:
            parameter.requires_grad_(True)
    return groups
