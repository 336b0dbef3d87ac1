"""What scripts/benchmark_speed measures, a file a claim."""
