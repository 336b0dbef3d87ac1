"""How each family of timm models is cut into stages in depth order.

Where the stages end, by family (everything after is pooling and classifier, and is left out):

* EfficientNet, MobileNetV2: ``conv_head`` and ``bn2`` are the stage ``head``. timm's pre-logits are
  our pooled activation at grid 1.
* MobileNetV3: after the blocks. Its ``conv_head`` works on the pooled vector and is left out, so
  the pre-logits are ``act2(norm_head(conv_head(pooled)))`` of timm's model.
* ResNet (basic and bottleneck blocks): after ``layer4``; pre-logits are the pooled activation.
* ConvNeXt: after the blocks (and ``norm_pre`` where the model has one, as stage ``norm``). The
  usual model's norm comes after the pooling and is left out: pre-logits are that norm of the pooled vector.
* ViT: ``norm``, or after the blocks in models that pool first and norm then (``fc_norm``).

``half`` cuts ResNet basic blocks, inverted residuals and ViT blocks in two; for ConvNeXt,
bottlenecks and other blocks it is the same as ``block``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from timm.layers import resample_abs_pos_embed
from timm.models._efficientnet_blocks import InvertedResidual
from timm.models.convnext import ConvNeXt
from timm.models.efficientnet import EfficientNet
from timm.models.mobilenetv3 import MobileNetV3
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from evo_mtl.network.trunks import halves

FAMILIES: tuple[Any, ...] = (EfficientNet, MobileNetV3, ResNet, ConvNeXt, VisionTransformer)
HALVES: dict[type, tuple[tuple[str, type], tuple[str, type]]] = {
    BasicBlock: (("first", halves.BasicFirst), ("second", halves.BasicSecond)),
    InvertedResidual: (("expand", halves.InvertedFirst), ("project", halves.InvertedSecond)),
    Block: (("attention", halves.AttentionHalf), ("mlp", halves.MlpHalf)),
}


class Piece(NamedTuple):
    """One stage of a cut model."""

    name: str
    group: str
    module: nn.Module


class TokenStem(nn.Module):
    """Pixels ``(B, 3, H, W)`` to tokens ``(B, N, C)``: patches, prefix tokens, positions.

    Position embeddings are resampled to the image's size, as timm does under ``dynamic_img_size``.
    """

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        self.patch_embed = model.patch_embed
        self.cls_token = model.cls_token
        self.reg_token = model.reg_token
        self.pos_embed = model.pos_embed
        self.norm_pre = model.norm_pre
        self.num_prefix_tokens = model.num_prefix_tokens
        self.no_embed_class = model.no_embed_class

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The tokens before the first block."""
        x = self.patch_embed(x)
        batch, height, width, channels = x.shape
        x = x.reshape(batch, -1, channels)
        prefix = [
            token.expand(batch, -1, -1) for token in (self.cls_token, self.reg_token) if token is not None
        ]
        if self.pos_embed is None:
            return self.norm_pre(torch.cat([*prefix, x], dim=1))
        positions = resample_abs_pos_embed(
            self.pos_embed,
            new_size=[height, width],
            old_size=list(self.patch_embed.grid_size),
            num_prefix_tokens=0 if self.no_embed_class else self.num_prefix_tokens,
        )
        if self.no_embed_class:
            x = torch.cat([*prefix, x + positions], dim=1)
        else:
            x = torch.cat([*prefix, x], dim=1) + positions
        return self.norm_pre(x)


def can_be_cut(model: Any) -> bool:
    """Whether the model's class computes as one of the families does (subclasses may not)."""
    family = next((family for family in FAMILIES if isinstance(model, family)), None)
    if family is None or type(model).forward_features is not family.forward_features:
        return False
    if isinstance(model, VisionTransformer):
        return model.dynamic_img_size and type(model)._pos_embed is VisionTransformer._pos_embed
    return True


def cut_model(model: nn.Module, cut: str) -> list[Piece]:
    """The stages of a model, in depth order; they share its tensors.

    Args:
        model: A timm model for which :func:`can_be_cut` holds.
        cut: ``"group"``, ``"block"`` or ``"half"``.
    """
    pieces = [piece for piece in _blocks(model) if not isinstance(piece.module, nn.Identity)]
    if cut == "half":
        return [half for piece in pieces for half in _halves(piece)]
    if cut == "block":
        return pieces
    groups: dict[str, list[nn.Module]] = {}
    for piece in pieces:
        groups.setdefault(piece.group, []).append(piece.module)
    return [Piece(name, name, _joined(modules)) for name, modules in groups.items()]


def _joined(modules: list[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


def _halves(piece: Piece) -> Iterator[Piece]:
    if type(piece.module) not in HALVES:
        yield piece
        return
    for name, half in HALVES[type(piece.module)]:
        yield Piece(f"{piece.name}.{name}", piece.group, half(piece.module))


def _named(model: Any, *names: str) -> nn.Module:
    return nn.Sequential(OrderedDict((name, getattr(model, name)) for name in names))


def _blocks(model: Any) -> Iterator[Piece]:
    family = type(model).__mro__
    if EfficientNet in family or MobileNetV3 in family:
        yield Piece("stem", "stem", _named(model, "conv_stem", "bn1"))
        for i, group in enumerate(model.blocks):
            for j, block in enumerate(group):
                yield Piece(f"blocks.{i}.{j}", f"blocks.{i}", block)
        if EfficientNet in family:
            yield Piece("head", "head", _named(model, "conv_head", "bn2"))
    elif ResNet in family:
        yield Piece("stem", "stem", _named(model, "conv1", "bn1", "act1", "maxpool"))
        for i in (1, 2, 3, 4):
            for j, block in enumerate(getattr(model, f"layer{i}")):
                yield Piece(f"layer{i}.{j}", f"layer{i}", block)
    elif ConvNeXt in family:
        yield Piece("stem", "stem", model.stem)
        for i, stage in enumerate(model.stages):
            yield Piece(f"stages.{i}.downsample", f"stages.{i}", stage.downsample)
            for j, block in enumerate(stage.blocks):
                yield Piece(f"stages.{i}.{j}", f"stages.{i}", block)
        yield Piece("norm", "norm", model.norm_pre)
    else:
        yield from _transformer(model)


def _transformer(model: Any) -> Iterator[Piece]:
    """ViT has one resolution throughout; its groups are quarters of the depth."""
    yield Piece("stem", "stem", TokenStem(model))
    depth = len(model.blocks)
    for i, block in enumerate(model.blocks):
        yield Piece(f"blocks.{i}", f"quarter{4 * i // depth}", block)
    yield Piece("norm", "norm", model.norm)
