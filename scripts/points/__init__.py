"""Parts of scripts/find_points: what is changed, how a row comes about, what the rows say."""
