"""What a run tells about itself.

* ``summary`` - the tasks, and one task in detail; ``hindsight`` - were the looks right
* ``comparison`` - runs and baselines in one table
* ``mirror``, ``optuna_storage`` - the search copied into an Optuna storage
"""
