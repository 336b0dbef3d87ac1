"""What a kind of input must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from evo_mtl.errors import DataError
from evo_mtl.files import canonical_json
from evo_mtl.network.inputs import INPUTS, AnyInput, Input
from evo_mtl.network.pooling import main_tensor
from evo_mtl.plain import plain, restore


@dataclass(frozen=True)
class Case:
    """An input to be checked.

    Args:
        source: The input, its size settled.
        other: One of the same kind that computes something else.
        given: What a caller may hand over: three examples or more.
        wrong: Things that are no examples of it.
    """

    source: Input
    other: Input
    given: Any
    wrong: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Foot:
    """A record that holds an input."""

    input: AnyInput


def check_it_is_registered_and_read_back(case: Case) -> None:
    """Its JSON names its kind and gives an equal input, which can stand in a table."""
    held = Foot(case.source)
    data = plain(held)["input"]
    assert data["kind"] == case.source.kind in INPUTS
    back = restore(Foot, {"input": data}).input
    assert back == case.source
    assert hash(back) == hash(case.source)
    assert canonical_json(plain(Foot(back))["input"]) == canonical_json(data)


def check_its_key_names_what_it_computes(case: Case) -> None:
    """Equal inputs have equal keys, others have others."""
    assert restore(Foot, plain(Foot(case.source))).input.key == case.source.key
    assert case.source != case.other
    assert case.source.key != case.other.key


def check_rows_have_its_shape_and_type(case: Case) -> None:
    """An example becomes a row of the shape and type that it names, and is left as it was."""
    examples = list(case.source.examples(case.given))
    assert len(examples) >= 3
    for example in examples:
        before = example.copy()
        row = case.source.row(example)
        assert row.shape == case.source.shape
        assert row.dtype == case.source.dtype
        assert np.array_equal(example, before, equal_nan=True)


def check_rows_do_not_mix_in_the_first_activation(case: Case) -> None:
    """The first activation of a row does not depend on the rows beside it, and is finite."""
    batch = torch.from_numpy(np.stack([case.source.row(one) for one in case.source.examples(case.given)]))
    before = batch.clone()
    whole = main_tensor(case.source.first(batch))
    assert torch.equal(batch, before)
    assert whole.isfinite().all()
    assert whole.is_floating_point()
    for i in range(len(batch)):
        assert torch.equal(main_tensor(case.source.first(batch[i : i + 1])), whole[i : i + 1])


def check_probes_are_a_batch_and_the_same_each_time(case: Case) -> None:
    """Probes have the shape and type of a batch, and differ from one another."""
    probes = case.source.probes(4)
    assert probes.shape == (4, *case.source.shape)
    assert probes.dtype == case.source.dtype
    assert np.array_equal(probes, case.source.probes(4))
    assert not np.array_equal(probes[0], probes[1])
    assert main_tensor(case.source.first(torch.from_numpy(probes))).isfinite().all()


def check_its_module_gives_activations_of_the_same_shape(case: Case) -> None:
    """A plain module's first activation looks like the one in a route."""
    module = case.source.module()
    batch = torch.from_numpy(case.source.probes(2))
    first = main_tensor(case.source.first(batch))
    floats = batch.permute(0, 3, 1, 2).float() / 255 if batch.ndim == 4 else batch.float()
    torch.testing.assert_close(main_tensor(module(floats)), first)


def check_what_is_no_example_is_refused(case: Case) -> None:
    """In one line, as wrong input."""
    for wrong in case.wrong:
        said = None
        try:
            list(case.source.examples(wrong))
        except DataError as error:
            said = str(error)
        assert said is not None, f"took {wrong!r}"
        assert "\n" not in said


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_it_is_registered_and_read_back,
    check_its_key_names_what_it_computes,
    check_rows_have_its_shape_and_type,
    check_rows_do_not_mix_in_the_first_activation,
    check_probes_are_a_batch_and_the_same_each_time,
    check_its_module_gives_activations_of_the_same_shape,
    check_what_is_no_example_is_refused,
)
