"""How likely each mutation is: one inherited probability for all, or one learned for each.

A mutation asks ``decide(name)``, with a name such as ``"step:learning_rate"``, ``"clone:3"``, ``"insert:5"``,
``"head"``, ``"taps"``, ``"depth"``, ``"boundary"``, ``"own_from"`` or ``"path"``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evo_mtl.genome.genome import Genome, Value
from evo_mtl.genome.sections import OrderedList

MU = "mutation_probability"

LEARNED = OrderedList(values=tuple(round(0.02 * i, 2) for i in range(1, 16)), default=0.2)
"""What a learned probability may be: 0.02, 0.04 … 0.30 (Gesmundo 2022, mu2Net+)."""

Decide = Callable[[str], bool]
"""Whether the mutation of that name happens."""


def step(listed: OrderedList, value: Value, rng: np.random.Generator) -> Value:
    """One step up or down an ordered list, clamped at its ends."""
    place = listed.index(value) + (1 if rng.random() < 0.5 else -1)
    return listed.values[min(max(place, 0), len(listed.values) - 1)]


def evenly(probability: float, rng: np.random.Generator) -> Decide:
    """Every mutation with the same probability (mu2Net)."""
    return lambda name: bool(rng.random() < probability)


class Learned:
    """Each mutation with a probability of its own, which is inherited and mutates itself (mu2Net+).

    One that was never needed before starts from ``mu``. At each decision it first steps with probability
    ``mu``, then decides. The parent's are not changed; :attr:`stored` is what the child inherits.

    Args:
        parent: Its ``mu`` and its learned probabilities are read.
        rng: Source of every decision.

    References:
        Gesmundo 2022 (mu2Net+).
    """

    def __init__(self, parent: Genome, rng: np.random.Generator) -> None:
        self._mu, self._rng = float(parent[MU]), rng
        self._rates = dict(parent.rates)

    def __call__(self, name: str) -> bool:
        """Whether the mutation of that name happens; its probability may step first."""
        rate: Value = self._rates.get(name, LEARNED.values[LEARNED.index(self._mu)])
        if self._rng.random() < self._mu:
            rate = step(LEARNED, rate, self._rng)
        self._rates[name] = float(rate)
        return bool(self._rng.random() < self._rates[name])

    @property
    def stored(self) -> tuple[tuple[str, float], ...]:
        """As :attr:`Genome.rates` keeps them."""
        return tuple(sorted(self._rates.items()))
