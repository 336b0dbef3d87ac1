"""An evaluation as Optuna's trial: what a sampler learns from it, and what a storage shows of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evo_mtl.evolution.candidate import Evaluation

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


def trial_of(
    evaluation: Evaluation,
    params: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    attributes: Mapping[str, Any] | None = None,
) -> FrozenTrial:
    """The score is its value, the curve its intermediate values; a rejected one is pruned, one without a finite score failed.

    Args:
        evaluation: As committed.
        params, distributions: Of the genome, by name.
        attributes: The trial's user attributes.
    """
    from optuna.trial import TrialState, create_trial

    scored = evaluation.ok and math.isfinite(evaluation.score)
    state = TrialState.PRUNED if evaluation.rejected else TrialState.FAIL
    return create_trial(
        state=TrialState.COMPLETE if scored else state,
        value=evaluation.score if scored else None,
        params=dict(params),
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(evaluation.curve)),
        user_attrs=dict(attributes or {}),
    )
