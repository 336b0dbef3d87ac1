"""What stands at the foot of a route, by kind: a file each.

    pixels    images: a square of some size, its colours normalised
    vector    rows of numbers, as they are

An input says what a batch of it looks like, how an example becomes a row of one, and how a batch becomes the
first activation. To add one: write a class with the faces of :class:`~evo_mtl.network.inputs.kind.Input` in a
file here and enter it below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from evo_mtl.network.inputs.kind import Input
from evo_mtl.network.inputs.pixels import Pixels
from evo_mtl.network.inputs.vector import Vector
from evo_mtl.plain import plain, restore
from evo_mtl.registry import Registry
from evo_mtl.streams.raw import Form

INPUTS: Registry[type[Input]] = Registry("kind of input")
INPUTS.add("pixels", Pixels)
INPUTS.add("vector", Vector)


def plain_input(form: Form) -> Input:
    """The input that hands on batches of examples of some form, their values not normalised.

    Raises:
        InputError: No such kind of input.
    """
    return INPUTS.get(form.kind).plain(form)


def _read(data: object) -> Input:
    if not isinstance(data, Mapping) or str(data.get("kind")) not in INPUTS:
        raise ValueError(f"expected an input of a kind among {', '.join(INPUTS)}")
    fields = {name: value for name, value in data.items() if name != "kind"}
    return restore(INPUTS.get(str(data["kind"])), fields)


AnyInput = Annotated[
    Input,
    PlainValidator(_read),
    PlainSerializer(lambda input: {"kind": input.kind, **plain(input)}),
]
"""An input of any kind, as a part of a record: its fields, and its kind besides."""

__all__ = ["INPUTS", "AnyInput", "Input", "Pixels", "Vector", "plain_input"]
