"""What stands at the foot of a route, by kind: a file each.

    pixels    images: a square of some size, its colours normalised
    vector    rows of numbers, as they are

An input says what a batch of it looks like, how an example becomes a row of one, and how a batch becomes the
first activation. To add one: write a class with the faces of :class:`~evo_mtl.network.inputs.kind.Input` in a
file here and enter it below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evo_mtl.network.inputs.kind import Input
from evo_mtl.network.inputs.pixels import Pixels
from evo_mtl.network.inputs.vector import Vector
from evo_mtl.registry import Registry
from evo_mtl.streams.raw import Form

INPUTS: Registry[type[Input]] = Registry("kind of input")
INPUTS.add("pixels", Pixels)
INPUTS.add("vector", Vector)

__all__ = ["INPUTS", "Input", "Pixels", "Vector", "input_from_json", "plain_input"]


def input_from_json(data: Mapping[str, Any]) -> Input:
    """Reads what an input's ``to_json`` wrote.

    Raises:
        InputError: No such kind of input.
    """
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    kind = INPUTS.get(str(fields.pop("kind")))
    return kind(**fields)


def plain_input(form: Form) -> Input:
    """The input that hands on batches of examples of some form, their values not normalised.

    Raises:
        InputError: No such kind of input.
    """
    return INPUTS.get(form.kind).plain(form)
