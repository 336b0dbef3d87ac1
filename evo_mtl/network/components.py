"""Components as modules: a component's spec says how to build it, its tensors fill it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from evo_mtl.network.kinds.kind import build, check, kind_of

Check = Callable[[Mapping[str, Any], Mapping[str, Sequence[int]]], None]


class Read(Protocol):
    """Where components come from."""

    def __call__(
        self, component: str, check: Check | None = None, /
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
        """Tensors and spec of the component of that digest.

        ``check`` is given the spec and the tensors' shapes before any tensor is read; it raises ``ValueError``.
        """


def stored(
    tensors: Mapping[str, Tensor], spec: Mapping[str, Any], dtype: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A component's tensors and spec as they are written in some precision, to be run frozen.

    With ``"bfloat16"`` matrices and kernels are rounded to it. Vectors (biases, norms and their statistics)
    stay float32: they are small, and folding a norm subtracts them from one another.
    """
    if dtype == "float32":
        return dict(tensors), dict(spec)
    rounded = {k: v.to(torch.bfloat16) if v.ndim > 1 else v for k, v in tensors.items()}
    return rounded, {**spec, "dtype": dtype}


def load_module(read: Read, component: str) -> nn.Module:
    """A fresh float32 module with a component's weights, in eval mode, as training starts from it."""
    return _filled(*read(component, check))


def frozen_module(read: Read, component: str, dtype: str | None = None) -> nn.Module:
    """A fresh module in the form in which it is run when nothing in it is trained: norms folded, in its precision.

    Norms are folded in float32, from the stored values; the result is then rounded.

    Args:
        read: Where components come from.
        component: Its digest.
        dtype: Instead of the precision its spec names.
    """
    tensors, spec = read(component, check)
    module = _filled(tensors, spec)
    module = kind_of(module).frozen(module).requires_grad_(False)
    return module.to(_PRECISIONS[dtype or spec.get("dtype", "float32")])


def _filled(tensors: Mapping[str, Tensor], spec: Mapping[str, Any]) -> nn.Module:
    module = build(spec)
    module.load_state_dict(dict(tensors))
    return module.to(memory_format=torch.channels_last).eval()


_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Modules:
    """Frozen modules by digest, each loaded once, the least recently used dropped.

    Args:
        read: Where components come from.
        capacity: Bytes of modules kept; the most recently used one is kept whatever its size.
        device: Where they run.
    """

    def __init__(self, read: Read, capacity: int = 2**30, device: str = "cpu") -> None:
        self.read = read
        self.device = torch.device(device)
        self._capacity, self._size = capacity, 0
        self._kept: OrderedDict[tuple[str, str | None], nn.Module] = OrderedDict()

    def __getitem__(self, component: str) -> nn.Module:
        """The frozen module of a component; shared, never to be trained."""
        return self._get(component, None)

    def passing(self, component: str) -> nn.Module:
        """The frozen module in float32, for training that sends gradients through it.

        A CPU's backward pass through bfloat16 convolutions is slower than through float32.
        """
        module = self[component]
        first = next(module.parameters(), None)
        if first is None or first.dtype == torch.float32:
            return module
        return self._get(component, "float32")

    def _get(self, component: str, dtype: str | None) -> nn.Module:
        key = (component, dtype)
        if key not in self._kept:
            self._kept[key] = self.frozen(component, dtype)
            self._size += num_bytes(self._kept[key])
            while self._size > self._capacity and len(self._kept) > 1:
                self._size -= num_bytes(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return self._kept[key]

    def frozen(self, component: str, dtype: str | None = None) -> nn.Module:
        """A private frozen module, as :func:`frozen_module` gives it."""
        return frozen_module(self.read, component, dtype).to(self.device)

    def fresh(self, component: str) -> nn.Module:
        """A private copy, which may be trained."""
        return load_module(self.read, component).to(self.device)


def num_bytes(module: nn.Module) -> int:
    """Memory of a module's parameters and buffers."""
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
