"""Parts of scripts/reproduce_thesis: the splits, what is run, what the rows say, and which findings they bear out."""
