"""What ``scripts/benchmark_vectors`` measures."""
