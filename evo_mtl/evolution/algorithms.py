"""The search algorithms by name."""

from __future__ import annotations

from evo_mtl.evolution.mu2net import mu2net, mu2net_plus
from evo_mtl.evolution.nsga2 import nsga2
from evo_mtl.evolution.random_search import random_search
from evo_mtl.evolution.regularized_evolution import regularized_evolution
from evo_mtl.evolution.tpe import tpe
from evo_mtl.evolution.turn import Algorithm
from evo_mtl.registry import Registry

algorithms: Registry[Algorithm] = Registry("search algorithm")
algorithms.add("mu2net", mu2net)
algorithms.add("mu2net_plus", mu2net_plus)
algorithms.add("regularized_evolution", regularized_evolution)
algorithms.add("nsga2", nsga2)
algorithms.add("random", random_search)
algorithms.add("tpe", tpe)
