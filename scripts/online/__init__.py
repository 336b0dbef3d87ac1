"""Parts of scripts/benchmark_online: what is compared, how a row comes about, what the rows say."""
