"""What ``scripts/benchmark_boundaries`` measures."""
