"""The parts of scripts/benchmark_race; each has a ``main``."""
