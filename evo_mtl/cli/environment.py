"""Threads of the numerical libraries, which read the environment when they are loaded: this must run before."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from evo_mtl.documents import read_yaml
from evo_mtl.errors import ConfigError
from evo_mtl.names import CONFIGURATION

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def set_threads(threads: int) -> None:
    """Sets the threads of torch, BLAS and OpenMP in this process and those it starts.

    Results depend on their number, so what is asked for here overrides the shell's environment.
    """
    for name in VARIABLES:
        os.environ[name] = str(threads)
    os.environ.setdefault("GOMP_SPINCOUNT", "0")  # waiting threads should not occupy a core


def set_threads_of(run: Path) -> None:
    """Sets the threads that a run was searched with; 1 where there is no such run."""
    threads: object = 1
    # The command that opens the run says what is wrong with it.
    with contextlib.suppress(ConfigError, KeyError, TypeError):
        path = Path(run).expanduser() / CONFIGURATION
        threads = read_yaml(path).data["threads"] if path.is_file() else 1  # a pipe would be waited for
    set_threads(threads if isinstance(threads, int) and threads > 0 else 1)
