"""Several candidates of one open shape trained at once: one matrix product for all, hyperparameters by member.

Members are folded into the batch: ``(M * B, ...)`` rows, each member's own images one after another. Frozen stages
run on them as on any batch (in eval mode rows do not mix); heads and adapters unfold them to
``(M, B, ...)`` and multiply by stacked weights. No number of one member ever enters another's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evo_mtl.genome.genome import Genome
from evo_mtl.network.adapters import ConvAdapter, TokenAdapter
from evo_mtl.network.forward import run_dynamic
from evo_mtl.network.heads import LIMIT, Head
from evo_mtl.network.pooling import Activation, main_tensor, with_main
from evo_mtl.training.inputs import Inputs
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.optimizers import StackedOptimizer


class StackedSteps:
    """Steps of gradient descent for ``M`` open parts of one shape.

    The members' own modules become views of the stacked weights, so they can be validated, copied and
    restored one by one as if each had been trained alone.

    Args:
        parts: Their heads and adapters are stacked.
        genomes: Their training hyperparameters.
    """

    def __init__(self, parts: Sequence[OpenPart], genomes: Sequence[Genome]) -> None:
        self._first = parts[0]
        self._own = {slot: stack([part.own[slot] for part in parts]) for slot in parts[0].own}
        self._parameters = [p for module in self._own.values() for p in module.parameters()]
        self._optimizer = StackedOptimizer(genomes, self._parameters)
        like = self._parameters[0]
        self._smoothing = like.new_tensor([genome["label_smoothing"] for genome in genomes])
        self._clip = like.new_tensor([genome["clip_norm"] for genome in genomes])
        self._clips = any(genome["clip_norm"] for genome in genomes)

    def step(self, inputs: Inputs, index: np.ndarray, targets: Tensor, rates: np.ndarray) -> Tensor:
        """One step.

        Args:
            inputs: All members read the same.
            index: ``(M, B)``, the images of each member's batch.
            targets: ``(M, B)``, their classes.
            rates: ``(M,)``, learning rates.

        Returns:
            Losses ``(M,)``.
        """
        first = self._first
        known = inputs[index.reshape(-1)]
        folded = run_dynamic(first.route, first.shared.modules, self._own, known)
        log_shares = F.log_softmax(folded.view(*targets.shape, -1), dim=-1)
        right = log_shares.gather(2, targets.unsqueeze(2)).mean((1, 2))
        losses = (self._smoothing - 1) * right - self._smoothing * log_shares.mean((1, 2))
        gradients = torch.autograd.grad(losses.sum(), self._parameters)
        if self._clips:
            self._clip_norms(gradients)
        self._optimizer.step(gradients, rates)
        return losses.detach()

    def _clip_norms(self, gradients: Sequence[Tensor]) -> None:
        """As :func:`torch.nn.utils.clip_grad_norm_` for each member; a clip norm of 0 leaves it alone."""
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        shares = torch.where(self._clip > 0, (self._clip / (norms + 1e-6)).clamp(max=1.0), 1.0)
        for gradient in gradients:
            gradient.mul_(shares.view(-1, *(1,) * (gradient.ndim - 1)))


def stack(modules: Sequence[nn.Module]) -> nn.Module:
    """One module for members of one kind and shape; their weights become views of its weights.

    Raises:
        ValueError: They are of a kind that is not stacked.
    """
    if all(isinstance(module, nn.Linear) for module in modules):
        return StackedLinear(modules)  # type: ignore[arg-type]
    if all(isinstance(module, Head) and module.projection is None for module in modules):
        return StackedHead(modules)  # type: ignore[arg-type]
    if all(isinstance(module, ConvAdapter | TokenAdapter) for module in modules):
        return StackedAdapter(modules)  # type: ignore[arg-type]
    raise ValueError("expected heads without a projection, or adapters")


class StackedLinear(nn.Module):
    """Linear maps (or 1x1 convolutions) of members: ``(M * B, D)`` to ``(M * B, K)``."""

    def __init__(self, modules: Sequence[nn.Linear | nn.Conv2d]) -> None:
        super().__init__()
        self.weight = _stacked([module.weight for module in modules])
        self.bias = _stacked([module.bias for module in modules])

    def forward(self, x: Tensor) -> Tensor:
        """Each member's rows by its own weights."""
        weight = self.weight.flatten(2).transpose(1, 2)
        rows = x.reshape(len(weight), -1, x.shape[-1])
        return torch.baddbmm(self.bias.unsqueeze(1), rows, weight).flatten(0, 1)


class StackedHead(nn.Module):
    """Heads of members with their own standardisation: ``(M * B, D)`` to ``(M * B, K)``."""

    mean: Tensor
    scale: Tensor

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        self.linear = StackedLinear([head.linear for head in heads])
        self.register_buffer("mean", torch.stack([head.mean for head in heads]).unsqueeze(1))
        self.register_buffer("scale", torch.stack([head.scale for head in heads]).unsqueeze(1))

    def forward(self, taps: Tensor) -> Tensor:
        """Plain logits: temperatures are 1 while heads are trained."""
        rows = taps.view(len(self.mean), -1, taps.shape[1])
        return self.linear(((rows - self.mean) / self.scale).clamp(-LIMIT, LIMIT))


class StackedAdapter(nn.Module):
    """Adapters of members on ``(M * B, C, H, W)`` or ``(M * B, N, C)``."""

    def __init__(self, adapters: Sequence[ConvAdapter | TokenAdapter]) -> None:
        super().__init__()
        norms = [adapter.norm for adapter in adapters]
        self.weight = _stacked([norm.weight for norm in norms])
        self.bias = _stacked([norm.bias for norm in norms])
        self.down = StackedLinear([adapter.down for adapter in adapters])
        self.up = StackedLinear([adapter.up for adapter in adapters])
        self._eps = norms[0].eps

    def forward(self, activation: Activation) -> Activation:
        """``activation`` with each member's correction added to its main tensor."""
        x = main_tensor(activation)
        if x.ndim == 4:
            normal = F.group_norm(x, 1, eps=self._eps).permute(0, 2, 3, 1)
        else:
            normal = F.layer_norm(x, x.shape[-1:], eps=self._eps)
        rows = normal.reshape(len(self.weight), -1, normal.shape[-1])
        scaled = torch.addcmul(self.bias.unsqueeze(1), rows, self.weight.unsqueeze(1))
        change = self.up(F.gelu(self.down(scaled))).view(normal.shape)
        return with_main(activation, x + (change.permute(0, 3, 1, 2) if x.ndim == 4 else change))


def _stacked(parameters: Sequence[Tensor | None]) -> nn.Parameter:
    """Parameters as one, ``(M, ...)``; each becomes a view of it, its strides as they were."""
    present = [p for p in parameters if p is not None]
    made = nn.Parameter(torch.stack([p.detach().contiguous() for p in present]))
    for own, p in zip(made.data, present, strict=True):
        # Strides of axes of size 1 decide how a convolution is run, and so last bits.
        p.data = own.as_strided(p.shape, p.stride() if p.is_contiguous() else own.stride())
    return made
