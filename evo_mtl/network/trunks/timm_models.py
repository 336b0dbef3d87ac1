"""timm's models as trunks."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import timm
import torch
from timm.models import is_model, model_entrypoint
from torch import nn

from evo_mtl.errors import TrunkError, reason
from evo_mtl.network.depthwise import quicken
from evo_mtl.network.folding import foldable, mark
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.pooling import main_tensor
from evo_mtl.network.trunks import weights as sources
from evo_mtl.network.trunks.cuts import Piece, can_be_cut, cut_model
from evo_mtl.network.trunks.trunk import Trunk, check_cut, has_norm
from evo_mtl.registry import suggestion
from evo_mtl.seeding import torch_seed
from evo_mtl.streams.raw import Form

VIT_FILES = ("vision_transformer", "vision_transformer_hybrid", "deit")


class TimmFamily:
    """Every timm model that can be cut: EfficientNet, MobileNetV2 and V3, ResNet, ConvNeXt, ViT."""

    def named(self, name: str, form: Form) -> str:
        """The same name: it is for images of any sizes."""
        if form.kind != "pixels":
            raise TrunkError(f"trunk {name} reads images, not {form.noun}s")
        return name

    def build(self, name: str, weights: str, cut: str) -> Trunk:
        """A timm model with weights from ``timm``, ``torchvision``, ``package:NAME``, ``file:PATH`` or ``random``.

        Raises:
            TrunkError: Unknown name, a family that cannot be cut, or weights that cannot be had.
        """
        sources.check_source(weights)
        check_cut(cut)
        model = _create(name, pretrained=weights == "timm")
        if weights not in ("timm", "random"):
            sources.load_weights(model, name.partition(".")[0], weights)
        model.eval().requires_grad_(False)
        pieces = cut_model(model, cut)
        stages = tuple(piece.module.eval() for piece in pieces)
        mark(stages)
        outputs = _outputs(stages)
        return Trunk(
            name=name,
            weights=weights,
            cut=cut,
            stages=stages,
            stage_names=tuple(piece.name for piece in pieces),
            channels=tuple(x.shape[1] if x.ndim == 4 else x.shape[2] for x in outputs),
            group_ends=_group_ends(pieces),
            kind="conv" if outputs[-1].ndim == 4 else "token",
            input=Pixels(0, *_normalisation(model, weights)),
            final_norm=max(i for i, stage in enumerate(stages) if has_norm(stage)),
            num_prefix_tokens=getattr(model, "num_prefix_tokens", 0),
        )

    def outlines(self, name: str, cut: str) -> tuple[nn.Module, ...]:
        """Its stages; the model is built once for each name and cut, and kept."""
        return _outlines(name, cut)

    def stage(self, name: str, cut: str, index: int) -> nn.Module:
        """A stage, which knows what of it can be folded."""
        outlines = _outlines(name, cut)
        if any(next(foldable(stage), None) for stage in outlines) or _computes_buffers(outlines[index]):
            return copy.deepcopy(_skeleton(name, cut)[index])
        # Nothing to be tried on real weights: however large the model, one stage is all that memory is asked for.
        return copy.deepcopy(outlines[index]).to_empty(device="cpu")


@lru_cache(maxsize=4)
def _outlines(name: str, cut: str) -> tuple[nn.Module, ...]:
    check_cut(cut)
    with torch.device("meta"):
        model = _create(name, pretrained=False).eval().requires_grad_(False)
        return tuple(piece.module.eval() for piece in cut_model(model, cut))


def _computes_buffers(stage: nn.Module) -> bool:
    """Whether it has buffers that its component does not store."""
    return len(dict(stage.named_buffers())) > len(
        stage.state_dict().keys() - dict(stage.named_parameters()).keys()
    )


@lru_cache(maxsize=4)
def _skeleton(name: str, cut: str) -> tuple[nn.Module, ...]:
    check_cut(cut)
    model = _create(name, pretrained=False).eval().requires_grad_(False)
    stages = tuple(piece.module.eval() for piece in cut_model(model, cut))
    mark(stages)
    return stages


def _create(name: str, pretrained: bool) -> nn.Module:
    """timm's whole model, random if not pretrained; torch's global generator is left as it was."""
    if not is_model(name):
        raise TrunkError(f'timm knows no model "{name}"{suggestion(name, timm.list_models())}')
    # Any image size, padded to whole patches; models of other files refuse these arguments.
    is_vit = model_entrypoint(name).__module__.rpartition(".")[2] in VIT_FILES
    options: dict[str, Any] = {"dynamic_img_size": True, "dynamic_img_pad": True} if is_vit else {}
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would move the generators of accelerators too.
        torch.default_generator.manual_seed(torch_seed(0, "trunk", name.partition(".")[0]))
        try:
            with sources.weights_only():
                model = timm.create_model(name, pretrained=pretrained, **options)
        # A download may fail in as many ways as there are libraries below; all mean the same to the user.
        except Exception as error:
            if pretrained:
                raise sources.unreachable("timm", name, error) from error
            raise TrunkError(f"timm cannot build {name}: {reason(error)}") from error
    if not can_be_cut(model):
        raise TrunkError(
            f"{name} is a {type(model).__name__}, which cannot be cut into stages; "
            "choose an EfficientNet, MobileNet, ResNet, ConvNeXt or ViT"
        )
    return quicken(model)


def _normalisation(model: Any, weights: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if weights == "torchvision":
        return sources.IMAGENET_MEAN, sources.IMAGENET_STD
    settings = model.pretrained_cfg
    mean = settings.get("mean", sources.IMAGENET_MEAN)
    std = settings.get("std", sources.IMAGENET_STD)
    return tuple(map(float, mean)), tuple(map(float, std))


@torch.no_grad()
def _outputs(stages: tuple[nn.Module, ...]) -> list[torch.Tensor]:
    """The main tensor after each stage, for one small image."""
    activation = torch.zeros(1, 3, 64, 64)
    outputs = []
    for stage in stages:
        activation = stage(activation)
        outputs.append(main_tensor(activation))
    return outputs


def _group_ends(pieces: list[Piece]) -> tuple[int, ...]:
    last = {piece.group: index for index, piece in enumerate(pieces)}
    return tuple(last.values())
