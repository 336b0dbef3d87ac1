"""Several candidates of one open shape trained at once: one matrix product for all, hyperparameters by member.

Members are folded into the batch: ``(M * B, ...)`` rows, each member's own images one after another. Frozen stages
run on them as on any batch (in eval mode rows do not mix); what is open unfolds them to
``(M, B, ...)`` and multiplies by stacked weights. No number of one member ever enters another's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evo_mtl.genome.genome import Genome
from evo_mtl.network.forward import run_dynamic
from evo_mtl.network.kinds.kind import kind_of, spec_of
from evo_mtl.training.descent import Batch
from evo_mtl.training.inputs import Inputs
from evo_mtl.training.open_part import OpenPart
from evo_mtl.training.optimizers import StackedOptimizer


class StackedDescent:
    """Steps of gradient descent for ``M`` open parts of one shape.

    The members' own modules become views of the stacked weights, so they can be validated, copied and
    restored one by one as if each had been trained alone.

    Args:
        parts: Their own modules are stacked.
        genomes: Their training hyperparameters.
        rates: ``(S, M)``, learning rates of every step.
    """

    def __init__(self, parts: Sequence[OpenPart], genomes: Sequence[Genome], rates: np.ndarray) -> None:
        self._first, self._rates = parts[0], rates
        self._own = {slot: stack([part.own[slot] for part in parts]) for slot in parts[0].own}
        self._parameters = [p for module in self._own.values() for p in module.parameters()]
        self._optimizer = StackedOptimizer(genomes, self._parameters)
        like = self._parameters[0]
        self._smoothing = like.new_tensor([genome["label_smoothing"] for genome in genomes])
        self._clip = like.new_tensor([genome["clip_norm"] for genome in genomes])
        self._clips = any(genome["clip_norm"] for genome in genomes)

    def step(self, inputs: Inputs, batch: Batch) -> Tensor:
        """One step; losses ``(M,)``.

        Args:
            inputs: Read by all members.
            batch: A batch for each member.
        """
        first, targets = self._first, batch.targets
        known = inputs[batch.index.reshape(-1)]
        folded = run_dynamic(first.route, first.shared.modules, self._own, known)
        log_shares = F.log_softmax(folded.view(*targets.shape, -1), dim=-1)
        right = log_shares.gather(2, targets.unsqueeze(2)).mean((1, 2))
        losses = (self._smoothing - 1) * right - self._smoothing * log_shares.mean((1, 2))
        gradients = torch.autograd.grad(losses.sum(), self._parameters)
        if self._clips:
            self._clip_norms(gradients)
        self._optimizer.step(gradients, self._rates[batch.number])
        return losses.detach()

    def _clip_norms(self, gradients: Sequence[Tensor]) -> None:
        """As :func:`torch.nn.utils.clip_grad_norm_` for each member; a clip norm of 0 leaves it alone."""
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        shares = torch.where(self._clip > 0, (self._clip / (norms + 1e-6)).clamp(max=1.0), 1.0)
        for gradient in gradients:
            gradient.mul_(shares.view(-1, *(1,) * (gradient.ndim - 1)))


def stack(modules: Sequence[nn.Module]) -> nn.Module:
    """One module for members of one spec; their weights become views of its weights.

    Raises:
        ValueError: They are of a kind that is not stacked.
    """
    together = kind_of(modules[0]).together
    if together is None:
        raise ValueError(f"a {spec_of(modules[0])['kind']} is never stacked")
    return together.stack(modules)
