"""Parts of scripts/benchmark_search: what is compared, how a row comes about, what the rows say."""
